//! The isolation that containers really have, from what the engine reports of them.
//!
//! Neither the spec nor a label counts: someone may have recreated a container by hand.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use moat_model::engine::{Engine, Rights};
use moat_model::graph::{Graph, Node};
use moat_model::resource::{ContainerId, ResourceId, Role};
use moat_model::state::Observed;

/// What separates root in a container from the host, with the runtime if it is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    pub wall: Wall,
    pub runtime: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    /// Root is root on the host, with all rights.
    Privileged,
    /// Root is another user on the host.
    Mapped,
    /// Neither root nor capabilities.
    Rootless,
    /// A container as the engine makes it by default, or with single rights more.
    Default,
}

/// The names under which engines list the runtime that shares the kernel of the host and adds nothing.
const USUAL: [&str; 5] = ["", "runc", "io.containerd.runc.v2", "crun", "oci"];

/// The capabilities with which `newuidmap` works.
const FOR_A_NAMESPACE: [&str; 2] = ["SETUID", "SETGID"];

/// The others that Podman gives by default: it says `ALL` as the list of them.
const OTHERS: [&str; 9] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETPCAP", "SYS_CHROOT"];

impl Wall {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Mapped => "mapped",
            Self::Rootless => "rootless",
            Self::Default => "default",
        }
    }
}

/// Inspects main and the sidecars, without the gateway, which runs nothing of a user. One that the engine does not show is
/// left out, since the rest is still useful.
pub async fn isolation<E: Engine>(
    engine: &E,
    maps_users: bool,
    graph: &Graph,
    observed: &Observed,
) -> BTreeMap<ContainerId, Isolation> {
    let is_of_user = |node: &&Node| matches!(node.role, Role::Main | Role::Sidecar) && node.id != ResourceId::gateway();
    let nodes = graph.nodes().filter(is_of_user);
    let containers = nodes.flat_map(|node| observed.containers_of(&node.id));
    let asked = containers.map(async |facts| {
        let found = engine.inspect(&facts.id).await.ok()?;
        Some((facts.id.clone(), of(&found.rights, maps_users)))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// `maps_users`: root in a container of the engine is another user on the host.
fn of(rights: &Rights, maps_users: bool) -> Isolation {
    let runtime = Some(rights.runtime.clone()).filter(|name| !USUAL.contains(&name.as_str()));
    let user = rights.user.split(':').next().unwrap_or_default();
    // A name may be one of root's.
    let is_other = user.parse::<u32>().is_ok_and(|user| user != 0);
    let drops = |name: &str| rights.cap_drop.iter().any(|it| it == name);
    let has_none = (drops("ALL") || OTHERS.into_iter().all(drops))
        && rights.cap_add.iter().all(|name| FOR_A_NAMESPACE.contains(&name.as_str()));
    let wall = match rights {
        _ if maps_users && !rights.host_users => Wall::Mapped,
        Rights { privileged: true, .. } => Wall::Privileged,
        _ if is_other && has_none => Wall::Rootless,
        _ => Wall::Default,
    };
    Isolation { wall, runtime }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(user: &str, cap_drop: &[&str], cap_add: &[&str]) -> Rights {
        let names = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
        Rights { user: user.to_owned(), cap_drop: names(cap_drop), cap_add: names(cap_add), ..Rights::default() }
    }

    #[test]
    fn a_wall_follows_from_the_rights_of_the_container_and_the_users_of_the_engine() {
        let rootless = rights("1000", &["ALL"], &["SETGID", "SETUID"]);
        let privileged = Rights { privileged: true, ..rootless.clone() };
        let on_the_host = Rights { host_users: true, ..privileged.clone() };
        for (rights, maps_users, expected) in [
            (rights("", &[], &[]), false, Wall::Default),
            (rights("", &[], &["SYS_ADMIN"]), true, Wall::Mapped),
            (rootless.clone(), false, Wall::Rootless),
            (rights("1000:1000", &["ALL"], &[]), false, Wall::Rootless),
            (rights("1000", &OTHERS, &[]), false, Wall::Rootless),
            // Each of them has more than `rootless`.
            (rights("1000", &OTHERS[1..], &[]), false, Wall::Default),
            (rights("1000", &[], &[]), false, Wall::Default),
            (rights("1000", &["ALL"], &["SETUID", "SYS_ADMIN"]), false, Wall::Default),
            (rights("0", &["ALL"], &[]), false, Wall::Default),
            (rights("0:1000", &["ALL"], &[]), false, Wall::Default),
            (rights("toor", &["ALL"], &[]), false, Wall::Default),
            (privileged.clone(), false, Wall::Privileged),
            (privileged, true, Wall::Mapped),
            (on_the_host, true, Wall::Privileged),
        ] {
            assert_eq!(of(&rights, maps_users).wall, expected, "{rights:?} {maps_users}");
        }
    }

    #[test]
    fn a_runtime_is_shown_beside_the_rights() {
        for (name, expected) in [("runc", None), ("", None), ("crun", None), ("runsc", Some("runsc"))] {
            let rights = Rights { privileged: true, runtime: name.to_owned(), ..Rights::default() };
            let found = of(&rights, false);
            assert_eq!((found.wall, found.runtime.as_deref()), (Wall::Privileged, expected), "{name}");
        }
    }
}
