//! Checks of the engine's version and features. Pure functions from the engine's info to findings.

use crate::ui::render::doctor::Check;
use moat_docker::{Info, Version};
use moat_model::resource::defaults;

/// The oldest Podman that is tested. `docs/reference/engines.md` has the tested engines.
const PODMAN: &str = "5.4";

/// Checks the kind and version of the engine.
pub(super) fn version(info: &Info, version: &Version, api: &str) -> Check {
    if let Some(podman) = version.component("Podman Engine") {
        let found = format!("Podman {podman} (API {api})");
        if older(podman, PODMAN) {
            return Check::care("version", found, "moat is tested with Podman 5.4 and newer");
        }
        return Check::good("version", found);
    }
    let found = format!("{} (API {api})", info.server_version);
    if older(&info.server_version, "23.0") {
        return Check::care("version", found, "23.0 or newer can start privileged containers on more hosts");
    }
    Check::good("version", found)
}

/// Checks whether the engine can run privileged containers, which `docker:dind` needs.
pub(super) fn privileged(info: &Info) -> Check {
    let has = |option: &str| info.security_options.iter().any(|it| it.contains(option));
    if has("name=rootless") {
        return rootless(info);
    }
    if has("name=userns") {
        let found = "the engine remaps users (`userns-remap`) and cannot start privileged containers".to_owned();
        let hint = "write `isolation: mapped` or `auto` in specs with `docker:dind`; other sandboxes work as they are";
        return Check::care("privileged", found, hint);
    }
    Check::good("privileged", "no known obstacle".to_owned())
}

/// Checks a rootless engine: with cgroup version 1 an inner Docker starts but cannot run containers.
fn rootless(info: &Info) -> Check {
    if info.cgroup_version == "2" {
        let found = "the engine is rootless: root in a sandbox is not root on the Docker host".to_owned();
        return Check::good("privileged", found);
    }
    let found =
        "the engine is rootless with cgroup version 1: an inner Docker starts but cannot run containers".to_owned();
    let hint = "start the Docker host with cgroup version 2 (`systemd.unified_cgroup_hierarchy=1`); sandboxes without \
                `docker:dind` work here";
    Check::bad("privileged", found, hint)
}

pub(super) fn cgroup(info: &Info) -> Check {
    match info.cgroup_version.as_str() {
        "2" => Check::good("cgroup", "version 2".to_owned()),
        "1" => Check::care("cgroup", "version 1".to_owned(), "works; version 2 supports nested limits"),
        _ => Check::unknown("cgroup", "not reported by the engine".to_owned()),
    }
}

/// Checks whether the engine enforces resource limits.
pub(super) fn limits(info: &Info) -> Check {
    let all = [("memory", info.memory_limit), ("cpus", info.cpu_quota), ("pids", info.pids_limit)];
    let missing: Vec<&str> = all.into_iter().filter(|(_, has)| !has).map(|(name, _)| name).collect();
    if missing.is_empty() {
        return Check::good("limits", "memory, cpus and pids".to_owned());
    }
    let found = format!("the engine has no limits of {}", missing.join(", "));
    let is_rootless = info.security_options.iter().any(|it| it.contains("name=rootless"));
    let hint = match (is_rootless, info.cgroup_version.as_str()) {
        (true, "2") => {
            "delegate the controllers to the user: `Delegate=cpu cpuset io memory pids` in a drop-in of `user@.service`"
        }
        (true, _) => "a rootless engine supports limits only with cgroup version 2",
        (false, _) => "the kernel needs the cgroup controllers (on some machines `cgroup_enable=memory`)",
    };
    Check::care("limits", found, hint)
}

pub(super) fn storage(info: &Info) -> Check {
    let driver = info.driver.clone();
    match driver.as_str() {
        "" => Check::unknown("storage", "not reported by the engine".to_owned()),
        "vfs" => Check::care("storage", driver, "use `overlay2`: with vfs every layer is a full copy"),
        "aufs" | "devicemapper" => {
            Check::care("storage", driver, "use `overlay2`: current engines no longer support this driver")
        }
        _ => Check::good("storage", driver),
    }
}

/// Checks whether logs can be read back and are bounded. Since 20.10 the engine keeps a copy of logs that a driver sends
/// elsewhere.
pub(super) fn logging(info: &Info) -> Check {
    let driver = info.logging_driver.as_str();
    match driver {
        "" => Check::unknown("logs", "not reported by the engine".to_owned()),
        "none" | "passthrough" => {
            let hint = "`moat logs` and failure messages need them: set `container: {logging: {driver: local}}` in the \
                        spec, or another `log-driver` in daemon.json";
            Check::care("logs", format!("the engine keeps no logs (`{driver}`)"), hint)
        }
        "json-file" | "local" => {
            let [(_, files), (_, size)] = defaults::LOG;
            Check::good("logs", format!("{driver}, {files} files of {size} for each container by default"))
        }
        _ => Check::good("logs", driver.to_owned()),
    }
}

/// Compares dotted version numbers, ignoring suffixes.
pub(super) fn older(found: &str, minimum: &str) -> bool {
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let numbers = |text: &str| -> Vec<u64> { text.split('.').map(number).collect() };
    numbers(found) < numbers(minimum)
}
