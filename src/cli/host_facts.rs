//! What a Docker host gives to containers, as far as the isolation of a spec depends on it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::local::user_namespaces;
use moat_docker::{Docker, Endpoint, Info};
use moat_model::engine::EngineError;
use moat_spec::compile::{Host, Obstacle, Users};

/// Asks the engine.
///
/// # Errors
/// If it does not respond.
pub async fn host(engine: &Docker) -> Result<Host, EngineError> {
    let info = engine.info().await?;
    let users = users(&info);
    let socket = match &engine.located().endpoint {
        Endpoint::Unix(path) => fs::metadata(path).ok().map(|socket| socket.uid()),
        _ => None,
    };
    let root = match users {
        Users::Same => Some(0),
        Users::Remapped => remapped_root(&info.docker_root_dir),
        // Its socket belongs to the user who runs it.
        Users::Rootless => socket,
    };
    // The settings of another machine cannot be read.
    let setting = if engine.shares_files_as(&info) { user_namespaces::obstacle() } else { None };
    let obstacle = setting.map(|it| Obstacle { message: it.message.to_owned(), hint: it.hint.to_owned() });
    let runtimes = info.runtimes.into_keys().collect();
    Ok(Host { users, root, kernel: info.kernel_version, obstacle, runtimes })
}

/// Whose users those of containers are.
pub(super) fn users(info: &Info) -> Users {
    if info.has_security_option("rootless") {
        Users::Rootless
    } else if info.has_security_option("userns") {
        Users::Remapped
    } else {
        Users::Same
    }
}

/// The engine names its data after the first user and group of the range, as in `/var/lib/docker/100000.100000`.
pub(super) fn remapped_root(folder: &str) -> Option<u32> {
    let (user, group) = folder.rsplit('/').next()?.split_once('.')?;
    let user = user.parse().ok()?;
    group.parse::<u32>().ok().map(|_| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_of_users_follows_the_engine() {
        let of = |options: &[&str]| {
            let security_options = options.iter().map(|it| (*it).to_owned()).collect();
            users(&Info { security_options, ..Info::default() })
        };
        assert_eq!(of(&["name=seccomp,profile=builtin", "name=cgroupns"]), Users::Same);
        assert_eq!(of(&["name=seccomp,profile=builtin", "name=userns"]), Users::Remapped);
        assert_eq!(of(&["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]), Users::Rootless);
        assert_eq!(of(&["name=seccomp,profile=userns"]), Users::Same);
        for (folder, expected) in
            [("/var/lib/docker/100000.100000", Some(100_000)), ("/var/lib/docker", None), ("/data/a.b", None)]
        {
            assert_eq!(remapped_root(folder), expected, "{folder}");
        }
    }
}
