//! A spec with its capabilities, compiled to a graph in steps: the spec alone, then the build context, then the secrets.
//!
//! Callers request each step, so that nothing is fetched for an unapproved spec. Approval is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::environment::{ProcessEnv, lowercase};
use crate::cli::load_error::LoadError;
use crate::cli::state_directory::{STATE_DIR, state_directory};
use crate::local;
use crate::local::key::secret_key;
use crate::ui::render::plan::ChosenIsolation;
use moat_model::graph::Graph;
use moat_model::resource::SecretKey;
use moat_spec::compile::{Host, Vault, compile, compile_with, could_be_rootless, needs_host, needs_vault, settle};
use moat_spec::environment::Inputs;
use moat_spec::fetch::{self, Fetched};
use moat_spec::secrets::SecretSource;
use moat_spec::{Capabilities, Diagnostics, Proposal, Spec, note};

/// A spec with its available capabilities.
#[derive(Debug, Clone)]
pub struct ResolvedSpec {
    spec: Spec,
    capabilities: Capabilities,
    pub proposal: Proposal,
    /// The files of the build context, once it has been read.
    pub content: Inputs,
}

/// How to treat the secrets of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Fetch them from their sources.
    Fetch,
    /// Leave them unknown, since their sources are not approved.
    Withhold,
}

impl ResolvedSpec {
    pub fn new(spec: &Spec, capabilities: &Capabilities) -> Self {
        let proposal = Proposal::of(spec, capabilities);
        Self { spec: spec.clone(), capabilities: capabilities.clone(), proposal, content: Inputs::default() }
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether the spec has a dependency, or one that needs it.
    pub fn depends_on(&self, dependency: &str) -> bool {
        let all = self.capabilities.closure(&self.spec.dependencies, self.spec.isolation);
        all.iter().any(|it| it.capability == dependency)
    }

    /// The key of an image in which moat installs nothing.
    pub fn own_image(&self) -> Option<&'static str> {
        let Spec { image, build, .. } = &self.spec;
        image.as_ref().map(|_| "image").or(build.as_ref().map(|_| "build"))
    }

    /// Whether the spec grants the credential of a provider, or passes it in a variable of the provider.
    pub fn has_credential(&self, provider: &str) -> bool {
        self.spec.has_credential(provider)
    }

    /// The note for a coding agent: what it can reach.
    pub fn note(&self) -> String {
        note(&self.spec, &self.capabilities)
    }

    /// Compiles the graph without secrets.
    ///
    /// # Errors
    /// If parts of the spec contradict each other.
    pub fn compile(&self) -> Result<Graph, LoadError> {
        compile(&self.spec, &self.capabilities).map_err(LoadError::Spec)
    }

    /// Whether privileged containers of the spec would do without if it had an isolation.
    pub fn could_be_rootless(&self) -> bool {
        could_be_rootless(&self.spec, &self.capabilities)
    }

    /// Whether the isolation depends on the engine.
    pub fn needs_host(&self) -> bool {
        needs_host(&self.spec)
    }

    /// Chooses the isolation for an engine.
    ///
    /// # Errors
    /// If the engine cannot carry it.
    pub fn settle(&mut self, host: &Host) -> Result<(), LoadError> {
        settle(&mut self.spec, &self.capabilities, host).map_err(LoadError::Spec)
    }

    /// The isolation that `auto` has become, and why.
    pub fn chosen_isolation(&self) -> Option<ChosenIsolation<'_>> {
        let reason = self.spec.auto.as_ref()?.reason.as_deref()?;
        Some(ChosenIsolation { kind: self.spec.isolation.as_str(), reason })
    }

    /// Whether an image is built from a folder that has not been looked at yet.
    pub fn needs_build_context(&self) -> bool {
        self.unread_context().is_some()
    }

    /// The folder that an image is built from, if it has not been looked at.
    pub fn unread_context(&self) -> Option<&Path> {
        self.spec.build.as_ref().filter(|build| build.digest.is_none()).map(|build| build.context.as_path())
    }

    /// Finds what a build is made of, for its digest. Where the sandbox does not reach everything outside, or does
    /// not have the secrets of the build, the content becomes part of what is to be approved: a build step of it might.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_build_context(&mut self) -> Result<(), LoadError> {
        let Self { spec, proposal, content: inputs, .. } = self;
        let Some(build) = &mut spec.build else { return Ok(()) };
        build.without = state_directory();
        if let Some(own) = build.without.as_deref().filter(|own| own.starts_with(&build.context)) {
            // A failure is reported later, when the audit log is opened.
            let _ = local::prepare(own);
        }
        match moat_build_context::read(&build.context, &build.dockerfile, build.without.as_deref()) {
            Ok(content) => {
                inputs.read.extend(content.folders);
                inputs.missing.extend(content.lists);
                let has_secrets = !build.secrets.is_empty();
                if spec.network.internal || spec.network.egress.is_some() || has_secrets {
                    proposal.pin_content(&content.digest);
                }
                build.digest = Some(content.digest);
                Ok(())
            }
            Err(error) => {
                let at = if spec.places.has("build.context") { "build.context" } else { "build" };
                Err(LoadError::Spec(Diagnostics::at(&spec.source, spec.place(at), error.to_string(), error.hint())))
            }
        }
    }

    /// Compiles the graph with secrets.
    ///
    /// # Errors
    /// If a secret cannot be fetched.
    pub fn compile_with_secrets(&self, wanted: Secrets) -> Result<Graph, LoadError> {
        let Self { spec, capabilities, .. } = self;
        if !needs_vault(spec, capabilities) {
            return self.compile();
        }
        let (Fetched { main, build }, withheld, grants) = match wanted {
            Secrets::Fetch => {
                let fetched = fetch::secrets(spec, &ProcessEnv).map_err(LoadError::Spec)?;
                let grants = fetch::grants(spec, &ProcessEnv).map_err(LoadError::Spec)?;
                (fetched, BTreeSet::new(), grants)
            }
            Secrets::Withhold => (Fetched::default(), spec.secrets.keys().cloned().collect(), BTreeMap::default()),
        };
        let fetched = main.into_iter().chain(spec.concealed.clone()).collect();
        let key = key().map_err(|why| LoadError::Key { why })?;
        let vault = Vault { key, fetched, build, withheld, grants };
        compile_with(spec, capabilities, Some(&vault)).map_err(LoadError::Spec)
    }

    /// The files of secrets: a watch follows them, but they are not part of the approval.
    pub fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        let grants = self.spec.grants.iter().map(|it| &it.source);
        self.spec.secrets.values().chain(grants).filter_map(|source| match source {
            SecretSource::File(path) => Some(path.clone()),
            _ => None,
        })
    }

    /// The files that define the spec.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let own = self.capabilities.own(&self.spec.dependencies, self.spec.isolation);
        let own = own.into_values().map(|(path, _)| path);
        let dockerfile = self.spec.build.iter().map(|build| build.context.join(&build.dockerfile));
        let paths = own.chain(self.proposal.files()).map(PathBuf::from);
        paths.chain(dockerfile).chain([self.spec.source.path.clone()]).collect()
    }
}

fn key() -> Result<SecretKey, String> {
    let dir = state_directory().ok_or_else(|| format!("no directory for it: set `HOME` or `{STATE_DIR}`"))?;
    secret_key(&dir).map_err(|error| format!("`{}`: {}", dir.display(), lowercase(&error)))
}
