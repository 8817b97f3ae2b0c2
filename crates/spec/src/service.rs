//! Services: containers next to main that the spec describes.

use std::collections::BTreeMap;

use super::diagnostic::quoted;
use super::lower::Lowering;
use super::one_of::{CommandOr, OneOf};
use super::raw::{Service as Written, Volume, WaitParts};
use super::settings::NamedVolume;
use super::shape::Fault;
use super::short_forms;
use moat_model::resource::{ImageRef, Limits, LogConfig, Platform, PortConfig, SecretText};

/// A container on the agent's network, reachable by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub image: ImageRef,
    /// `None`: the engine's own.
    pub platform: Option<Platform>,
    pub env: BTreeMap<String, String>,
    /// Variables from moat's environment, which may be secrets.
    pub concealed: BTreeMap<String, SecretText>,
    pub command: Option<Vec<String>>,
    /// Names are prefixed with the service's name, so that two services can use the same one.
    pub volumes: Vec<NamedVolume>,
    pub limits: Limits,
    pub ports: Vec<PortConfig>,
    /// Names of the services and sidecars that must be ready first.
    pub depends_on: Vec<String>,
    pub oom_score_adj: Option<i32>,
    pub logging: Option<LogConfig>,
    /// `None`: it is ready when it runs.
    pub wait: Option<Wait>,
}

/// The readiness check of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Exits 0 in the service's container when it is ready.
    pub command: Vec<String>,
    pub timeout_ms: Option<u64>,
}

impl Lowering<'_> {
    pub fn services(&mut self, services: BTreeMap<String, Written>) -> BTreeMap<String, Service> {
        services.into_iter().map(|(name, written)| (name.clone(), self.service(&name, written))).collect()
    }

    fn service(&mut self, name: &str, written: Written) -> Service {
        let at = format!("services.{name}");
        let Written { image, platform, env, command, volumes, resources, ports, depends_on, logging, wait } = written;
        let is_filled = |variable: &String| self.places.is_filled(&format!("{at}.env.{variable}"));
        let (concealed, env): (BTreeMap<_, _>, BTreeMap<_, _>) =
            env.into_iter().partition(|(variable, _)| is_filled(variable));
        Service {
            image,
            platform,
            env,
            concealed: concealed.into_iter().map(|(variable, value)| (variable, SecretText::new(value))).collect(),
            command: command.map(|command| command.0),
            volumes: self.service_volumes(name, &at, volumes),
            ports: self.ports(&format!("{at}.ports"), ports),
            depends_on,
            limits: self.limits(&format!("{at}.resources"), &resources),
            oom_score_adj: self.oom_score_adj(&format!("{at}.resources"), resources.oom_score_adj.as_ref()),
            logging,
            wait: wait.map(|wait| match wait {
                CommandOr::Command(command) => Wait { command: command.0, timeout_ms: None },
                CommandOr::Parts(WaitParts { command, timeout }) => {
                    let read = |text: String| self.read(&format!("{at}.wait.timeout"), short_forms::duration(&text));
                    Wait { command: command.0, timeout_ms: timeout.and_then(read) }
                }
            }),
        }
    }

    fn service_volumes(&mut self, service: &str, at: &str, volumes: Vec<OneOf<Volume>>) -> Vec<NamedVolume> {
        let mut all: Vec<NamedVolume> = Vec::new();
        for (i, volume) in volumes.into_iter().enumerate() {
            let at = format!("{at}.volumes.{i}");
            let Some(volume) = self.named_volume(&at, volume) else { continue };
            let name = volume.name;
            let volume = NamedVolume { name: format!("{service}-{name}"), ..volume };
            if all.iter().any(|other| other.name == volume.name) {
                let message = format!("duplicate volume {}", quoted(&name));
                self.fault(&at, Fault::new(message, "rename one of them"));
            }
            if all.iter().any(|other| other.target == volume.target) {
                let message = format!("{} is mounted twice", quoted(&volume.target));
                self.fault(&at, Fault::new(message, "choose another target"));
            }
            all.push(volume);
        }
        all
    }
}
