//! `moat cp`: files between this machine and a container of the sandbox.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use futures_util::stream::unfold;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::error::CliError;
use super::exit::Exit;
use super::load::file;
use super::nearest;
use super::record::Record;
use super::session::Session;
use super::target::named;
use crate::engine::docker::Docker;
use crate::resource::ContainerId;
use crate::store::copy::{self, Copied, CopyError};
use crate::ui;

/// Copy files and directories into the sandbox, or out of it
///
/// What is in the sandbox has a colon before its path: `:/work` in the sandbox of the spec here, `builder:/work` in
/// that of an agent, or of a run by its id, or of a spec. A directory is copied with all that is in it; into a directory that is there it goes under its
/// own name. A link stays a link.
#[derive(Debug, Args)]
pub struct Cp {
    /// The file or directory
    #[arg(value_name = "FROM", value_parser = place)]
    from: Place,
    /// Where to
    #[arg(value_name = "TO", value_parser = place)]
    to: Place,
    /// The container, by its name in the sandbox
    #[arg(short, long, value_name = "NAME", default_value = "main")]
    container: String,
    /// One JSON document that says what was copied
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone)]
enum Place {
    Here(PathBuf),
    Inside { agent: String, path: String },
}

/// Pieces of an archive that wait for the slower side.
const BACKLOG: usize = 16;

/// In bytes. What is packed at once.
const PIECE: usize = 64 * 1024;

pub async fn run(args: &Cp, session: &Session) -> Result<Exit, CliError> {
    let (agent, into) = match (&args.from, &args.to) {
        (Place::Here(_), Place::Inside { agent, .. }) => (agent, true),
        (Place::Inside { agent, .. }, Place::Here(_)) => (agent, false),
        _ => {
            let message = "one of the two has to be in the sandbox, and the other one here".to_owned();
            let hint = "a colon before the path means the sandbox: `moat cp file :/work`".to_owned();
            return Err(CliError::Usage { message, hint });
        }
    };
    if agent == nearest::spec() {
        nearest::say_of_default(session);
    }
    let named = named(agent)?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let container = &sandbox.container(&args.container)?.id;
    let copied = match (&args.from, &args.to) {
        (Place::Here(from), Place::Inside { path, .. }) if into => {
            let data = serde_json::json!({ "id": container, "path": path, "direction": "in" });
            let work = copy_in(&engine, container, from, path);
            Record::open("cp", &engine)?.session(&sandbox.run, "files_copied", data, work, |_| None).await?
        }
        // Nothing is changed in the sandbox.
        (Place::Inside { path, .. }, Place::Here(to)) => copy_out(&engine, container, path, to).await?,
        _ => Copied::default(),
    };
    if args.json {
        session.answer(&ui::json(&serde_json::json!({ "files": copied.files, "bytes": copied.bytes })))?;
    } else {
        session.screen.say(&ui::words::copied(copied.files, copied.bytes));
    }
    Ok(Exit::Done)
}

async fn copy_in(engine: &Docker, container: &ContainerId, from: &Path, to: &str) -> Result<Copied, CliError> {
    let own = from.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let own = own.ok_or_else(|| {
        let source = io::Error::from(io::ErrorKind::NotFound);
        CliError::Copy(CopyError::Read { path: from.to_owned(), source })
    })?;
    let (folder, name) = match engine.is_directory(container, to).await? {
        Some(true) => (to.to_owned(), own),
        _ if to.ends_with('/') => (to.to_owned(), own),
        _ => {
            let (folder, name) = to.rsplit_once('/').unwrap_or(("", to));
            (format!("{folder}/"), name.to_owned())
        }
    };
    let (pieces, archive) = mpsc::channel(BACKLOG);
    let from = from.to_owned();
    let packing = spawn_blocking(move || copy::pack(&from, &name, io::BufWriter::with_capacity(PIECE, Pieces(pieces))));
    let sent = engine.unpack(container, &folder, archive).await;
    // A file that cannot be read is why the engine got half an archive, and not the other way round.
    let packed = packing.await.map_err(|error| CliError::Runtime(io::Error::other(error)))?;
    match (packed, sent) {
        (Err(CopyError::Read { source, .. }), Err(refused)) if source.kind() == io::ErrorKind::BrokenPipe => {
            Err(refused.into())
        }
        (Err(error), _) => Err(error.into()),
        (Ok(_), Err(refused)) => Err(refused.into()),
        (Ok(copied), Ok(())) => Ok(copied),
    }
}

async fn copy_out(engine: &Docker, container: &ContainerId, from: &str, to: &Path) -> Result<Copied, CliError> {
    let name = Path::new(from).file_name().map(PathBuf::from);
    let to = match name {
        Some(name) if to.is_dir() => to.join(name),
        _ => to.to_owned(),
    };
    let archive = engine.pack(container, from).await?;
    let pieces = unfold(archive, async |mut archive| {
        let piece = archive.next().await.map_err(io::Error::other).transpose()?;
        Some((piece, archive))
    });
    let reader = SyncIoBridge::new(Box::pin(StreamReader::new(pieces)));
    let unpacked = spawn_blocking(move || copy::unpack(reader, &to)).await;
    Ok(unpacked.map_err(|error| CliError::Runtime(io::Error::other(error)))??)
}

/// Hands pieces on to whoever sends them.
struct Pieces(mpsc::Sender<Bytes>);

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether there is a spec at a path.
fn is_spec(path: &str) -> bool {
    file(Path::new(path)).is_file()
}

/// Reads a path here, or one with a sandbox and a colon before it. What has a slash before its colon is a path here,
/// unless that is where a spec is, and no file here is called so.
fn place(text: &str) -> Result<Place, String> {
    match text.split_once(':') {
        Some((agent, path)) if !agent.contains('/') || (is_spec(agent) && !Path::new(text).exists()) => {
            if !path.starts_with('/') {
                return Err(format!("a path in the sandbox begins with a slash, as in `:/{path}`"));
            }
            let agent = if agent.is_empty() { nearest::spec() } else { agent };
            Ok(Place::Inside { agent: agent.to_owned(), path: path.to_owned() })
        }
        _ if text.is_empty() => Err("a path cannot be empty".to_owned()),
        _ => Ok(Place::Here(PathBuf::from(text))),
    }
}
