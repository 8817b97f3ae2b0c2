//! Copies moat's own program into a running container, for sessions.
//!
//! Into a folder of its own, which a command of the program then moves to its place: a copy that was interrupted is never
//! used.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{helper_files, program};
use crate::Docker;
use moat_model::engine::EngineError;
use moat_model::resource::ContainerId;

/// Of a part of the archive, in bytes.
const PART: usize = 64 * 1024;

impl Docker {
    /// Copies the program into `folder`, which does not exist yet.
    ///
    /// # Errors
    /// If the engine cannot run this program, or the container's file system is read-only.
    pub async fn upload_helper(&self, container: &ContainerId, folder: &str) -> Result<(), EngineError> {
        let target = folder.to_owned();
        let packed = program::packed_by(self, move |helper| match helper {
            Some((path, architecture)) => helper_files::of_static(path, architecture, &target),
            None => helper_files::of_this_process(&target),
        });
        let mut archive = Bytes::from(packed.await?);
        let (parts, receiver) = mpsc::channel(1);
        let feed = async {
            while !archive.is_empty() {
                let part = archive.split_to(PART.min(archive.len()));
                if parts.send(part).await.is_err() {
                    break;
                }
            }
            drop(parts);
        };
        let (sent, ()) = tokio::join!(self.unpack(container, "/", receiver), feed);
        sent
    }
}
