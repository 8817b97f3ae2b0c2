//! Parsers for keys shared with compose and `docker run`: Linux capabilities, devices, GPUs and tmpfs mounts.

use std::time::Duration;

use super::diagnostic::quoted;
use super::paths::trimmed;
use super::shape::Fault;
use super::short_forms;
use moat_model::resource::platform::{self, PlatformError};
use moat_model::resource::{Device, Gpus, Platform};

/// A tmpfs mount as one text.
#[derive(Debug, PartialEq, Eq)]
pub struct TmpfsText {
    pub target: String,
    /// In the engine's format; empty: its defaults.
    pub options: String,
}

/// The capabilities of Linux 6.12, without `CAP_`.
const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// The kernel's limit on host names (`__NEW_UTS_LEN`).
const HOSTNAME_MAX: usize = 64;

/// A longer wait for a stop is a mistake.
const STOP_MAX: Duration = Duration::from_secs(60 * 60);

/// Reads a Linux capability, with or without `CAP_`, in any case. Returns it without the prefix, in upper case.
pub fn linux_capability(text: &str) -> Result<String, Fault> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if CAPABILITIES.contains(&name) {
        return Ok(name.to_owned());
    }
    let hint = match super::suggest(name, CAPABILITIES) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "write a name such as `NET_ADMIN`; `man 7 capabilities` lists them".to_owned(),
    };
    Err(Fault::new(format!("unknown Linux capability {}", quoted(text)), hint))
}

/// `PATH`, `PATH:PERMISSIONS`, `PATH:TARGET` or `PATH:TARGET:PERMISSIONS`.
pub fn device(text: &str) -> Result<Device, Fault> {
    let wrong = |hint: &str| Fault::new(format!("{} is not a device", quoted(text)), hint);
    if !text.starts_with('/') && text.contains('=') {
        return Err(wrong("CDI device names are not supported: write the path of a device"));
    }
    let is_permissions = |text: &str| !text.is_empty() && text.chars().all(|c| "rwm".contains(c));
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, permissions] if is_permissions(permissions) => (host, host, permissions),
        [host, container] => (host, container, "rwm"),
        [host, container, permissions] if is_permissions(permissions) => (host, container, permissions),
        [_, _, _] => return Err(wrong("permissions are a combination of `r`, `w` and `m`")),
        _ => return Err(wrong("write `PATH`, `PATH:TARGET` or `PATH:TARGET:rwm`")),
    };
    for path in [host, container] {
        short_forms::place(path)?;
    }
    let permissions = "rwm".chars().filter(|c| permissions.contains(*c)).collect();
    Ok(Device { host: trimmed(host), container: trimmed(container), permissions })
}

/// `all`, a number, or `device=ID,ID`.
pub fn gpus(text: &str) -> Result<Gpus, Fault> {
    let wrong = || {
        let hint = "write `all`, a number, or IDs such as `device=0,1`";
        Fault::new(format!("{} does not select GPUs", quoted(text)), hint)
    };
    if text == "all" {
        return Ok(Gpus::All);
    }
    let Some(ids) = text.strip_prefix("device=") else {
        return short_forms::count(text).map(Gpus::Count).map_err(|_| wrong());
    };
    let plain = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_:.".contains(c));
    let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
    if ids.iter().all(|id| plain(id)) { Ok(Gpus::Ids(ids)) } else { Err(wrong()) }
}

/// `TARGET` or `TARGET:OPTIONS`.
pub fn tmpfs(text: &str) -> Result<TmpfsText, Fault> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    short_forms::place(target)?;
    let wrong = |hint: String| Fault::new(format!("{} is not a tmpfs mount", quoted(text)), hint);
    if options.is_empty() && text.contains(':') {
        return Err(wrong("write options after the colon, such as `/tmp:size=64m`".to_owned()));
    }
    for option in options.split(',').filter(|_| !options.is_empty()) {
        if !is_option(option) {
            let known = "`size=64m`, `mode=1777`, `uid=`, `gid=`, `ro`, `rw`, `exec`, `noexec`, `suid`, `nosuid`, `dev` and `nodev`";
            return Err(wrong(format!("unknown option {}; the options are {known}", quoted(option))));
        }
    }
    Ok(TmpfsText { target: trimmed(target), options: options.to_owned() })
}

fn is_option(option: &str) -> bool {
    let digits = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    match option.split_once('=') {
        Some(("size", size)) => digits(size.trim_end_matches(['k', 'm', 'g', 'K', 'M', 'G', '%']), 10),
        Some(("mode", mode)) => digits(mode, 8) && mode.len() <= 5,
        Some(("uid" | "gid", id)) => digits(id, 10),
        Some(_) => false,
        None => ["ro", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev"].contains(&option),
    }
}

/// The platform of an image.
pub fn platform(text: &str) -> Result<Platform, Fault> {
    text.parse().map_err(|error: PlatformError| {
        let hint = match &error {
            PlatformError::System(_) => "moat runs Linux containers: write `linux/ARCHITECTURE`".to_owned(),
            PlatformError::Architecture(name) => match super::suggest(name, platform::ARCHITECTURES) {
                Some(name) => format!("did you mean `linux/{name}`?"),
                None => format!(
                    "write `linux/` and one of {}",
                    platform::ARCHITECTURES.map(|it| format!("`{it}`")).join(", ")
                ),
            },
            PlatformError::Malformed(_) => {
                "write `linux/ARCHITECTURE` or `linux/ARCHITECTURE/VARIANT`, such as `linux/arm64`".to_owned()
            }
        };
        Fault::new(error.to_string(), hint)
    })
}

/// The host name of a container.
pub fn hostname(text: &str) -> Result<(), Fault> {
    let label = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !part.is_empty() && part.chars().all(plain) && !part.starts_with('-') && !part.ends_with('-')
    };
    if text.len() <= HOSTNAME_MAX && text.split('.').all(label) {
        return Ok(());
    }
    let hint = format!("names consist of letters, digits and `-`, at most {HOSTNAME_MAX}, such as `build-1`");
    Err(Fault::new(format!("{} is not a valid host name", quoted(text)), hint))
}

/// The name of a runtime, as the engine's settings or its plugins have it.
pub fn runtime(text: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(());
    }
    let hint = "write its name, such as `runsc`; the engine's settings have its path";
    Err(Fault::new(format!("{} is not the name of a runtime", quoted(text)), hint))
}

/// The timeout of a stop. Engines support only whole seconds.
pub fn stop_timeout(text: &str) -> Result<u32, Fault> {
    let wrong = |hint: &str| Fault::new(format!("{} is not a stop timeout", quoted(text)), hint);
    let ms = short_forms::duration(text).ok().filter(|ms| ms % 1000 == 0 && Duration::from_millis(*ms) <= STOP_MAX);
    let seconds = ms.and_then(|ms| u32::try_from(ms / 1000).ok());
    seconds.ok_or_else(|| wrong("write whole seconds with a unit, at most an hour, such as `30s`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_an_optional_prefix_and_any_case() {
        for text in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_net_admin"] {
            assert_eq!(linux_capability(text).as_deref(), Ok("NET_ADMIN"), "{text}");
        }
        for text in ["", "NET", "CAP_", "NET_ADMIN ", "CAP_CAP_CHOWN"] {
            assert!(linux_capability(text).is_err(), "{text}");
        }
        assert!(CAPABILITIES.is_sorted());
    }

    #[test]
    fn devices_have_a_path_a_target_and_permissions() {
        let table = [
            ("/dev/kvm", "/dev/kvm /dev/kvm rwm"),
            ("/dev/kvm:rw", "/dev/kvm /dev/kvm rw"),
            ("/dev/kvm:wr", "/dev/kvm /dev/kvm rw"),
            ("/dev/null:/dev/x", "/dev/null /dev/x rwm"),
            ("/dev/null:/dev/x:r", "/dev/null /dev/x r"),
        ];
        for (text, expected) in table {
            let device = device(text).expect(text);
            assert_eq!(format!("{} {} {}", device.host, device.container, device.permissions), expected);
        }
        for text in
            ["", "kvm", "/dev/a:/dev/b:x", "/dev/a:/dev/b:", "/dev/a:b", "nvidia.com/gpu=all", "/dev/../a", "/a:/b:r:w"]
        {
            assert!(device(text).is_err(), "{text}");
        }
    }

    #[test]
    fn gpus_are_all_a_count_or_ids() {
        for text in ["all", "2", "device=0", "device=0,GPU-1a:b"] {
            assert_eq!(gpus(text).map(|gpus| gpus.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "0", "-1", "some", "device=", "device=0,", "device=a b"] {
            assert!(gpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tmpfs_mounts_have_a_target_and_options() {
        for text in ["/run", "/run:size=64m", "/run:size=64m,mode=1770,uid=1,noexec", "/tmp:ro"] {
            let read = tmpfs(text).expect(text);
            let again = if read.options.is_empty() { read.target } else { format!("{}:{}", read.target, read.options) };
            assert_eq!(again, text);
        }
        for text in ["", "run", "/run:", "/run:/x", "/run:size", "/run:mode=9", "/run:size=1,", "/run:bind", "/"] {
            assert!(tmpfs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stop_timeout_is_in_whole_seconds() {
        assert_eq!((stop_timeout("30s"), stop_timeout("1m30s")), (Ok(30), Ok(90)));
        for text in ["", "30", "500ms", "1500ms", "2h", "-1s"] {
            assert!(stop_timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn host_names_follow_the_rules_of_dns() {
        for text in ["a", "build-1", "a.b.c", "0x"] {
            assert_eq!(hostname(text), Ok(()), "{text}");
        }
        for text in ["", "-a", "a-", "a_b", "a..b", "ä", "a:b"] {
            assert!(hostname(text).is_err(), "{text}");
        }
        assert!(hostname(&"a".repeat(65)).is_err());
    }
}
