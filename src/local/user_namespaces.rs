//! The settings of this machine's kernel that keep users from creating user namespaces.

use std::fs;

/// A setting that is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Below `/proc/sys`. See sysctl(8).
    path: &'static str,
    /// The value with which it is in the way.
    value: &'static str,
    pub message: &'static str,
    pub hint: &'static str,
}

/// All known ones; the first to apply is reported.
const SETTINGS: &[Setting] = &[
    Setting {
        path: "user/max_user_namespaces",
        value: "0",
        message: "the kernel allows no user namespaces (`user.max_user_namespaces` is 0)",
        hint: "run `sudo sysctl -w user.max_user_namespaces=15000`",
    },
    // Debian's and Arch's kernels.
    Setting {
        path: "kernel/unprivileged_userns_clone",
        value: "0",
        message: "only root can create user namespaces (`kernel.unprivileged_userns_clone` is 0)",
        hint: "run `sudo sysctl -w kernel.unprivileged_userns_clone=1`",
    },
    // Ubuntu 23.10 and newer.
    Setting {
        path: "kernel/apparmor_restrict_unprivileged_userns",
        value: "1",
        message: "AppArmor restricts user namespaces (`kernel.apparmor_restrict_unprivileged_userns` is 1)",
        hint: "run `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, which lifts it for all programs",
    },
];

/// The setting of this machine that is in the way, if any.
pub fn obstacle() -> Option<Setting> {
    among(|path| fs::read_to_string(format!("/proc/sys/{path}")).ok())
}

/// The setting that is in the way, by what a file below `/proc/sys` contains.
pub(crate) fn among(read: impl Fn(&str) -> Option<String>) -> Option<Setting> {
    SETTINGS.iter().copied().find(|setting| read(setting.path).is_some_and(|text| text.trim() == setting.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_found_and_absent_ones_are_none() {
        for setting in SETTINGS {
            let one = |path: &str| Some(if path == setting.path { format!("{}\n", setting.value) } else { "7".into() });
            assert_eq!(among(one), Some(*setting));
        }
        assert_eq!(among(|_| None), None);
        assert_eq!(among(|path| (path == "kernel/unprivileged_userns_clone").then(|| "1\n".to_owned())), None);
    }
}
