//! Copies out of a container. The archive is untrusted and is checked by `local::copy`.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use futures_util::stream::unfold;
use tokio::task::spawn_blocking;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{CliError, Session};
use crate::local::copy::{self, Copied, CopyError, Target, names_contents};
use moat_docker::{Docker, FromContainer};
use moat_model::engine::Fault;
use moat_model::resource::{ContainerId, Size};

/// Copies `from` in a container to `to` on this host.
pub(super) async fn copy(
    engine: &Docker,
    container: &ContainerId,
    from: &str,
    to: &Path,
    limit: Size,
) -> Result<Copied, CliError> {
    let archive = begin(engine, container, from).await?;
    let target = Target::find(to, own_name(from).as_deref(), archive.is_directory)?;
    let pieces = unfold(archive, async |mut archive| {
        let piece = archive.next().await.map_err(io::Error::other).transpose()?;
        Some((piece, archive))
    });
    let reader = SyncIoBridge::new(Box::pin(StreamReader::new(pieces)));
    let unpacked = spawn_blocking(move || copy::unpack(reader, &target, limit.0)).await;
    Ok(unpacked.map_err(|error| CliError::Runtime(io::Error::other(error)))??)
}

/// Streams the archive to standard output.
pub(super) async fn stream(
    engine: &Docker,
    container: &ContainerId,
    from: &str,
    limit: Size,
    session: &Session,
) -> Result<(), CliError> {
    let mut archive = begin(engine, container, from).await?;
    let mut sum: u64 = 0;
    while let Some(piece) = archive.next().await? {
        sum = sum.saturating_add(piece.len() as u64);
        if limit.0 > 0 && sum > limit.0 {
            return Err(CopyError::TooLarge { limit: limit.0, name: from.to_owned() }.into());
        }
        if !session.screen.raw(&piece).map_err(CliError::Output)? {
            return Ok(());
        }
    }
    Ok(())
}

async fn begin(engine: &Docker, container: &ContainerId, from: &str) -> Result<FromContainer, CliError> {
    engine.pack(container, from).await.map_err(|error| match error.fault {
        Fault::NotFound => {
            let message = format!("`{from}` does not exist in the sandbox");
            CliError::Refused { message, hint: "check with `moat exec -- ls`".to_owned() }
        }
        _ => error.into(),
    })
}

/// The file name in the container. `None`: only the contents of the directory are copied.
fn own_name(from: &str) -> Option<OsString> {
    let name = Path::new(from).file_name().filter(|_| !names_contents(from))?;
    Some(name.to_owned())
}
