//! One client's connection with requests, and what ends it: the client, new rules, a locked grant, the gateway.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::{HeaderValue, Request};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use moat_policy::{Grant, Policy};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::kept::Kept;
use super::question::Question;
use super::target::{self, NoTarget, Target};
use crate::active::Active;
use crate::connection::{ActiveConnection, Attempt, Shared};
use crate::http::{RequestBody, Upgrade};
use crate::log::{Plane, Reason};

/// A connection with requests.
pub(super) struct Session {
    pub shared: Arc<Shared>,
    client: IpAddr,
    pub place: Place,
    state: Mutex<State>,
    /// The end of the tasks of this connection.
    ended: CancellationToken,
}

/// Where the requests come from.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// To the proxy itself.
    Proxy,
    /// In a tunnel to a host.
    Tunnel { target: Target, tls: bool },
}

/// The state of a connection.
#[derive(Default)]
pub(super) struct State {
    /// Kept for further requests.
    pub kept: Kept,
    pub upgrade: Option<Upgrade>,
    /// Anonymous tokens of the registry, by repository.
    pub tokens: BTreeMap<String, HeaderValue>,
    exchanges: Vec<Exchange>,
}

/// A request that passes.
struct Exchange {
    passing: Weak<ActiveConnection>,
    target: Target,
    question: Question,
    address: IpAddr,
    /// The grant whose credential it has.
    grant: Option<Grant>,
}

/// Spawns the tasks of an HTTP/2 connection, which end with it.
#[derive(Clone)]
struct Tasks(CancellationToken);

/// Requests of an HTTP/2 connection at a time, as many as servers usually allow.
const STREAMS_MAX: u32 = 100;

impl Place {
    pub fn target<B>(&self, request: &Request<B>) -> Result<Target, NoTarget> {
        match self {
            Self::Proxy => target::of_proxy(request),
            Self::Tunnel { target, .. } => target::in_tunnel(request, target),
        }
    }

    pub fn has_tls(&self) -> bool {
        matches!(self, Self::Tunnel { tls: true, .. })
    }
}

impl Session {
    pub fn new(shared: Arc<Shared>, client: IpAddr, place: Place) -> Arc<Self> {
        Arc::new(Self { shared, client, place, state: Mutex::default(), ended: CancellationToken::new() })
    }

    /// Serves until the end, or until the rules do not allow an exchange that goes on.
    pub async fn guard(&self, serve: impl Future<Output = ()>) {
        let (mut rules, mut locks) = (self.shared.rules.subscribe(), self.shared.vault.locks());
        let _ended = self.ended.clone().drop_guard();
        // The reason is noted before the exchanges are dropped, and with them their last line in the log.
        let end = async {
            let reason = tokio::select! {
                biased;
                () = self.shared.cut.cancelled() => Reason::Stopped,
                () = self.revoked(&mut rules, &mut locks) => Reason::Revoked,
            };
            for passing in self.state().exchanges.iter().filter_map(|exchange| exchange.passing.upgrade()) {
                passing.ends(Some(reason));
            }
        };
        tokio::select! {
            biased;
            () = end => {}
            () = serve => {}
        }
    }

    /// Serves the requests of a tunnel.
    pub async fn serve<S>(self: &Arc<Self>, stream: S, is_http2: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let this = Arc::clone(self);
        let answer = service_fn(move |request| {
            let this = Arc::clone(&this);
            async move { Ok::<_, Infallible>(this.answer(RequestBody::of(request)).await) }
        });
        let limits = &self.shared.limits;
        let serve = async {
            if is_http2 {
                let served = http2::Builder::new(Tasks(self.ended.clone()))
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS_MAX)
                    .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
                    .serve_connection(TokioIo::new(stream), answer);
                self.note(served.await);
            } else {
                let served = http1_builder(&self.shared).serve_connection(TokioIo::new(stream), answer);
                self.note(served.with_upgrades().await);
                self.copy_upgrade().await;
            }
        };
        self.guard(serve).await;
    }

    /// Copies what follows a change of protocol.
    pub async fn copy_upgrade(&self) {
        let upgrade = self.state().upgrade.take();
        if let Some(upgrade) = upgrade {
            upgrade.copy().await;
        }
    }

    /// Notes how serving has ended.
    pub fn note(&self, served: hyper::Result<()>) {
        match served {
            Ok(()) => {}
            Err(error) if error.is_parse() => self.attempt(None, None).deny(&self.shared, None, Reason::Malformed),
            Err(error) => tracing::debug!("a connection of the agent plane ended: {error}"),
        }
    }

    /// Notes an exchange that goes on, for the guard.
    pub fn enter(
        &self,
        passing: &Arc<ActiveConnection>,
        target: &Target,
        question: &Question,
        address: IpAddr,
        grant: Option<Grant>,
    ) {
        let mut state = self.state();
        state.exchanges.retain(|exchange| exchange.passing.strong_count() > 0);
        let (target, question) = (target.clone(), question.clone());
        state.exchanges.push(Exchange { passing: Arc::downgrade(passing), target, question, address, grant });
    }

    /// Waits until the rules no longer allow an exchange that goes on, or its grant is gone or locked.
    async fn revoked(&self, rules: &mut watch::Receiver<Arc<Active>>, locks: &mut watch::Receiver<u64>) {
        loop {
            let changed = tokio::select! {
                changed = rules.changed() => changed,
                changed = locks.changed() => changed,
            };
            if changed.is_err() {
                // The gateway stops, and ends its connections itself.
                return std::future::pending().await;
            }
            let active = Arc::clone(&rules.borrow_and_update());
            let is_revoked = |exchange: &Exchange| {
                exchange.passing.strong_count() > 0 && !self.may_continue(&active.policy, exchange)
            };
            if self.state().exchanges.iter().any(is_revoked) {
                return;
            }
        }
    }

    fn may_continue(&self, policy: &Policy, exchange: &Exchange) -> bool {
        let has_grant = |grant: &Grant| policy.grants().contains(grant) && self.shared.vault.holds(grant);
        exchange.question.is_allowed(policy, &exchange.target, exchange.address)
            && exchange.grant.as_ref().is_none_or(has_grant)
    }

    pub fn attempt(&self, target: Option<&Target>, question: Option<&Question>) -> Attempt {
        let port = match (&self.place, target) {
            (_, Some(target)) | (Place::Tunnel { target, .. }, None) => target.port,
            (Place::Proxy, None) => moat_policy::Port::PROXY,
        };
        let attempt = Attempt::new(Plane::Agent, self.client, port);
        match question {
            Some(question) => attempt.about(question.method.as_str(), &question.text),
            None => attempt,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn http1_builder(shared: &Shared) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.hello)
        .max_buf_size(shared.limits.header_bytes)
        .preserve_header_case(true);
    builder
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let ended = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = future => {}
            }
        });
    }
}
