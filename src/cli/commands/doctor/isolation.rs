//! Checks of what an isolation needs on the Docker host: the kernel, user namespaces, ranges of users, and control groups.
//!
//! Pure functions from the engine's info and the host's files to findings; [`HostFiles::read`] reads the files.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::engine::older;
use crate::cli::host_facts::{remapped_root, users};
use crate::local::user_namespaces::{self, Setting};
use crate::ui::render::doctor::Check;
use moat_docker::{Docker, Endpoint, Info};
use moat_spec::compile::Users;

/// The oldest kernel where a user namespace can mount overlay filesystems.
const KERNEL: &str = "5.11";

/// What programs such as rootlesskit expect: the ids of one system.
const RANGE: u64 = 65536;

/// The controllers behind the limits of a spec.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// The files of the Docker host, if it is this host. `None`: they cannot be read.
#[derive(Debug, Clone, Default)]
pub(super) struct HostFiles {
    is_here: bool,
    setting: Option<Setting>,
    passwd: Option<String>,
    subuid: Option<String>,
    subgid: Option<String>,
    /// The user of a rootless engine.
    owner: Option<u32>,
    /// The controllers that systemd delegates to this user.
    controllers: Option<String>,
}

impl HostFiles {
    pub(super) fn read(engine: &Docker, info: &Info) -> Self {
        let Endpoint::Unix(socket) = &engine.located().endpoint else { return Self::default() };
        if !engine.shares_files_as(info) {
            return Self::default();
        }
        let text = |path: &str| fs::read_to_string(path).ok();
        let owner = fs::metadata(socket).ok().map(|socket| socket.uid());
        let group = owner
            .map(|uid| format!("/sys/fs/cgroup/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers"));
        Self {
            is_here: true,
            setting: user_namespaces::obstacle(),
            passwd: text("/etc/passwd"),
            subuid: text("/etc/subuid"),
            subgid: text("/etc/subgid"),
            owner,
            controllers: group.and_then(|path| text(&path)),
        }
    }
}

/// Checks the kernel's version.
pub(super) fn kernel(info: &Info) -> Check {
    let found = info.kernel_version.clone();
    match found.as_str() {
        "" => Check::unknown("kernel", "not reported by the engine".to_owned()),
        _ if older(&found, KERNEL) => {
            let hint = "`isolation: auto` needs 5.11 or newer; some older kernels can mount overlay in user namespaces: \
                        try `isolation: rootless`";
            Check::care("kernel", found, hint)
        }
        _ => Check::good("kernel", found),
    }
}

/// Checks whether the users of containers can create user namespaces, which `isolation: rootless` needs.
pub(super) fn namespaces(info: &Info, host: &HostFiles) -> Check {
    match users(info) {
        Users::Remapped => return good("namespaces", "`isolation: mapped` uses the engine's own (`userns-remap`)"),
        Users::Rootless => return good("namespaces", "`isolation: mapped` uses the engine's own (rootless)"),
        Users::Same if !host.is_here => {
            return Check::unknown(
                "namespaces",
                "the kernel's settings can be read only on the Docker host".to_owned(),
            );
        }
        Users::Same => {}
    }
    match &host.setting {
        None => good("namespaces", "users can create user namespaces, so `isolation: rootless` can run"),
        Some(setting) => {
            let found = format!("`isolation: rootless` cannot run: {}", setting.message);
            Check::care("namespaces", found, setting.hint)
        }
    }
}

/// Checks the ranges of users and groups of an engine that maps users.
pub(super) fn ranges(info: &Info, host: &HostFiles) -> Check {
    const NAME: &str = "subuids";
    let users = users(info);
    if users == Users::Same {
        return good(NAME, "not used: the engine does not map users");
    }
    let (Some(uids), Some(gids)) = (&host.subuid, &host.subgid) else {
        return Check::unknown(NAME, "/etc/subuid and /etc/subgid can be read only on the Docker host".to_owned());
    };
    // A rootless engine has all ranges of its user; `userns-remap` has the one that it names its data after.
    let of_owner = |line: &&str| {
        let owner = line.split(':').next().unwrap_or_default();
        host.owner.is_some_and(|uid| owner == uid.to_string() || is_named(host.passwd.as_deref(), owner, uid))
    };
    let root = remapped_root(&info.docker_root_dir).map(|root| root.to_string());
    let of_root = |line: &&str| line.split(':').nth(1) == root.as_deref();
    let size = |text: &str| -> u64 {
        let ours = text.lines().filter(|line| if users == Users::Rootless { of_owner(line) } else { of_root(line) });
        ours.filter_map(|line| line.trim().rsplit(':').next()?.parse::<u64>().ok()).fold(0, u64::saturating_add)
    };
    if users == Users::Remapped && root.is_none() {
        return Check::unknown(NAME, format!("the range of `{}` is not known", info.docker_root_dir));
    }
    let (uids, gids) = (size(uids), size(gids));
    let found = format!("{uids} users and {gids} groups for containers");
    if uids.min(gids) >= RANGE {
        return Check::good(NAME, found);
    }
    let hint = "images may have files of users up to 65535: `usermod --add-subuids 100000-165535 --add-subgids \
                100000-165535 USER`, with a range of its own for each user, and restart the engine";
    Check::care(NAME, found, hint)
}

/// Whether the password file gives this name to the user.
fn is_named(passwd: Option<&str>, name: &str, uid: u32) -> bool {
    let mut lines = passwd.unwrap_or_default().lines();
    lines.any(|line| {
        let mut fields = line.split(':');
        fields.next() == Some(name) && fields.nth(1) == Some(uid.to_string().as_str())
    })
}

/// Checks the control groups of a rootless engine, without which its limits have no effect.
pub(super) fn delegation(info: &Info, host: &HostFiles) -> Check {
    const NAME: &str = "delegation";
    if users(info) != Users::Rootless {
        return good(NAME, "not used: the engine is not rootless");
    }
    if info.cgroup_version != "2" {
        let hint = "start the Docker host with cgroup version 2 (`systemd.unified_cgroup_hierarchy=1`)";
        return Check::care(NAME, "control groups of version 1 cannot be delegated".to_owned(), hint);
    }
    let Some(controllers) = &host.controllers else {
        return Check::unknown(NAME, "no control group of systemd was found for the engine's user".to_owned());
    };
    let has: Vec<&str> = controllers.split_whitespace().collect();
    let missing: Vec<&str> = CONTROLLERS.into_iter().filter(|it| !has.contains(it)).collect();
    if missing.is_empty() {
        return Check::good(NAME, format!("{} for the engine's user", CONTROLLERS.join(", ")));
    }
    let hint = "write `Delegate=cpu cpuset io memory pids` under `[Service]` in \
                /etc/systemd/system/user@.service.d/delegate.conf, then `systemctl daemon-reload`, and log in again";
    Check::care(NAME, format!("the engine's user lacks {}", missing.join(", ")), hint)
}

fn good(name: &'static str, found: &str) -> Check {
    Check::good(name, found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::render::doctor::Verdict::{self, Care, Good, Unknown};

    fn info(option: &str) -> Info {
        let security_options = vec!["name=seccomp,profile=builtin".to_owned(), option.to_owned()];
        Info { security_options, cgroup_version: "2".to_owned(), ..Info::default() }
    }

    const STOCK: &str = "name=cgroupns";
    const REMAPPED: &str = "name=userns";
    const ROOTLESS: &str = "name=rootless";

    /// Every problem has a remedy.
    fn verdict_of(check: &Check) -> Verdict {
        assert_eq!(check.hint.is_some(), check.verdict == Care, "{check:?}");
        check.verdict
    }

    #[test]
    fn kernels_are_checked_by_version() {
        for (version, expected) in [
            ("6.18.44-fc", Good),
            ("5.11.0", Good),
            ("5.10.0-8-amd64", Care),
            ("4.19.0", Care),
            ("5.9", Care),
            ("", Unknown),
        ] {
            let info = Info { kernel_version: version.to_owned(), ..info(STOCK) };
            assert_eq!(verdict_of(&kernel(&info)), expected, "{version}");
        }
    }

    #[test]
    fn settings_matter_only_where_containers_make_namespaces() {
        let setting = user_namespaces::among(|path| path.contains("apparmor").then(|| "1".to_owned()));
        assert!(setting.is_some());
        for (option, is_here, setting, expected) in [
            (STOCK, true, None, Good),
            (STOCK, true, setting, Care),
            (STOCK, false, None, Unknown),
            (REMAPPED, true, setting, Good),
            (ROOTLESS, false, None, Good),
        ] {
            let host = HostFiles { is_here, setting, ..HostFiles::default() };
            let check = namespaces(&info(option), &host);
            assert_eq!(verdict_of(&check), expected, "{option} {setting:?}");
            assert_eq!(check.hint.is_some_and(|it| it.contains("apparmor_restrict")), expected == Care);
        }
    }

    #[test]
    fn ranges_of_users_are_those_of_the_engine() {
        let passwd = "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\nyou:x:1001:1001::/:/bin/sh\n";
        let remapped = Info { docker_root_dir: "/var/lib/docker/200000.200000".to_owned(), ..info(REMAPPED) };
        let unknown = Info { docker_root_dir: "/var/lib/docker".to_owned(), ..info(REMAPPED) };
        for (info, subuid, subgid, expected) in [
            (&info(STOCK), "", "", Good),
            (&info(ROOTLESS), "me:100000:65536\n", "me:100000:65536\n", Good),
            (&info(ROOTLESS), "1000:100000:65536\n", "me:100000:65536\n", Good),
            (&info(ROOTLESS), "me:100000:30000\nme:200000:40000\n", "me:100000:65536\n", Good),
            (&info(ROOTLESS), "me:100000:65536\n", "me:100000:1000\n", Care),
            (&info(ROOTLESS), "you:100000:65536\n", "you:100000:65536\n", Care),
            (&info(ROOTLESS), "", "", Care),
            (&remapped, "dockremap:200000:65536\n", "dockremap:200000:65536\n", Good),
            (&remapped, "dockremap:100000:65536\n", "dockremap:200000:65536\n", Care),
            (&remapped, "dockremap:200000:x\n", "dockremap:200000:65536\n", Care),
            (&unknown, "dockremap:200000:65536\n", "dockremap:200000:65536\n", Unknown),
        ] {
            let [passwd, uids, gids] = [passwd, subuid, subgid].map(|text| Some(text.to_owned()));
            let host = HostFiles {
                is_here: true,
                passwd,
                subuid: uids,
                subgid: gids,
                owner: Some(1000),
                ..HostFiles::default()
            };
            assert_eq!(verdict_of(&ranges(info, &host)), expected, "{subuid}{subgid}{:?}", info.security_options);
        }
        assert_eq!(ranges(&info(ROOTLESS), &HostFiles::default()).verdict, Unknown);
    }

    #[test]
    fn a_rootless_engine_needs_controllers_of_its_own() {
        let version_1 = Info { cgroup_version: "1".to_owned(), ..info(ROOTLESS) };
        for (info, controllers, expected, part) in [
            (&info(STOCK), None, Good, "not rootless"),
            (&info(ROOTLESS), Some("cpuset cpu io memory pids\n"), Good, "cpu, memory, pids"),
            (&info(ROOTLESS), Some("memory pids\n"), Care, "lacks cpu"),
            (&info(ROOTLESS), Some("cpuset\n"), Care, "lacks cpu, memory, pids"),
            (&info(ROOTLESS), None, Unknown, "no control group"),
            (&version_1, Some("cpu memory pids"), Care, "version 1"),
        ] {
            let host = HostFiles { controllers: controllers.map(str::to_owned), ..HostFiles::default() };
            let check = delegation(info, &host);
            assert_eq!(verdict_of(&check), expected, "{check:?}");
            assert!(check.found.contains(part), "{check:?}");
        }
    }
}
