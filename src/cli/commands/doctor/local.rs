//! Checks of this host: credentials, disk space and clock.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use rustix::fs::statvfs;

use super::network::Host;
use crate::clock::Clock;
use crate::ui::render::doctor::{self, Check};
use moat_docker::{Docker, Endpoint, Info};

/// In bytes. A development image has a few gigabytes, and an engine fails in odd ways without free space.
const DISK_LOW: u64 = 5_000_000_000;
const DISK_OUT: u64 = 1_000_000_000;

/// In seconds. `logs --since` and certificates depend on both clocks.
const SKEW: f64 = 2.0;

/// The configuration of name servers: resolv.conf(5).
const RESOLVERS: &str = "/etc/resolv.conf";

/// The network settings of the Docker host, if it is this host.
pub(super) fn host(engine: &Docker) -> Host {
    if !is_here(engine) {
        return Host::default();
    }
    Host {
        forward_policy: forward_policy(),
        resolver_is_local: fs::read_to_string(RESOLVERS).ok().map(|text| resolver_is_local(&text)),
    }
}

fn is_here(engine: &Docker) -> bool {
    matches!(engine.located().endpoint, Endpoint::Unix(_))
}

/// The policy from `iptables -S FORWARD`, as in `-P FORWARD DROP`. Only root can read it.
fn forward_policy() -> Option<String> {
    let mut command = Command::new("iptables");
    command.args(["-w", "1", "-S", "FORWARD"]).stdin(Stdio::null()).stderr(Stdio::null());
    let answer = command.output().ok().filter(|answer| answer.status.success())?;
    String::from_utf8(answer.stdout).ok()?.lines().find_map(|line| Some(line.strip_prefix("-P FORWARD ")?.to_owned()))
}

fn resolver_is_local(text: &str) -> bool {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.map(str::trim).any(|server| server.starts_with("127.") || server == "::1")
}

/// Checks whether docker's configuration with registry credentials is readable.
pub(super) fn credentials(engine: &Docker) -> Check {
    match engine.credentials_problem() {
        Some(problem) => {
            let hint = "private images cannot be pulled: fix the file, or remove it and run `docker login`";
            Check::care("credentials", problem, hint)
        }
        None => Check::good("credentials", "docker's config.json has no problems, or does not exist".to_owned()),
    }
}

/// Checks the free space of the engine's data directory, if it is on this host.
pub(super) fn disk(info: &Info, engine: &Docker) -> Check {
    let root = Path::new(&info.docker_root_dir);
    let Some(found) = (is_here(engine) && root.is_absolute()).then(|| statvfs(root).ok()).flatten() else {
        return Check::unknown("disk", format!("`{}` cannot be checked from this host", info.docker_root_dir));
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} free in {}", doctor::amount(free), info.docker_root_dir);
    let hint = "`docker system df` shows the usage, `moat cache --prune` prunes a build cache";
    match free {
        _ if free < DISK_OUT => Check::bad("disk", text, hint),
        _ if free < DISK_LOW => Check::care("disk", text, hint),
        _ => Check::good("disk", text),
    }
}

pub(super) fn clock(info: &Info) -> Check {
    let Ok(theirs) = info.system_time.parse::<Timestamp>() else {
        return Check::unknown("clock", "not reported by the engine".to_owned());
    };
    let skew = Clock::System.now().duration_since(theirs).as_secs_f64().abs();
    if skew > SKEW {
        let found = format!("the engine's clock differs by {skew:.0} s");
        return Check::care("clock", found, "synchronize both with NTP: logs and certificates depend on it");
    }
    Check::good("clock", "in sync with the engine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::render::doctor::Verdict;

    #[test]
    fn loopback_resolvers_are_detected() {
        for (text, expected) in [
            ("nameserver 127.0.0.53\noptions edns0\n", true),
            ("search a.b\n nameserver ::1\n", true),
            ("nameserver 10.0.0.2\n# nameserver 127.0.0.1\n", false),
            ("", false),
        ] {
            assert_eq!(resolver_is_local(text), expected, "{text}");
        }
    }

    #[test]
    fn clock_skew_is_reported() {
        let info = Info { system_time: "2020-01-01T00:00:00Z".to_owned(), ..Info::default() };
        assert_eq!(clock(&info).verdict, Verdict::Care);
        assert_eq!(clock(&Info::default()).verdict, Verdict::Unknown);
    }
}
