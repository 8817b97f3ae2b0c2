//! Reloads specs for a watch when their files change.

use std::collections::BTreeSet;
use std::fs::{DirEntry, File, metadata, read_dir};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

use crate::cli::approval::{ApprovalCheck, Verdict, complete};
use crate::cli::blocking::run_blocking;
use crate::cli::capabilities::FOLDER;
use crate::cli::environment::SIZE_MAX;
use crate::cli::error::CliError;
use crate::cli::load::{self, Agent, Load};
use crate::cli::load_error::LoadError;
use crate::cli::spec_files;
use crate::ui::Colour;
use crate::ui::render::problem;
use crate::watch::{Fingerprint, Loaded, Read, Watched};
use moat_docker::Docker;
use moat_model::resource::Run;
use moat_model::resource::digest::sha256;
use moat_spec::environment::Inputs;

/// Mounted files: only their identity matters, since their content is not part of the spec.
pub type Mounted = BTreeSet<PathBuf>;

/// The watched spec of an agent. It is read and compared in the agent's first round.
pub fn watched(agent: &Agent) -> Watched {
    let spec = spec_files::file(&agent.spec_path);
    Watched {
        run: agent.graph.run.clone(),
        inputs: files(&spec, Inputs::default()),
        fingerprint: Fingerprint::default(),
        desired: None,
        spec,
    }
}

/// Reloads the spec of a run and compares it with the approval. `allow`: approve every change. Errors are rendered with
/// `colour`.
pub async fn again(spec: &Path, run: &Run, engine: &Docker, allow: bool, colour: Colour) -> (Loaded, Mounted) {
    let path = spec.to_owned();
    let load::Loaded { agents, mut inputs, .. } = run_blocking(move || load::load(&[path], Load::Full)).await;
    let spec_is_gone = |errors: &[LoadError]| errors.iter().all(|it| matches!(it, LoadError::Missing { .. }));
    let read = match agents {
        Ok(agents) => match of_run(agents, run) {
            Some(agent) if agent.graph.run.id != run.id => Ok(Read::Another(agent.graph.run)),
            Some(agent) => checked(agent, engine, allow, &mut inputs).await,
            None => Ok(Read::Gone),
        },
        Err(errors) if spec_is_gone(&errors) => Ok(Read::Gone),
        Err(errors) => Err(CliError::Load(errors)),
    };
    let bad = |error: CliError| Read::Bad(error.shown(|problems| problem::text(problems, colour)));
    let mounted = inputs.mounted.iter().filter(|file| !inputs.read.contains(*file)).cloned().collect();
    (Loaded { inputs: files(spec, inputs), spec: read.unwrap_or_else(bad) }, mounted)
}

/// Checks a reloaded agent, and fetches its secrets if it is approved.
async fn checked(agent: Agent, engine: &Docker, allow: bool, inputs: &mut Inputs) -> Result<Read, CliError> {
    let (agent, verdict) = ApprovalCheck::new(engine).check(agent).await?;
    let (agent, read) = match &verdict {
        Verdict::Asks(asks) if !allow => {
            let asks = asks.of(&agent).asks;
            (agent, Read::Held(asks))
        }
        verdict => {
            let agent = complete(agent, verdict, matches!(verdict, Verdict::Asks(_))).await?;
            inputs.read.extend(agent.resolved.iter().flat_map(|resolved| resolved.secret_files()));
            let graph = Box::new(agent.graph.clone());
            (agent, Read::Good(graph))
        }
    };
    inputs.append(agent.resolved.map(|resolved| resolved.content.clone()).unwrap_or_default());
    Ok(read)
}

/// The fingerprint of files: their content or, for `mounted` ones, their identity.
pub fn fingerprint(files: &[PathBuf], mounted: &Mounted) -> Fingerprint {
    let mut all = Fingerprint::default();
    for file in files {
        if file.is_dir() {
            all.add(file.clone(), "folder");
            for (entry, facts) in entries(file) {
                all.add_entry(entry, &facts);
            }
            continue;
        }
        // An unreadable file counts as missing.
        let fact = if mounted.contains(file) { identity(file) } else { content(file) };
        all.add(file.clone(), &fact.map(sha256).unwrap_or_default());
    }
    all
}

/// The identity of a file, independent of its content.
fn identity(file: &Path) -> io::Result<Vec<u8>> {
    let facts = metadata(file)?;
    Ok(format!("{:?}", (facts.dev(), facts.ino(), facts.created().ok())).into_bytes())
}

/// The agent of a run, or the only agent of the spec, which may have been renamed. `None`: the agent was removed from a
/// spec with several.
fn of_run(mut agents: Vec<Agent>, run: &Run) -> Option<Agent> {
    let place = agents.iter().position(|agent| agent.graph.run.id == run.id);
    match (place, agents.len()) {
        (Some(place), _) => Some(agents.swap_remove(place)),
        (None, 1) => agents.pop(),
        (None, _) => None,
    }
}

/// The files of a spec, with the spec itself first.
fn files(spec: &Path, inputs: Inputs) -> Vec<PathBuf> {
    // Fails only without a working directory.
    let spec = absolute(spec).unwrap_or_else(|_| spec.to_owned());
    // Includes the directory, to notice its first file.
    let folder = spec.with_file_name(FOLDER);
    let mut others: Vec<PathBuf> =
        inputs.read.into_iter().chain(inputs.missing).chain(inputs.mounted).chain([folder]).collect();
    others.retain(|file| *file != spec);
    std::iter::once(spec).chain(others).collect()
}

/// The content of a file or directory. Of a directory only file metadata is compared: the build context is read again only
/// if that differs.
fn entries(folder: &Path) -> Vec<(PathBuf, String)> {
    let fact = |entry: DirEntry| {
        let facts = entry.metadata().ok().filter(|facts| !facts.is_dir());
        let facts = facts.map(|it| (it.len(), it.mode(), it.ino(), it.mtime(), it.mtime_nsec(), it.ctime_nsec()));
        (entry.path(), format!("{facts:?}"))
    };
    read_dir(folder).into_iter().flatten().map_while(Result::ok).map(fact).collect()
}

fn content(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
