//! Ends a command in a container when this process ends, however that happens: killed, or its machine gone.
//!
//! Docker leaves a command running whose client has gone. A second command, the keeper, reads its own standard input: the
//! connection is its life line, and when it breaks the keeper ends the first command. Needs a `sh` and a `/tmp` in the
//! container.

use bollard::models::ExecConfig;
use tokio::io::AsyncWriteExt;

use super::exec::{self, Streams};
use crate::{AttachRequest, Docker};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::ContainerId;
use moat_model::resource::digest::short_sha256;

/// Tells its number in the container, by which it can be ended, and becomes the command.
const WRAPPER: &str = "echo $$ >\"$0\" && exec \"$@\"";

/// A line says that the command is over. Otherwise it gets time to end by itself; the number is that of its session, so
/// that what it started goes with it.
const KEEPER: &str = "read -r over; [ \"$over\" = over ] && { rm -f \"$0\"; exit 0; }
pid=$(cat \"$0\") || exit 0; rm -f \"$0\"
end() { kill \"-$1\" -- \"-$pid\" 2>/dev/null || kill \"-$1\" \"$pid\" 2>/dev/null; }
end TERM || exit 0; n=0
while [ $n -lt 50 ] && kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; n=$((n+1)); done
end KILL";

/// Holds the life line. Dropped, the command ends; [`Keeper::release`] lets it be.
pub(crate) struct Keeper(Streams);

impl Keeper {
    /// Begins to watch; gives the command that is to be run in place of the one that is asked for.
    pub(crate) async fn begin(
        docker: &Docker,
        container: &ContainerId,
        request: &AttachRequest,
    ) -> Result<(Self, AttachRequest), EngineError> {
        let unique = format!("{} {:?}", std::process::id(), std::time::SystemTime::now());
        let mark = format!("/tmp/.moat-exec-{}", short_sha256(unique, 16));
        let words = |script: &str| ["sh", "-c", script, &mark].map(str::to_owned).to_vec();
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(words(KEEPER)),
            user: request.user.clone(),
            ..Default::default()
        };
        let exec = exec::create(docker, container, &config).await?;
        let streams = exec::start(docker, &exec, false).await.map_err(|failure| failure.into_error(Call::Exec))?;
        let command = [words(WRAPPER), request.command.clone()].concat();
        Ok((Self(streams), AttachRequest { command, ..request.clone() }))
    }

    /// The command is over, or is to go on without anybody.
    pub(crate) async fn release(mut self) {
        // If the connection is lost the engine has ended, and everything with it.
        let _ = self.0.write_all(b"over\n").await;
        let _ = self.0.shutdown().await;
    }
}
