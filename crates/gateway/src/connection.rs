//! Parts that all planes use: the state of a gateway, and the life cycle of a connection.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use moat_policy::{DENIED, GrantName, HostName, Policy, Port, READY, Verdict};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::active::{Rules, revoked};
use super::certificates::{Authority, Roots};
use super::config::Config;
use super::limits::Limits;
use super::log::{Decision, Entry, Log, Plane, Reason};
use super::outer::{NoConnection, Outer};
use super::splice::{Buffers, End, Traffic, splice};
use super::table::Table;
use super::vault::Vault;

/// The state of a gateway.
pub(crate) struct Shared {
    pub config: Config,
    pub limits: Limits,
    pub rules: Rules,
    pub outer: Outer,
    pub authority: Authority,
    pub roots: Roots,
    pub vault: Vault,
    pub log: Log,
    pub table: Table,
    pub relayed: Table,
    pub buffers: Buffers,
    /// No new connections.
    pub stop: CancellationToken,
    /// The end of all connections.
    pub cut: CancellationToken,
    pub tasks: TaskTracker,
    /// The version of the rules whose ports are open.
    pub followed: watch::Sender<u64>,
    /// Ports of rules that cannot be listened on.
    pub unbound: Mutex<Vec<Port>>,
}

/// A connection that asks to pass.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub plane: Plane,
    pub client: IpAddr,
    pub port: Port,
    /// The method and path of a request that the agent plane has read.
    request: Option<(String, String)>,
    /// The grant whose credential the request gets.
    grant: Option<GrantName>,
}

/// Longer than any path that rules name. A path in the log is for people.
const LOGGED_PATH_MAX: usize = 256;

/// Why a connection does not pass.
#[derive(Debug)]
pub(crate) enum Denied {
    NoRule,
    NoConnection(NoConnection),
}

/// A connection that passes, until it is dropped: then its end is in the log.
pub(crate) struct ActiveConnection {
    pub traffic: Traffic,
    log: Log,
    entry: Entry,
    end: Mutex<Option<Reason>>,
}

impl Shared {
    /// Waits until the ports of a version of the rules are open, and those of the version before are closed.
    pub async fn follows(&self, version: u64) {
        let mut followed = self.followed.subscribe();
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = followed.wait_for(|followed| *followed >= version) => {}
        }
    }
}

impl Attempt {
    pub fn new(plane: Plane, client: IpAddr, port: Port) -> Self {
        Self { plane, client, port, request: None, grant: None }
    }

    /// The attempt to make a request.
    #[must_use]
    pub fn about(self, method: &str, path: &str) -> Self {
        let path: String = path.chars().take(LOGGED_PATH_MAX).collect();
        Self { request: Some((method.to_owned(), path)), ..self }
    }

    /// The attempt to use a grant.
    #[must_use]
    pub fn by(self, grant: &GrantName) -> Self {
        Self { grant: Some(grant.clone()), ..self }
    }

    /// Why a host cannot be reached as a whole.
    pub fn reason(&self, policy: &Policy, name: &HostName) -> Reason {
        if policy.is_limited(name, self.port) { Reason::AgentPlane } else { Reason::NoRule }
    }

    /// Notes that a connection does not pass. The names of moat's own proofs are not worth a line.
    pub fn deny(&self, shared: &Shared, name: Option<&HostName>, reason: Reason) {
        if name.is_some_and(|name| matches!(name.as_str(), READY | DENIED)) {
            return;
        }
        shared.log.write(self.entry(shared, name, Decision::Deny, None, Some(reason)));
    }

    /// Notes that a connection passes.
    pub fn pass(&self, shared: &Shared, name: &HostName, verdict: &Verdict<'_>) -> ActiveConnection {
        let (decision, rule) = decision(verdict);
        let entry = self.entry(shared, Some(name), decision, rule, None);
        shared.log.write(entry.clone());
        ActiveConnection {
            traffic: Traffic::default(),
            log: shared.log.clone(),
            entry,
            end: Mutex::new(Some(Reason::Broken)),
        }
    }

    /// Notes that a server cannot be reached.
    pub fn fail(&self, shared: &Shared, name: &HostName, verdict: &Verdict<'_>, reason: Reason) {
        let (decision, rule) = decision(verdict);
        let decision = if reason == Reason::Address { Decision::Deny } else { decision };
        shared.log.write(self.entry(shared, Some(name), decision, rule, Some(reason)));
    }

    fn entry(
        &self,
        shared: &Shared,
        name: Option<&HostName>,
        decision: Decision,
        rule: Option<String>,
        reason: Option<Reason>,
    ) -> Entry {
        let (method, path) = self.request.clone().unzip();
        Entry {
            id: shared.log.id(),
            plane: self.plane,
            client: self.client,
            name: name.cloned(),
            port: self.port.number(),
            method,
            path,
            grant: self.grant.clone(),
            decision,
            rule,
            reason,
            sent: None,
            received: None,
        }
    }
}

impl ActiveConnection {
    /// Sets how the connection ends; `None`: as it should.
    pub fn ends(&self, reason: Option<Reason>) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

impl Drop for ActiveConnection {
    fn drop(&mut self) {
        let mut entry = self.entry.clone();
        entry.reason = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        entry.sent = Some(self.traffic.sent());
        entry.received = Some(self.traffic.received());
        self.log.write(entry);
    }
}

/// Decides about a name, and if it passes, copies bytes until the end. `hello`: the bytes that the client has sent already.
pub(crate) async fn decide_and_copy(
    shared: &Shared,
    attempt: &Attempt,
    name: &HostName,
    client: &mut TcpStream,
    hello: &[u8],
) -> Result<(), Denied> {
    // Before the decision: no change of the rules is missed.
    let mut rules = shared.rules.subscribe();
    let active = Arc::clone(&rules.borrow_and_update());
    let verdict = active.policy.decide(name, attempt.port);
    if verdict == Verdict::Denied {
        attempt.deny(shared, Some(name), attempt.reason(&active.policy, name));
        return Err(Denied::NoRule);
    }
    let mut server = match shared.outer.connect(name, attempt.port, &verdict).await {
        Ok(server) => server,
        Err(error) => {
            attempt.fail(shared, name, &verdict, error.reason());
            return Err(Denied::NoConnection(error));
        }
    };
    let passing = attempt.pass(shared, name, &verdict);
    let copy = async {
        // Latency counts; the copy already writes large pieces.
        let _ = (client.set_nodelay(true), server.stream.set_nodelay(true));
        if server.stream.write_all(hello).await.is_err() {
            return End::Broken;
        }
        passing.traffic.add_sent(hello.len() as u64);
        splice(client, &mut server.stream, &passing.traffic, &shared.buffers, shared.limits.idle).await
    };
    let reason = tokio::select! {
        biased;
        () = shared.cut.cancelled() => Some(Reason::Stopped),
        () = revoked(&mut rules, name, attempt.port, server.address) => Some(Reason::Revoked),
        end = copy => match end {
            End::Closed => None,
            End::Idle => Some(Reason::Idle),
            End::Broken => Some(Reason::Broken),
        },
    };
    passing.ends(reason);
    Ok(())
}

fn decision(verdict: &Verdict<'_>) -> (Decision, Option<String>) {
    match verdict {
        Verdict::Allowed(grant) => (Decision::Allow, Some(grant.rule.to_owned())),
        Verdict::Learned => (Decision::Learn, None),
        Verdict::Denied => (Decision::Deny, None),
    }
}
