//! Lowers the texts of a file to values, and checks that they fit each other.
//!
//! Each text has already been checked by itself. The remaining errors involve two values, such as a duplicate target.

mod grants;
mod network;
mod ports;
mod registries;
mod tuning;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::builder_config;
use crate::diagnostic::{Diagnostic, quoted};
use crate::env_file_errors::EnvFileErrors;
use crate::envfile;
use crate::environment::{Environment, FileError};
use crate::one_of::{CommandOr, OneOf};
use crate::paths::{plain, trimmed};
use crate::raw::{Buildkit, HealthParts, Mount as MountParts, MountMode, Resources, Volume, Workspace, WorkspaceMode};
use crate::secrets::{self, SecretSource};
use crate::settings::{BuilderSettings, NamedVolume};
use crate::shape::Fault;
use crate::short_forms::{self, MountText, SourceText, VolumeText};
use crate::source::{Source, Span};
use crate::tree::Places;
use moat_model::resource::{HealthConfig, Limits, Mount, MountSource, PortConfig, SecretText};

/// The default path of the workspace in the main container.
const WORKSPACE: &str = "/workspace";

/// The name of the volume of a workspace with `mode: volume`.
const WORKSPACE_VOLUME: &str = "workspace";

/// Lowers values, and collects errors.
pub(crate) struct Lowering<'a> {
    pub places: &'a Places,
    source: &'a Source,
    pub home: Option<String>,
    pub faults: Vec<Diagnostic>,
    /// Files of variables with errors.
    pub bad_files: Vec<EnvFileErrors>,
    /// The mount targets so far, with the path of the key of each.
    targets: BTreeMap<String, String>,
    /// Host ports that are already mapped.
    fixed_ports: Vec<PortConfig>,
    /// The paths of published UDP ports.
    udp_ports: Vec<String>,
}

/// The lowered workspace.
#[derive(Default)]
pub(crate) struct WorkspaceParts {
    pub mounts: Vec<Mount>,
    pub volume: Option<NamedVolume>,
    pub target: Option<String>,
}

/// The variables of the main container, by visibility.
#[derive(Default)]
pub(crate) struct EnvVariables {
    pub plain: BTreeMap<String, String>,
    pub concealed: BTreeMap<String, SecretText>,
    pub secrets: BTreeMap<String, SecretSource>,
}

impl<'a> Lowering<'a> {
    pub fn new(places: &'a Places, source: &'a Source, home: Option<String>) -> Self {
        Self {
            places,
            source,
            home,
            faults: Vec::new(),
            bad_files: Vec::new(),
            targets: BTreeMap::new(),
            fixed_ports: Vec::new(),
            udp_ports: Vec::new(),
        }
    }

    pub fn workspace(&mut self, workspace: Option<OneOf<Workspace>>) -> WorkspaceParts {
        let (parts, path_at) = match workspace {
            None => return WorkspaceParts::default(),
            Some(OneOf::Text(path)) => (Workspace { path: Some(path), ..Workspace::default() }, "workspace"),
            Some(OneOf::Parts(parts)) => (parts, "workspace.path"),
        };
        let target = trimmed(parts.target.as_deref().unwrap_or(WORKSPACE));
        self.claim(&target, "workspace.target");
        let excluded = self.excluded("workspace", &target, &parts.exclude);
        let (mounts, volume) = match parts.mode {
            WorkspaceMode::Bind => {
                let path = self.absolute(parts.path.as_deref().unwrap_or("."), path_at);
                (vec![Mount { source: MountSource::Path(path), target: target.clone(), read_only: false }], None)
            }
            WorkspaceMode::Volume => {
                if parts.path.is_some() {
                    let fault = Fault::new(
                        "`workspace.path` cannot be used with `mode: volume`",
                        "remove it, or write `mode: bind`",
                    );
                    self.fault("workspace.path", fault);
                }
                let name = WORKSPACE_VOLUME.to_owned();
                (Vec::new(), Some(NamedVolume { name, target: target.clone(), read_only: false }))
            }
        };
        let mounts = mounts.into_iter().chain(excluded).collect();
        WorkspaceParts { mounts, volume, target: Some(target) }
    }

    pub fn environment(
        &mut self,
        env: BTreeMap<String, String>,
        files: Option<OneOf<Vec<String>>>,
        sources: BTreeMap<String, String>,
        environment: &dyn Environment,
    ) -> EnvVariables {
        let mut all = EnvVariables::default();
        let files = match files {
            None => Vec::new(),
            Some(OneOf::Text(path)) => vec![(path, "env_file".to_owned())],
            Some(OneOf::Parts(paths)) => {
                paths.into_iter().enumerate().map(|(i, path)| (path, format!("env_file.{i}"))).collect()
            }
        };
        for (path, at) in files {
            let Some((absolute, text)) = self.file(&path, &at, environment) else { continue };
            let (variables, bad) = envfile::parse(&text);
            if let Some(bad) = bad {
                let at = self.places.value(&at).unwrap_or_default();
                self.bad_files.push(EnvFileErrors { written: path, at, path: absolute, bad });
            }
            all.concealed.extend(variables.into_iter().map(|(name, value)| (name, SecretText::new(value))));
        }
        for (name, value) in env {
            all.concealed.remove(&name);
            if self.places.is_filled(&format!("env.{name}")) {
                all.concealed.insert(name, SecretText::new(value));
            } else {
                all.plain.insert(name, value);
            }
        }
        for (name, text) in sources {
            let at = format!("secrets.{name}");
            if self.places.has(&format!("env.{name}")) {
                let message = format!("{} is also set in `env`", quoted(&name));
                self.fault(&at, Fault::new(message, "keep one of them"));
            }
            all.concealed.remove(&name);
            all.secrets.extend(self.secret_source(&at, &text).map(|source| (name, source)));
        }
        all
    }

    /// The source of a secret at a path of the spec.
    pub(crate) fn secret_source(&mut self, at: &str, text: &str) -> Option<SecretSource> {
        let source = secrets::source(text, |text| self.secret_path(at, text));
        self.read(at, source)
    }

    /// The path of a file with a secret, relative to the file that names it.
    fn secret_path(&self, at: &str, text: &str) -> PathBuf {
        let folder = self.folder(&self.places.value(at).unwrap_or_default());
        plain(&match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => folder.join(text),
        })
    }

    pub fn mounts(&mut self, mounts: Vec<OneOf<MountParts>>) -> Vec<Mount> {
        let mut all = Vec::new();
        for (i, mount) in mounts.into_iter().enumerate() {
            let at = format!("mounts.{i}");
            let (text, exclude, source_at) = match mount {
                OneOf::Text(text) => match short_forms::mount(&text) {
                    Ok(text) => (text, Vec::new(), at.clone()),
                    Err(fault) => {
                        self.fault(&at, fault);
                        continue;
                    }
                },
                OneOf::Parts(MountParts { source, target, mode, exclude }) => {
                    (MountText { source, target, read_only: mode == MountMode::Ro }, exclude, format!("{at}.source"))
                }
            };
            let target = trimmed(&text.target);
            self.claim(&target, &format!("{at}.target"));
            let Some(source) = self.read(&source_at, short_forms::mount_source(&text.source)) else { continue };
            let source = match source {
                SourceText::Path(path) => MountSource::Path(self.absolute(path, &source_at)),
                SourceText::Volume(name) => MountSource::Foreign(name.to_owned()),
            };
            all.push(Mount { source, target: target.clone(), read_only: text.read_only });
            all.extend(self.excluded(&at, &target, &exclude));
        }
        all
    }

    pub fn volumes(&mut self, volumes: Vec<OneOf<Volume>>) -> Vec<NamedVolume> {
        let mut all: Vec<NamedVolume> = Vec::new();
        for (i, volume) in volumes.into_iter().enumerate() {
            let at = format!("volumes.{i}");
            let Some(NamedVolume { name, target, read_only }) = self.named_volume(&at, volume) else { continue };
            self.claim(&target, &format!("{at}.target"));
            if all.iter().any(|other| other.name == name) {
                let message = format!("duplicate volume {}", quoted(&name));
                self.fault(&format!("{at}.name"), Fault::new(message, "rename one of them"));
            }
            all.push(NamedVolume { name, target, read_only });
        }
        all
    }

    /// A volume in its short or long form.
    pub(crate) fn named_volume(&mut self, at: &str, volume: OneOf<Volume>) -> Option<NamedVolume> {
        let (name, target, read_only) = match volume {
            OneOf::Text(text) => {
                let VolumeText { name, target, read_only } = self.read(at, short_forms::volume(&text))?;
                (name, target, read_only)
            }
            OneOf::Parts(Volume { name, target, mode }) => (name, target, mode == MountMode::Ro),
        };
        Some(NamedVolume { name, target: trimmed(&target), read_only })
    }

    pub fn health(&mut self, health: CommandOr<HealthParts>) -> HealthConfig {
        let parts = match health {
            CommandOr::Command(command) => return HealthConfig::new(command.0),
            CommandOr::Parts(parts) => parts,
        };
        let HealthParts { command, interval, timeout, start_period, retries } = parts;
        let mut time = |key: &str, text: Option<String>| {
            text.and_then(|text| self.read(&format!("healthcheck.{key}"), short_forms::duration(&text)))
        };
        let (interval_ms, timeout_ms) = (time("interval", interval), time("timeout", timeout));
        let start_period_ms = time("start_period", start_period);
        let retries = retries.and_then(|text| self.read("healthcheck.retries", short_forms::count(&text)));
        HealthConfig { command: command.0, interval_ms, timeout_ms, start_period_ms, retries }
    }

    pub fn limits(&mut self, at: &str, limits: &Resources) -> Limits {
        let Resources { memory, cpus, pids, .. } = limits;
        Limits {
            memory: memory.as_ref().and_then(|text| self.read(&format!("{at}.memory"), short_forms::memory(text))),
            cpus: cpus.as_ref().and_then(|text| self.read(&format!("{at}.cpus"), short_forms::cpus(text))),
            pids: pids.as_ref().and_then(|text| self.read(&format!("{at}.pids"), short_forms::count(text))),
        }
    }

    pub fn oom_score_adj(&mut self, at: &str, text: Option<&String>) -> Option<i32> {
        text.and_then(|text| self.read(&format!("{at}.oom_score_adj"), short_forms::oom_score_adj(text)))
    }

    pub fn buildkit(&mut self, settings: Buildkit) -> BuilderSettings {
        let Buildkit { image, cache, cache_limit, config, env, resources, logging } = settings;
        if cache_limit.is_some() && config.as_deref().is_some_and(builder_config::limits_the_cache) {
            let fault = Fault::new("`buildkit.config` also sets this limit", "keep one of them");
            self.fault("buildkit.cache_limit", fault);
        }
        let is_filled = |name: &String| self.places.is_filled(&format!("buildkit.env.{name}"));
        let (concealed, env): (BTreeMap<_, _>, BTreeMap<_, _>) = env.into_iter().partition(|(name, _)| is_filled(name));
        let concealed = concealed.into_iter().map(|(name, value)| (name, SecretText::new(value))).collect();
        let cache_limit =
            cache_limit.and_then(|text| self.read("buildkit.cache_limit", short_forms::cache_limit(&text)));
        let limits = self.limits("buildkit.resources", &resources);
        let oom_score_adj = self.oom_score_adj("buildkit.resources", resources.oom_score_adj.as_ref());
        BuilderSettings { image, cache, cache_limit, config, env, concealed, limits, oom_score_adj, logging }
    }

    /// Reads a list of texts.
    pub fn list<T>(&mut self, at: &str, texts: &[String], read: impl Fn(&str) -> Result<T, Fault>) -> Vec<T> {
        let texts = texts.iter().enumerate();
        texts.filter_map(|(i, text)| self.read(&format!("{at}.{i}"), read(text))).collect()
    }

    /// Reads a mapping of texts.
    pub fn each<T>(
        &mut self,
        at: &str,
        texts: BTreeMap<String, String>,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> BTreeMap<String, T> {
        let values = texts.into_iter();
        values
            .filter_map(|(name, text)| Some((name.clone(), self.read(&format!("{at}.{name}"), read(&text))?)))
            .collect()
    }

    pub fn read<T>(&mut self, at: &str, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.fault(at, fault)).ok()
    }

    pub fn fault(&mut self, at: &str, fault: Fault) {
        let place = self.places.value(at).unwrap_or_default();
        self.faults.push(Diagnostic::error(place, fault.message).hint(fault.hint));
    }

    /// Like [`Lowering::fault`], at a key.
    fn fault_at_key(&mut self, at: &str, fault: Fault) {
        let place = self.places.key(at).unwrap_or_default();
        self.faults.push(Diagnostic::error(place, fault.message).hint(fault.hint));
    }

    /// Where a value is, for a message about another one.
    fn line_of(&self, at: &str) -> String {
        let place = self.places.value(at).unwrap_or_default();
        let (file, line) = (self.source.name_at(place.start), self.source.position(place.start).line);
        if file == self.source.name { format!("on line {line}") } else { format!("on line {line} of {file}") }
    }

    /// The base of relative paths, for the file that contains a location.
    fn folder(&self, span: &Span) -> PathBuf {
        self.source.path_at(span.start).parent().map_or_else(|| PathBuf::from("/"), PathBuf::from)
    }

    /// Empty folders that hide the excluded ones.
    fn excluded(&mut self, at: &str, target: &str, exclude: &[String]) -> Vec<Mount> {
        let hidden = exclude.iter().enumerate().map(|(i, folder)| {
            let target = format!("{target}/{}", folder.trim_end_matches('/'));
            self.claim(&target, &format!("{at}.exclude.{i}"));
            Mount { source: MountSource::Empty, target, read_only: false }
        });
        hidden.collect()
    }

    /// Reserves a mount target, and reports a duplicate.
    pub(crate) fn claim(&mut self, target: &str, at: &str) {
        if let Some(first) = self.targets.insert(target.to_owned(), at.to_owned()) {
            let first = first.trim_end_matches(".target").to_owned();
            let message = format!("{} is mounted twice", quoted(target));
            self.fault(
                at,
                Fault::new(message, format!("{} already uses this target; choose another one", quoted(&first))),
            );
        }
    }

    /// Reads a file.
    pub(super) fn file(&mut self, path: &str, at: &str, environment: &dyn Environment) -> Option<(PathBuf, String)> {
        let absolute = PathBuf::from(self.absolute(path, at));
        let read = environment.read(&absolute).map_err(|unread| {
            let why = match unread {
                FileError::Missing => "no such file".to_owned(),
                FileError::Unreadable(why) => why,
            };
            Fault::new(format!("cannot read {}: {why}", quoted(path)), "the path is relative to this file")
        });
        Some((absolute, self.read(at, read)?))
    }

    /// The absolute path of a text, relative to the file that contains it.
    pub fn absolute(&mut self, text: &str, at: &str) -> String {
        let path = if let Some(rest) = text.strip_prefix('~') {
            let Some(home) = &self.home else {
                let message = "the home directory is unknown";
                self.fault(at, Fault::new(message, "set `HOME`, or write the full path"));
                return text.to_owned();
            };
            Path::new(home).join(rest.trim_start_matches('/'))
        } else {
            let span = self.places.value(at).unwrap_or_default();
            self.folder(&span).join(text)
        };
        plain(&path).to_string_lossy().into_owned()
    }
}
