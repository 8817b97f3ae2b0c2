//! The short forms of the language: one text for a value with several parts.
//!
//! One parser for each form serves both to check it and to get its value.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::diagnostic::quoted;
use super::shape::Fault;
use moat_model::resource::{Cpus, Size, Ulimit};

/// A mount as one text.
#[derive(Debug, PartialEq, Eq)]
pub struct MountText {
    pub source: String,
    pub target: String,
    pub read_only: bool,
}

/// A named volume as one text.
#[derive(Debug, PartialEq, Eq)]
pub struct VolumeText {
    pub name: String,
    pub target: String,
    pub read_only: bool,
}

/// The source of a mount.
#[derive(Debug, PartialEq, Eq)]
pub enum SourceText<'a> {
    /// As written: absolute, or relative to the file or the home directory.
    Path(&'a str),
    /// The name of a volume of the engine.
    Volume(&'a str),
}

/// The unit of a size without one, as in other tools with this file format.
const MB: u64 = 1 << 20;

/// The engine's minimum: moby's `linuxMinMemory`.
const MEMORY_MIN: Size = Size(6 << 20);

/// moat's configuration of BuildKit reserves 2 GB of the cache; a limit must leave room to work.
const CACHE_LIMIT_MIN: Size = Size(4 << 30);

/// The longest useful time for a check; a longer one is a mistake.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The kernel's limits of a process, by Docker's names.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// `SOURCE:TARGET`, `SOURCE:TARGET:ro`, `SOURCE:TARGET:rw`.
pub fn mount(text: &str) -> Result<MountText, Fault> {
    let wrong = |hint: &str| Fault::new(format!("{} is not a mount", quoted(text)), hint);
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts[..] {
        [source, target] => (source, target, false),
        [source, target, mode] => (source, target, is_read_only(mode).map_err(|hint| wrong(&hint))?),
        [_] => return Err(wrong("write `SOURCE:TARGET`, as in `./data:/data`")),
        _ => return Err(wrong("a path that contains a colon needs the long form: `source: …`, `target: …`")),
    };
    mount_source(source)?;
    place(target)?;
    Ok(MountText { source: source.to_owned(), target: target.to_owned(), read_only })
}

/// Whether the mode after the target is read-only.
fn is_read_only(mode: &str) -> Result<bool, String> {
    match mode {
        "ro" => Ok(true),
        "rw" => Ok(false),
        other => Err(format!("expected `ro` or `rw` after the target, found {}", quoted(other))),
    }
}

/// A path, or the name of a volume.
pub fn mount_source(text: &str) -> Result<SourceText<'_>, Fault> {
    let is_path = text.starts_with(['/', '~']) || text == "." || text == ".." || text.starts_with("./");
    if is_path || text.starts_with("../") {
        return path(text).map(|()| SourceText::Path(text));
    }
    if text.contains('/') {
        let fault = Fault::new(format!("{} is neither a path nor a volume name", quoted(text)), String::new());
        return Err(Fault {
            hint: format!("for a path relative to this file, write {}", quoted(&format!("./{text}"))),
            ..fault
        });
    }
    volume_name(text).map(|()| SourceText::Volume(text))
}

/// A path on this host.
pub fn path(text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::new("a path cannot contain a NUL character", "remove the `\\0`"));
    }
    if text.starts_with('~') && text != "~" && !text.starts_with("~/") {
        return Err(Fault::new(
            format!("home directories of other users are not supported: {}", quoted(text)),
            "write the full path",
        ));
    }
    Ok(())
}

/// The workspace. A text that looks like a short form of a mount is rejected.
pub fn folder(text: &str) -> Result<(), Fault> {
    let Some((source, target)) = text.split_once(":/") else { return path(text) };
    let message = format!("{} is a mount, not a folder", quoted(text));
    let target = target.split(':').next().unwrap_or_default();
    let parts = quoted(&format!("{{path: {source}, target: /{target}}}"));
    Err(Fault::new(message, format!("write it as a mapping: {parts}")))
}

/// The target of a mount.
pub fn place(text: &str) -> Result<(), Fault> {
    workplace(text)?;
    // No short form of any tool can express such a path: it is a mode or a mistake.
    if text.contains(':') {
        let hint = match text.rsplit_once(':') {
            Some((_, "ro" | "rw")) => "write only the path; the mode has its own key",
            _ => "choose a path without one",
        };
        return Err(Fault::new(format!("the target {} contains a colon", quoted(text)), hint));
    }
    Ok(())
}

/// An absolute path in a container, below its root.
pub fn workplace(text: &str) -> Result<(), Fault> {
    let wrong = |message: String, hint: String| Err(Fault::new(message, hint));
    if !text.starts_with('/') {
        let hint = format!("start it with `/`, as in {}", quoted(&format!("/{}", text.trim_start_matches("./"))));
        return wrong(format!("{} is not an absolute path", quoted(text)), hint);
    }
    if text.split('/').any(|part| part == "..") || text.contains('\0') {
        return wrong(format!("{} is not a plain path", quoted(text)), "write it without `..`".to_owned());
    }
    if text.trim_matches('/').is_empty() {
        return wrong("`/` cannot be a target".to_owned(), "name a folder, as in `/data`".to_owned());
    }
    Ok(())
}

/// A folder within a mount.
pub fn excluded(text: &str) -> Result<(), Fault> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '*', '?', ':']);
    if text.trim_end_matches('/').split('/').all(plain) {
        return Ok(());
    }
    let message = format!("{} is not a folder within the mount", quoted(text));
    Err(Fault::new(
        message,
        "name one folder relative to the mount, without wildcards or colons, such as `node_modules`",
    ))
}

/// The engine's rule for names of volumes.
pub fn volume_name(text: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.len() > 1 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(());
    }
    let message = match text.len() {
        1 => format!("the volume name {} is too short", quoted(text)),
        _ => format!("{} is not a valid volume name", quoted(text)),
    };
    Err(Fault::new(
        message,
        "names consist of at least two letters, digits, `_`, `.` or `-`, and start with a letter or digit",
    ))
}

/// `NAME:TARGET`, `NAME:TARGET:ro`, `NAME:TARGET:rw`.
pub fn volume(text: &str) -> Result<VolumeText, Fault> {
    let wrong = |hint: &str| Fault::new(format!("{} is not a volume", quoted(text)), hint);
    let parts: Vec<&str> = text.split(':').collect();
    let (name, target, read_only) = match parts[..] {
        [name, target] => (name, target, false),
        [name, target, mode] => (name, target, is_read_only(mode).map_err(|hint| wrong(&hint))?),
        [_] => {
            let hint = "write `NAME:TARGET`, as in `cache:/var/cache`";
            return Err(Fault::new(format!("{} has no target", quoted(text)), hint));
        }
        _ => return Err(wrong("write `NAME:TARGET` or `NAME:TARGET:ro`")),
    };
    if name.contains('/') || name.starts_with(['.', '~']) {
        let message = format!("{} is a path, not a volume name", quoted(name));
        return Err(Fault::new(message, "list paths under `mounts`"));
    }
    volume_name(name)?;
    place(target)?;
    Ok(VolumeText { name: name.to_owned(), target: target.to_owned(), read_only })
}

/// An amount of memory for a container.
pub fn memory(text: &str) -> Result<Size, Fault> {
    let size = Size::parse(text, MB).map_err(|_| {
        Fault::new(
            format!("{} is not a size", quoted(text)),
            "write a number and `k`, `m` or `g`, as in `512m` or `1.5g`",
        )
    })?;
    if size < MEMORY_MIN {
        let message = format!("{} is below the engine's minimum of {MEMORY_MIN}", quoted(text));
        return Err(Fault::new(message, "a number without a unit is in MB"));
    }
    Ok(size)
}

/// The size of a build cache.
pub fn cache_limit(text: &str) -> Result<Size, Fault> {
    let size = memory(text)?;
    if size < CACHE_LIMIT_MIN {
        let message = format!("{} is too small for a build cache", quoted(text));
        return Err(Fault::new(message, format!("use at least {CACHE_LIMIT_MIN}")));
    }
    Ok(size)
}

pub fn cpus(text: &str) -> Result<Cpus, Fault> {
    let wrong =
        |_| Fault::new(format!("{} is not a number of CPUs", quoted(text)), "write a number such as `2` or `1.5`");
    text.parse().map_err(wrong)
}

/// A positive number.
pub fn count(text: &str) -> Result<u32, Fault> {
    let number = text.parse::<u32>().ok().filter(|number| *number > 0 && i32::try_from(*number).is_ok());
    number.ok_or_else(|| {
        Fault::new(format!("{} is not a positive whole number", quoted(text)), "write digits, such as `3`")
    })
}

/// From -1000 to 1000, the kernel's range.
pub fn oom_score_adj(text: &str) -> Result<i32, Fault> {
    let score = text.parse::<i32>().ok().filter(|score| (-1000..=1000).contains(score));
    score.ok_or_else(|| {
        let message = format!("{} is not a whole number from -1000 to 1000", quoted(text));
        Fault::new(message, "the kernel kills processes with a higher score first, such as `500`")
    })
}

/// The name of a log driver; the name of a plugin may have a registry and a tag.
pub fn log_driver(text: &str) -> Result<(), Fault> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)) {
        return Ok(());
    }
    let message = format!("{} is not a valid log driver name", quoted(text));
    Err(Fault::new(message, "`docker info` lists the engine's log drivers, such as `json-file` and `local`"))
}

/// The name of an option of a log driver.
pub fn log_option(text: &str) -> Result<(), Fault> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Ok(());
    }
    let message = format!("{} is not a valid log driver option", quoted(text));
    Err(Fault::new(message, "options look like `max-size` and `max-file`"))
}

/// `SOFT:HARD`, or one number for both; -1: unlimited.
pub fn ulimit(text: &str) -> Result<Ulimit, Fault> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= -1);
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let limit = number(soft).zip(number(hard)).map(|(soft, hard)| Ulimit { soft, hard });
    let wrong = |hint: &str| Fault::new(format!("{} is not a ulimit", quoted(text)), hint);
    let limit = limit.ok_or_else(|| wrong("write `SOFT:HARD` or one number, such as `1024:4096`; -1 is unlimited"))?;
    if limit.hard != -1 && (limit.soft > limit.hard || limit.soft == -1) {
        return Err(wrong("the soft limit cannot exceed the hard limit"));
    }
    Ok(limit)
}

pub fn ulimit_name(text: &str) -> Result<(), Fault> {
    if ULIMITS.contains(&text) {
        return Ok(());
    }
    let message = format!("unknown ulimit {}", quoted(text));
    Err(Fault::new(
        message,
        match super::suggest(text, ULIMITS) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known ulimits: {}", ULIMITS.map(|name| format!("`{name}`")).join(", ")),
        },
    ))
}

/// `500ms`, `30s`, `1m30s`; in milliseconds.
pub fn duration(text: &str) -> Result<u64, Fault> {
    let wrong = || {
        Fault::new(
            format!("{} is not a duration", quoted(text)),
            "write a number with a unit, such as `500ms`, `30s` or `1m30s`",
        )
    };
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    let time = Duration::try_from(parsed).map_err(|_| wrong())?;
    // The engine rejects times of a check below a millisecond.
    if time < Duration::from_millis(1) || time > DURATION_MAX {
        return Err(Fault::new(
            format!("{} is not between a millisecond and a day", quoted(text)),
            "write a duration such as `30s`",
        ));
    }
    u64::try_from(time.as_millis()).map_err(|_| wrong())
}

pub fn subnet(text: &str) -> Result<Ipv4Net, Fault> {
    let wrong = |hint: String| Fault::new(format!("{} is not a subnet", quoted(text)), hint);
    let range: Ipv4Net = text.parse().map_err(|_| wrong("write an IPv4 range such as `10.99.0.0/24`".to_owned()))?;
    if range != range.trunc() {
        return Err(wrong(format!("the range starts at `{}`", range.trunc())));
    }
    // Two containers, the gateway, and the two reserved addresses.
    if range.prefix_len() > 29 {
        return Err(wrong("too few addresses; `/29` is the smallest range".to_owned()));
    }
    Ok(range)
}

pub fn address(text: &str) -> Result<IpAddr, Fault> {
    text.parse()
        .map_err(|_| Fault::new(format!("{} is not an IP address", quoted(text)), "write an address such as `1.1.1.1`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_have_a_source_a_target_and_an_optional_mode() {
        let read = mount("./data:/data:ro").expect("a mount");
        assert_eq!((read.source.as_str(), read.target.as_str(), read.read_only), ("./data", "/data", true));
        for text in ["a:/a", "~/x:/x", "~:/x", ".:/x", "..:/x", "/:/host:rw"] {
            assert!(mount(text).is_ok() || text == "a:/a", "{text}");
        }
        for text in ["", "a", "./a:b", "./a:/", "./a:/b:rx", "a/b:/c", "~me/x:/x", "./a:/b:ro:x", "./a:/b/../c", ":/a"]
        {
            assert!(mount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn volumes_have_a_name_a_target_and_an_optional_mode() {
        for (text, read_only) in [("aa:/a", false), ("aa:/a:rw", false), ("aa:/a:ro", true)] {
            let read = volume(text).expect(text);
            assert_eq!((read.name.as_str(), read.target.as_str(), read.read_only), ("aa", "/a", read_only), "{text}");
        }
        for text in [
            "",
            "aa",
            "aa:",
            ":/a",
            "aa:/a:",
            "aa:/a:z",
            "aa:/a:ro,z",
            "aa:/a:ro:x",
            "aa:/a:/b",
            "x:/x:ro",
            "aa:a:ro",
            "./a:/a:ro",
            "aa:/a:RO",
        ] {
            assert!(volume(text).is_err(), "{text}");
        }
    }

    #[test]
    fn separators_are_not_part_of_a_path() {
        for text in ["/a:ro", "/a:rw", "/a:b", "/a:"] {
            assert!(place(text).is_err(), "{text}");
        }
        for text in ["a:ro", "a:b/c", "a/b:rw"] {
            assert!(excluded(text).is_err(), "{text}");
        }
        for text in [".:/src", "./a:/b:ro", "/a:/b", "~:/c"] {
            assert!(folder(text).is_err(), "{text}");
        }
        assert_eq!((folder("./a:b"), workplace("/a:b")), (Ok(()), Ok(())));
        for text in ["1:2:3", "1:", ":1", "1:2:"] {
            assert!(ulimit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("1m30s", 90_000), ("2h", 7_200_000)] {
            assert_eq!(duration(text), Ok(ms), "{text}");
        }
        for text in ["", "30", "-1s", "0s", "2d3h", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
