//! The immediate effects of [`Interference`] on the state of the simulated engine.

use std::collections::BTreeMap;

use super::behaviour::KILLED;
use super::daemon::{Attachment, Container, Daemon, Due, Next};
use crate::interference::Interference;
use moat_model::resource::{
    ContainerConfig, ContainerId, ImageId, ImageRef, NetworkAttachment, NetworkId, ResourceId, label,
};
use moat_model::state::ContainerState::{Dead, Removing, Restarting, Running};

impl Daemon {
    /// Applies the interference if it is possible now; returns whether the state has changed.
    pub fn interfere(&mut self, interference: &Interference) -> bool {
        let now = self.now;
        match interference {
            Interference::RemoveNetwork { network } => {
                self.find_network(network).is_some_and(|id| self.lose_network(&id))
            }
            Interference::RemoveVolume { volume } => {
                self.find_volume(volume).is_some_and(|name| self.lose_volume(&name))
            }
            Interference::RemoveImage { image } => {
                ImageRef::parse(image).is_ok_and(|reference| self.images.remove(&reference).is_some())
            }
            Interference::RetagImage { image } => ImageRef::parse(image).is_ok_and(|reference| self.retag(&reference)),
            Interference::AddContainer { name, image } => self.add_container(name, image),
            Interference::AddNetwork { name } => {
                let range =
                    super::subnet::first_free(&self.networks.values().filter_map(|n| n.subnet).collect::<Vec<_>>());
                self.add_network(name, BTreeMap::new(), false, range);
                true
            }
            Interference::AddVolume { name } => {
                let is_new = !self.volumes.contains_key(name);
                self.touch_volume(name, &BTreeMap::new());
                is_new
            }
            Interference::Start { container } => {
                let Some(id) = self.find_container(container) else { return false };
                let stands =
                    self.containers.get(&id).is_some_and(|c| !c.lives() && !matches!(c.state, Dead | Restarting));
                stands && self.start_now(&id).is_ok()
            }
            Interference::RenameContainer { container, to } => {
                let free = self.check_name_is_free(to).is_ok();
                self.with_container(container, |c| {
                    if free {
                        to.clone_into(&mut c.name);
                    }
                    free
                })
            }
            Interference::RemoveContainer { container } => {
                self.find_container(container).is_some_and(|id| self.containers.remove(&id).is_some())
            }
            Interference::Kill { container } | Interference::Stop { container } => {
                let code = if matches!(interference, Interference::Kill { .. }) { KILLED } else { 0 };
                self.with_container(container, |c| {
                    let lived = c.lives() || c.state == Restarting;
                    c.stopped_by_hand |= lived;
                    if lived {
                        c.end(code);
                    }
                    lived
                })
            }
            Interference::Die { container, code } => self.with_container(container, |c| {
                let runs = c.state == Running;
                if runs {
                    c.end_by_itself(*code, now);
                }
                runs
            }),
            Interference::Pause { container } => self.with_container(container, |c| {
                // Docker has one lock for each container: a pause does not come between a stop and its end.
                let runs = c.state == Running && !matches!(c.due, Some(Due { what: Next::Stop { .. }, .. }));
                if runs {
                    c.freeze();
                }
                runs
            }),
            Interference::Connect { container, network } => {
                let Some(network) = self.find_network(network) else { return false };
                let name = self.networks.get(&network).map(|network| network.name.clone()).unwrap_or_default();
                self.with_container(container, |c| {
                    let is_new = !c.is_on(&network);
                    if is_new {
                        let used = c.lives();
                        c.endpoints.push(Attachment { network, name, used, aliases: Vec::new() });
                    }
                    is_new
                })
            }
            Interference::FailCheck { container } => self.with_container(container, |c| {
                c.sick |= c.lives();
                c.lives()
            }),
            Interference::Attach { container } => self.with_container(container, |c| {
                let runs = c.state == Running;
                c.sessions += u32::from(runs);
                runs
            }),
            Interference::Detach { container } => self.with_container(container, |c| {
                let was_there = c.sessions > 0;
                c.sessions = c.sessions.saturating_sub(1);
                was_there
            }),
            Interference::Disconnect { container } => self.with_container(container, |c| {
                let was_on = !c.endpoints.is_empty();
                c.endpoints.clear();
                was_on
            }),
        }
    }

    fn with_container(&mut self, target: &str, act: impl FnOnce(&mut Container) -> bool) -> bool {
        let Some(id) = self.find_container(target) else { return false };
        self.containers.get_mut(&id).is_some_and(act)
    }

    fn find_container(&self, target: &str) -> Option<ContainerId> {
        let there = self.containers.values().filter(|c| !c.hidden && c.state != Removing);
        let is_it = |c: &&Container| {
            if target.contains('/') {
                self.owner(c).is_some_and(|owner| owner.resource.to_string() == target)
            } else {
                c.name == target
            }
        };
        there.filter(is_it).min_by_key(|c| c.serial).map(|c| c.id.clone())
    }

    fn find_network(&self, target: &str) -> Option<NetworkId> {
        let there = self.networks.values().filter(|n| is_target(target, &n.name, &n.labels));
        there.min_by_key(|n| n.serial).map(|n| n.id.clone())
    }

    fn find_volume(&self, target: &str) -> Option<String> {
        self.volumes.iter().find(|(name, v)| is_target(target, name, &v.labels)).map(|(name, _)| name.clone())
    }

    fn lose_network(&mut self, id: &NetworkId) -> bool {
        for container in self.containers.values_mut() {
            // Running containers are disconnected first; others keep the dead id.
            if container.lives() {
                container.endpoints.retain(|endpoint| endpoint.network != *id);
            }
        }
        self.networks.remove(id).is_some()
    }

    fn lose_volume(&mut self, name: &str) -> bool {
        self.containers.retain(|_, c| !c.mounts.iter().any(|mount| mount.volume == name));
        self.volumes.remove(name).is_some()
    }

    fn retag(&mut self, reference: &ImageRef) -> bool {
        if !self.images.contains_key(reference) {
            return false;
        }
        self.push(reference);
        self.pull(reference, None).is_ok()
    }

    /// Publishes another image of the same program under a name of the registry.
    pub fn push(&mut self, reference: &ImageRef) {
        let old = self.registry.get(reference).or_else(|| self.images.get(reference));
        let program = old.and_then(|old| self.programs.get(old)).cloned().unwrap_or_default();
        let new = self.next_image();
        self.programs.insert(new.clone(), program);
        self.registry.insert(reference.clone(), new);
    }

    pub fn next_image(&mut self) -> ImageId {
        ImageId::new(format!("sha256:{}", self.next_id().1))
    }

    /// Adds a running container of another user, on the default bridge.
    fn add_container(&mut self, name: &str, image: &str) -> bool {
        let (Ok(reference), Some(bridge)) = (ImageRef::parse(image), self.find_network("bridge")) else { return false };
        if self.check_name_is_free(name).is_err() {
            return false;
        }
        let image = self.images.get(&reference).cloned().unwrap_or_else(|| ImageId::new("sha256:foreign"));
        let config = ContainerConfig::new(
            reference.clone(),
            NetworkAttachment { network: ResourceId::network("bridge"), aliases: Vec::new() },
        );
        let labels = self.inherited(&image, &BTreeMap::new());
        let endpoint = Attachment { network: bridge, name: "bridge".to_owned(), used: false, aliases: Vec::new() };
        let container = Container { labels, ..Container::new(self.next_id(), name, image, config, endpoint, self.now) };
        let id = container.id.clone();
        self.containers.insert(id.clone(), container);
        self.start_now(&id).is_ok()
    }
}

fn is_target(target: &str, name: &str, labels: &BTreeMap<String, String>) -> bool {
    if target.contains('/') {
        labels.get(label::RESOURCE).is_some_and(|resource| resource == target)
    } else {
        name == target
    }
}
