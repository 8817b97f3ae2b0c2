//! The control socket: moat sets rules and asks for the status, from an exec in the gateway's container.
//!
//! A connection has one request and one answer, each a line of JSON. Only processes in the container reach the socket.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use moat_policy::{GrantName, Mode, POLICY_MAX, Port};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use zeroize::Zeroizing;

use super::connection::Shared;
use super::table::Table;
use super::vault::{GrantStatus, GrantValue};

/// A request of moat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Puts a policy in force, in the format of `Policy::to_json`.
    Set(serde_json::Value),
    Status,
    /// Gives values to grants of the policy.
    Unlock(BTreeMap<GrantName, GrantValue>),
    /// Takes the values of grants away until they are restored, also over a restart, and ends what uses them.
    Revoke(Vec<GrantName>),
}

/// The state of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The digest of the policy in force; `None`: there are no readable rules, and everything is denied.
    pub digest: Option<String>,
    pub mode: Mode,
    /// Why there are no readable rules.
    pub fault: Option<String>,
    /// Connections to the outside at this moment.
    pub connections: usize,
    /// Ports of rules that the gateway cannot listen on.
    pub unbound: Vec<Port>,
    /// Decisions that are missing in the log.
    pub lost: u64,
    /// The certificate of the authority of the agent plane, in PEM. Another one after each start.
    #[serde(default)]
    pub authority: String,
    /// The grants of the policy, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<GrantStatus>,
}

/// Why a gateway rejected a request.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("cannot reach the gateway: {0}")]
    Io(#[from] io::Error),
    #[error("the gateway's answer is not readable: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("{0}")]
    Refused(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ok(Status),
    Error(String),
}

/// The socket in the folder of the state.
pub(crate) const SOCKET: &str = "control.sock";

/// The largest request: a policy and a few bytes around it.
const REQUEST_MAX: usize = POLICY_MAX + 1024;

/// The request that has values.
const UNLOCK: &[u8] = b"unlock";

/// The time for a request. Rules are written to a local disk.
const DEADLINE: Duration = Duration::from_secs(10);

/// Requests at a time; moat has one.
const REQUESTS: usize = 8;

/// The pause after a failure to accept.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks a gateway, by the folder of its state.
///
/// # Errors
/// If the gateway does not run, or refuses the rules. The rules before then stay in force.
pub async fn ask(state: &Path, request: &Request) -> Result<Status, ControlError> {
    let exchange = async {
        let mut stream = UnixStream::connect(state.join(SOCKET)).await?;
        let mut line = Zeroizing::new(serde_json::to_vec(request)?);
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        match serde_json::from_slice(&answer)? {
            Answer::Ok(status) => Ok(status),
            Answer::Error(error) => Err(ControlError::Refused(error)),
        }
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap_or_else(|late| Err(io::Error::from(late).into()))
}

/// Opens the socket. One that a killed gateway has left is replaced.
pub(crate) fn bind(state: &Path) -> io::Result<UnixListener> {
    let path = state.join(SOCKET);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves requests until the gateway stops.
pub(crate) async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let table = Table::new(REQUESTS);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some(place) = table.enter() else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _place = place;
            if let Ok(Err(error)) = tokio::time::timeout(DEADLINE, answer(&shared, stream)).await {
                tracing::debug!("a control request failed: {error}");
            }
        });
    }
}

async fn answer(shared: &Arc<Shared>, mut stream: UnixStream) -> io::Result<()> {
    let line = read_line(&mut stream).await?;
    let answer = match serde_json::from_slice(&line) {
        Ok(Request::Status) => Answer::Ok(status(shared)),
        Ok(Request::Set(policy)) => set(shared, policy.to_string()).await,
        Ok(Request::Unlock(values)) => match shared.vault.unlock(&shared.rules.current().policy, values) {
            Ok(()) => Answer::Ok(status(shared)),
            Err(error) => Answer::Error(error.to_string()),
        },
        Ok(Request::Revoke(names)) => match shared.vault.revoke(&shared.rules.current().policy, names) {
            Ok(()) => Answer::Ok(status(shared)),
            Err(error) => Answer::Error(error.to_string()),
        },
        // An error may quote its input.
        Err(_) if line.windows(UNLOCK.len()).any(|part| part == UNLOCK) => {
            Answer::Error("the values are not readable".into())
        }
        Err(error) => Answer::Error(format!("the request is not readable: {error}")),
    };
    stream.write_all(&serde_json::to_vec(&answer)?).await
}

/// Reads a request. The buffer never grows: a copy that it left behind would keep a value.
async fn read_line(stream: &mut UnixStream) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(REQUEST_MAX));
    while line.len() < REQUEST_MAX && !line.ends_with(b"\n") {
        let room = (REQUEST_MAX - line.len()) as u64;
        if (&mut *stream).take(room).read_buf(&mut *line).await? == 0 {
            break;
        }
    }
    Ok(line)
}

async fn set(shared: &Arc<Shared>, policy: String) -> Answer {
    let server = Arc::clone(shared);
    match tokio::task::spawn_blocking(move || server.rules.replace(&policy)).await {
        Ok(Ok(version)) => {
            shared.vault.follow(&shared.rules.current().policy);
            shared.follows(version).await;
            Answer::Ok(status(shared))
        }
        Ok(Err(error)) => Answer::Error(error.to_string()),
        Err(error) => Answer::Error(error.to_string()),
    }
}

fn status(shared: &Shared) -> Status {
    let active = shared.rules.current();
    Status {
        digest: active.digest.clone(),
        mode: active.policy.mode(),
        fault: active.fault.clone(),
        connections: shared.table.taken(),
        unbound: shared.unbound.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        lost: shared.log.lost(),
        authority: shared.authority.pem().to_owned(),
        grants: shared.vault.status(&active.policy),
    }
}
