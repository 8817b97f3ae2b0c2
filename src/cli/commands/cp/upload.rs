//! Copies into a container. The engine resolves links and never leaves the container.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::{BACKLOG, CHUNK, ChunkWriter, CliError};
use crate::local::copy::{self, Copied, CopyError, Source, ends_with_slash, names_contents};
use moat_docker::{Docker, IntoContainer};
use moat_model::engine::EngineError;
use moat_model::resource::ContainerId;

/// The target in a container: an existing directory and a name in it. Without a name, the contents of the source directory
/// are copied.
struct Place {
    folder: String,
    name: Option<OsString>,
}

/// Copies `from` on this host into the container.
pub(super) async fn copy(engine: &Docker, container: &ContainerId, from: &Path, to: &str) -> Result<Copied, CliError> {
    let (source, own) = Source::find(from)?;
    let place = place(engine, container, to, &source, own).await?;
    let (pieces, archive) = mpsc::channel(BACKLOG);
    let from = from.to_owned();
    let packing = spawn_blocking(move || {
        copy::pack(&source, &from, place.name.as_deref(), io::BufWriter::with_capacity(CHUNK, ChunkWriter(pieces)))
    });
    let sent = engine.unpack(container, &place.folder, archive).await;
    // A local read error is the cause of the engine's error about a truncated archive.
    let packed = packing.await.map_err(|error| CliError::Runtime(io::Error::other(error)))?;
    match (packed, sent) {
        (Err(CopyError::Send(_)) | Ok(_), Err(error)) => Err(refused(error, to)),
        (Err(error), _) => Err(error.into()),
        (Ok(copied), Ok(())) => Ok(copied),
    }
}

/// Unpacks the tar archive on standard input.
pub(super) async fn stream(engine: &Docker, container: &ContainerId, to: &str) -> Result<(), CliError> {
    let folder = match find(engine, container, to).await? {
        (path, Some(true)) => path,
        (_, Some(false)) => return Err(not_a_folder(to)),
        (_, None) => return Err(missing(to)),
    };
    let archive: IntoContainer = engine.archive_on_stdin();
    engine.unpack(container, &folder, archive).await.map_err(|error| refused(error, to))
}

/// The rules of `docker cp`, case by case.
async fn place(
    engine: &Docker,
    container: &ContainerId,
    to: &str,
    source: &Source,
    own: Option<OsString>,
) -> Result<Place, CliError> {
    let (path, is_folder) = find(engine, container, to).await?;
    let must_be_folder = ends_with_slash(to) || names_contents(to);
    match is_folder {
        Some(true) => return Ok(Place { folder: path, name: own }),
        Some(false) if source.is_folder() => {
            let message = format!("`:{to}` exists and is not a directory");
            return Err(CliError::Refused { message, hint: "remove it first, or choose another target".to_owned() });
        }
        Some(false) if must_be_folder => return Err(not_a_folder(to)),
        None if must_be_folder && !source.is_folder() => {
            let other = find(engine, container, to.trim_end_matches(['.', '/'])).await?;
            return Err(if other.1.is_some() { not_a_folder(to) } else { missing(to) });
        }
        Some(false) | None => {}
    }
    let trimmed = path.strip_suffix("/.").unwrap_or(&path).trim_end_matches('/');
    let (folder, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    let folder = format!("{folder}/");
    if is_folder.is_none() && engine.look_at(container, &folder).await?.is_none() {
        return Err(missing(&folder));
    }
    Ok(Place { folder, name: Some(name.into()) })
}

/// Follows a link at the end of a path. Returns the path and whether it is a directory; `None`: it does not exist.
async fn find(engine: &Docker, container: &ContainerId, path: &str) -> Result<(String, Option<bool>), CliError> {
    let Some(found) = engine.look_at(container, path).await? else { return Ok((path.to_owned(), None)) };
    match found.link {
        // The engine returns the final target of a chain of links.
        Some(link) if link.starts_with('/') => {
            let target = engine.look_at(container, &link).await?;
            Ok((link, target.map(|facts| facts.is_directory)))
        }
        _ => Ok((path.to_owned(), Some(found.is_directory))),
    }
}

fn missing(path: &str) -> CliError {
    let folder = path.trim_end_matches('.').trim_end_matches('/');
    let message = format!("no directory `{path}` in the sandbox");
    CliError::Refused { message, hint: format!("create it first: `moat exec -- mkdir -p {folder}`") }
}

fn not_a_folder(path: &str) -> CliError {
    let message = format!("`:{path}` is not a directory");
    CliError::Refused { message, hint: "remove the trailing slash, or give a directory".to_owned() }
}

/// Converts an error: the engine reports a conflict of file and directory only in its message.
fn refused(error: EngineError, to: &str) -> CliError {
    if error.message.contains("cannot overwrite") {
        let message = format!("a file and a directory conflict below `:{to}`");
        return CliError::Refused {
            message,
            hint: "remove the existing one first, or choose another target".to_owned(),
        };
    }
    error.into()
}
