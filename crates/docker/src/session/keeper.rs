//! Kills a command in a container when this process exits for any reason, such as SIGKILL or a crash of its host.
//!
//! Docker leaves a command running when its client disconnects. A second command, the keeper, reads its standard input;
//! when that connection breaks, it kills the first command. Needs `sh` and `/tmp` in the container.

use bollard::models::ExecConfig;
use tokio::io::AsyncWriteExt;

use super::exec::{self, Streams};
use crate::{AttachRequest, Docker};
use moat_model::engine::{Call, EngineError};
use moat_model::resource::ContainerId;
use moat_model::resource::digest::short_sha256;

/// Writes its process id to a file, and executes the command.
const WRAPPER: &str = "echo $$ >\"$0\" && exec \"$@\"";

/// A line means that the command has exited. Otherwise the keeper sends SIGTERM and, after a grace period, SIGKILL, to
/// the whole session of the command.
const KEEPER: &str = "read -r over; [ \"$over\" = over ] && { rm -f \"$0\"; exit 0; }
pid=$(cat \"$0\") || exit 0; rm -f \"$0\"
end() { kill \"-$1\" -- \"-$pid\" 2>/dev/null || kill \"-$1\" \"$pid\" 2>/dev/null; }
end TERM || exit 0; n=0
while [ $n -lt 50 ] && kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; n=$((n+1)); done
end KILL";

/// Holds the connection. Dropping it kills the command; [`Keeper::release`] does not.
pub(crate) struct Keeper(Streams);

impl Keeper {
    /// Starts the keeper, and returns the request with the wrapped command.
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

    /// Ends the keeper: the command has exited, or continues detached.
    pub(crate) async fn release(mut self) {
        // If the connection is lost, the engine has stopped and the command with it.
        let _ = self.0.write_all(b"over\n").await;
        let _ = self.0.shutdown().await;
    }
}
