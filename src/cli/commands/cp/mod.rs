//! `moat cp`: copies files between this host and a container of the sandbox.

mod download;
mod upload;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;

use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::spec_files::file;
use crate::cli::target::named;
use crate::local::copy::{Copied, Skipped};
use crate::ui;
use moat_model::resource::Size;

/// Copy files into or out of the sandbox
///
/// A path in the sandbox is written `AGENT:PATH`, as in `builder:/work`; AGENT is an agent name, a run id or a spec, and
/// `:/work` means the default spec. Directories are copied recursively, under their own name if the target is an existing
/// directory; `DIR/.` copies the contents. `-` is a tar archive on standard input or output.
///
/// Symbolic links are copied as links. A link at the end of the target is followed in the sandbox, but not on this host,
/// since the sandbox could have created it: end the target with a slash to follow it. Pipes, sockets, devices and names
/// with control characters are skipped with a warning.
#[derive(Debug, Args)]
pub struct Cp {
    /// Source file or directory
    #[arg(value_name = "FROM", value_parser = place)]
    from: Place,
    /// Target path
    #[arg(value_name = "TO", value_parser = place)]
    to: Place,
    /// Container of the sandbox
    #[arg(short, long, value_name = "NAME", default_value = "main")]
    container: String,
    /// Maximum size copied out of the sandbox (0: unlimited)
    #[arg(long, value_name = "SIZE", default_value = "10g", value_parser = size)]
    max_size: Size,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Clone)]
enum Place {
    Here(PathBuf),
    /// A tar archive on standard input or output.
    Stream,
    Inside {
        agent: String,
        path: String,
    },
}

/// The direction and paths of a copy.
enum Direction<'a> {
    In { from: Option<&'a Path>, to: &'a str },
    Out { from: &'a str, to: Option<&'a Path> },
}

/// The number of archive chunks buffered for the slower side.
const BACKLOG: usize = 16;

/// The size of an archive chunk in bytes.
const CHUNK: usize = 64 * 1024;

pub async fn run(args: &Cp, session: &Session) -> Result<Exit, CliError> {
    let (agent, direction) = direction(args)?;
    if agent == default_spec::path() {
        default_spec::announce(session);
    }
    let named = named(agent)?;
    let engine = session.connect().await?;
    let sandbox = named.find(&engine).await?.present()?;
    let container = &sandbox.container(&args.container)?.id;
    let copied = match direction {
        Direction::In { from, to } => {
            let data = json!({ "id": container, "path": to, "direction": "in" });
            let work = async {
                match from {
                    Some(from) => upload::copy(&engine, container, from, to).await.map(Some),
                    None => upload::stream(&engine, container, to).await.map(|()| None),
                }
            };
            Record::open("cp", &engine)?.session(&sandbox.run, "files_copied", data, work, |_| None).await?
        }
        // Changes nothing in the sandbox, so there is no audit entry.
        Direction::Out { from, to: Some(to) } => {
            Some(download::copy(&engine, container, from, to, args.max_size).await?)
        }
        Direction::Out { from, to: None } => {
            download::stream(&engine, container, from, args.max_size, session).await?;
            None
        }
    };
    if let Some(copied) = copied {
        print_result(args, session, &copied)?;
    }
    Ok(Exit::Done)
}

fn direction(args: &Cp) -> Result<(&str, Direction<'_>), CliError> {
    let usage = |message: &str, hint: &str| CliError::Usage { message: message.to_owned(), hint: hint.to_owned() };
    let (agent, direction) = match (&args.from, &args.to) {
        (Place::Here(from), Place::Inside { agent, path }) => (agent, Direction::In { from: Some(from), to: path }),
        (Place::Stream, Place::Inside { agent, path }) => (agent, Direction::In { from: None, to: path }),
        (Place::Inside { agent, path }, Place::Here(to)) => (agent, Direction::Out { from: path, to: Some(to) }),
        (Place::Inside { agent, path }, Place::Stream) => (agent, Direction::Out { from: path, to: None }),
        _ => {
            let hint = "a path in the sandbox starts with a colon: `moat cp file :/work`";
            return Err(usage("exactly one of the two paths must be in the sandbox", hint));
        }
    };
    let is_stream = matches!(direction, Direction::In { from: None, .. } | Direction::Out { to: None, .. });
    if is_stream && args.json {
        return Err(usage("`--json` cannot be used with `-`", "omit one of them"));
    }
    if matches!(direction, Direction::In { from: None, .. }) && io::stdin().is_terminal() {
        return Err(usage(
            "`-` reads a tar archive, but standard input is a terminal",
            "as in `tar c DIR | moat cp - :/work`",
        ));
    }
    if matches!(direction, Direction::Out { to: None, .. }) && io::stdout().is_terminal() {
        return Err(usage(
            "`-` writes a tar archive, but standard output is a terminal",
            "as in `moat cp :/work - | tar t`",
        ));
    }
    Ok((agent, direction))
}

fn print_result(args: &Cp, session: &Session, copied: &Copied) -> Result<(), CliError> {
    let Skipped { count, first } = &copied.skipped;
    if *count > 0 {
        let named: Vec<String> = first.iter().map(|(name, reason)| format!("`{name}` ({reason})")).collect();
        let more = count - first.len() as u64;
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        session.warning(&format!("skipped {}{rest}", named.join(", ")), "only files, directories and links are copied");
    }
    if args.json {
        let skipped: Vec<_> =
            first.iter().map(|(name, reason)| json!({ "name": name, "reason": reason.to_string() })).collect();
        let document =
            json!({ "files": copied.files, "bytes": copied.bytes, "skipped": skipped, "skipped_count": count });
        session.answer(&ui::json(&document))?;
    } else {
        session.screen.say(&ui::phrases::copied(copied.files, copied.bytes));
    }
    Ok(())
}

/// Writes chunks to a channel.
struct ChunkWriter(mpsc::Sender<Bytes>);

impl io::Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn size(text: &str) -> Result<Size, String> {
    let wrong = |error| format!("{error}; use a size as in `500m` or `10g`, or `0` for no limit");
    Size::parse(text, 1).map_err(wrong)
}

/// Returns whether a path is a spec.
fn is_spec(path: &str) -> bool {
    file(Path::new(path)).is_file()
}

/// Parses a local path or `AGENT:PATH`. With a slash before the colon it is a local path, unless that part is a spec and
/// no local file has this name.
fn place(text: &str) -> Result<Place, String> {
    match text.split_once(':') {
        Some((agent, path)) if !agent.contains('/') || (is_spec(agent) && !Path::new(text).exists()) => {
            if !path.starts_with('/') {
                return Err(format!("a path in the sandbox must start with a slash, as in `:/{path}`"));
            }
            let agent = if agent.is_empty() { default_spec::path() } else { agent };
            Ok(Place::Inside { agent: agent.to_owned(), path: path.to_owned() })
        }
        _ if text.is_empty() => Err("a path cannot be empty".to_owned()),
        _ if text == "-" => Ok(Place::Stream),
        _ => Ok(Place::Here(PathBuf::from(text))),
    }
}
