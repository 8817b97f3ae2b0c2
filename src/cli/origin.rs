//! What the graph of an agent is compiled from, step by step: the spec alone, then what is built, then its secrets.
//!
//! A step is taken only when it is called for: nothing of a spec that has not been approved is fetched. Who has approved
//! what is not decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::environment::{ProcessEnv, lowercase};
use crate::cli::load::LoadError;
use crate::cli::record::{STATE_DIR, own_files};
use crate::local;
use crate::local::key::secret_key;
use moat_model::graph::Graph;
use moat_model::resource::SecretKey;
use moat_spec::compile::{Vault, compile, compile_with, needs_vault};
use moat_spec::environment::Inputs;
use moat_spec::secrets::{self, SecretSource};
use moat_spec::{Capabilities, Diagnostics, Proposal, Spec};

/// A spec with the capabilities that it can ask for.
#[derive(Debug, Clone)]
pub struct Origin {
    spec: Spec,
    capabilities: Capabilities,
    pub proposal: Proposal,
    /// The files of its build, once they have been looked at.
    pub content: Inputs,
}

/// What is done about the secrets of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// They are had from their sources.
    Fetch,
    /// They stay unknown: their sources have not been approved.
    Withhold,
}

impl Origin {
    pub fn new(spec: &Spec, capabilities: &Capabilities) -> Self {
        let proposal = Proposal::of(spec, capabilities);
        Self { spec: spec.clone(), capabilities: capabilities.clone(), proposal, content: Inputs::default() }
    }

    /// Without its secrets.
    ///
    /// # Errors
    /// What only shows when the whole is put together.
    pub fn bare(&self) -> Result<Graph, LoadError> {
        compile(&self.spec, &self.capabilities).map_err(LoadError::Spec)
    }

    /// Whether an image is built from a folder that has not been looked at yet.
    pub fn needs_content(&self) -> bool {
        self.unread_context().is_some()
    }

    /// The folder that an image is built from, if it has not been looked at.
    pub fn unread_context(&self) -> Option<&Path> {
        self.spec.build.as_ref().filter(|build| build.digest.is_none()).map(|build| build.context.as_path())
    }

    /// Finds what a build is made of, for its digest. Where the sandbox reaches nothing outside, the content becomes part of
    /// what is to be approved: a build step of it might.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn look_at_content(&mut self) -> Result<(), LoadError> {
        let Self { spec, proposal, content: inputs, .. } = self;
        let Some(build) = &mut spec.build else { return Ok(()) };
        build.without = own_files();
        if let Some(own) = build.without.as_deref().filter(|own| own.starts_with(&build.context)) {
            // Without it nothing can be put on record, which is said then.
            let _ = local::prepare(own);
        }
        match moat_build_context::read(&build.context, &build.dockerfile, build.without.as_deref()) {
            Ok(content) => {
                inputs.read.extend(content.folders);
                inputs.missing.extend(content.lists);
                if spec.network.internal {
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

    /// With its secrets, as far as they may be fetched.
    ///
    /// # Errors
    /// If one of them cannot be had.
    pub fn whole(&self, wanted: Secrets) -> Result<Graph, LoadError> {
        let Self { spec, capabilities, .. } = self;
        if !needs_vault(spec, capabilities) {
            return self.bare();
        }
        let (fetched, withheld) = match wanted {
            Secrets::Fetch => {
                let fetched = secrets::fetch(spec, &ProcessEnv);
                (fetched.map_err(LoadError::Spec)?, BTreeSet::new())
            }
            Secrets::Withhold => (BTreeMap::default(), spec.secrets.keys().cloned().collect()),
        };
        let fetched = fetched.into_iter().chain(spec.concealed.clone()).collect();
        let key = key().map_err(|why| LoadError::Key { why })?;
        compile_with(spec, capabilities, Some(&Vault { key, fetched, withheld })).map_err(LoadError::Spec)
    }

    /// The files of its secrets: they are no part of what is approved, and are followed.
    pub fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        self.spec.secrets.values().filter_map(|source| match source {
            SecretSource::File(path) => Some(path.clone()),
            _ => None,
        })
    }

    /// The files that it is made of.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let own = self.spec.dependencies.iter().filter_map(|it| {
            let name = it.value.split('@').next().unwrap_or_default();
            self.capabilities.file(name)
        });
        let dockerfile = self.spec.build.iter().map(|build| build.context.join(&build.dockerfile));
        let paths = own.chain(self.proposal.files()).map(PathBuf::from);
        paths.chain(dockerfile).chain([self.spec.source.path.clone()]).collect()
    }
}

fn key() -> Result<SecretKey, String> {
    let dir = own_files().ok_or_else(|| format!("no directory for it: set `HOME` or `{STATE_DIR}`"))?;
    secret_key(&dir).map_err(|error| format!("`{}`: {}", dir.display(), lowercase(&error)))
}
