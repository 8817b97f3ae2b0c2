//! The requests of one client's connection: each is decided by its host, method and path, and passed on.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::header::{HeaderName, SET_COOKIE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use moat_policy::{AmbiguousPath, Asked, Grant, GrantedHost, Policy, READY, RequestPath, Verdict};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::credentials::{self, has_foreign_placeholder};
use super::refuse;
use super::target::{self, NoTarget, Target};
use super::upstream::{NoServer, Upstream, Way};
use crate::active::Active;
use crate::connection::{Attempt, Passing, Shared};
use crate::http::{Body, Counted, Upgrade, is_upgrade, no_answer, placeholder, ready, strip};
use crate::log::{Plane, Reason};

/// A connection with requests.
pub(super) struct Session {
    pub shared: Arc<Shared>,
    client: IpAddr,
    place: Place,
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

#[derive(Default)]
struct State {
    /// Kept for further requests.
    upstreams: Vec<Upstream>,
    exchanges: Vec<Exchange>,
    upgrade: Option<Upgrade>,
}

/// A request that passes.
struct Exchange {
    passing: Weak<Passing>,
    target: Target,
    question: Question,
    address: IpAddr,
    /// The grant whose credential it has.
    grant: Option<Grant>,
}

/// What a request asks for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub method: Method,
    pub path: Result<RequestPath, AmbiguousPath>,
    /// As it is written, without the query.
    pub text: String,
}

/// Spawns the tasks of an HTTP/2 connection, which end with it.
#[derive(Clone)]
struct Tasks(CancellationToken);

/// Methods by which a server sends back what it got, a credential included.
const REFLECTING: [&str; 2] = ["TRACE", "TRACK"];

/// Requests of an HTTP/2 connection at a time, as many as servers usually allow.
const STREAMS_MAX: u32 = 100;

/// Headers by which some servers let a request be another one than it says.
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-host",
];

impl Question {
    pub fn new<B>(request: &Request<B>) -> Self {
        let text = request.uri().path().to_owned();
        Self { method: request.method().clone(), path: RequestPath::new(&text), text }
    }

    /// A tunnel has no request.
    pub fn tunnel() -> Self {
        Self { method: Method::CONNECT, path: Err(AmbiguousPath::Relative), text: String::new() }
    }

    /// What the policy says. Of a path that is ambiguous, only whole hosts are allowed.
    pub fn verdict<'a>(&self, policy: &'a Policy, target: &Target) -> Verdict<'a> {
        match &self.path {
            Ok(path) => policy.decide_request(&target.name, target.port, &Asked { method: self.method.as_str(), path }),
            Err(_) => policy.decide(&target.name, target.port),
        }
    }

    fn is_allowed(&self, policy: &Policy, target: &Target, address: IpAddr) -> bool {
        match self.verdict(policy, target) {
            Verdict::Denied => false,
            verdict => verdict.check_address(address).is_ok(),
        }
    }
}

impl Place {
    fn target<B>(&self, request: &Request<B>) -> Result<Target, NoTarget> {
        match self {
            Self::Proxy => target::of_proxy(request),
            Self::Tunnel { target, .. } => target::in_tunnel(request, target),
        }
    }

    fn has_tls(&self) -> bool {
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
            async move { Ok::<_, Infallible>(this.answer(request).await) }
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

    /// Answers a request.
    pub async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        let target = match self.place.target(&request) {
            Ok(target) => target,
            Err(error) => {
                self.attempt(None, None).deny(&self.shared, None, error.reason());
                return refuse::no_target(&error);
            }
        };
        let question = Question::new(&request);
        let attempt = self.attempt(Some(&target), Some(&question));
        let active = self.shared.rules.current();
        if target.name.as_str() == READY {
            return ready(active.digest.as_deref());
        }
        let verdict = question.verdict(&active.policy, &target);
        let granted = self.granted(&active.policy, &target, &question);
        if verdict == Verdict::Denied || (granted.is_some() && REFLECTING.contains(&question.method.as_str())) {
            attempt.deny(&self.shared, Some(&target.name), denial(&active.policy, &target));
            return refuse::no_rule(&active.policy, &target, &question);
        }
        if has_foreign_placeholder(&active.policy, &target.name, request.headers(), request.uri()) {
            attempt.deny(&self.shared, Some(&target.name), Reason::Placeholder);
            return placeholder(&target.name);
        }
        let attempt = match &granted {
            Some((grant, _)) if !self.shared.vault.holds(grant) => {
                attempt.by(&grant.name).deny(&self.shared, Some(&target.name), Reason::Locked);
                return refuse::locked(&grant.name);
            }
            Some((grant, _)) => attempt.by(&grant.name),
            None => attempt,
        };
        let way = Way { tls: self.place.has_tls(), http2: request.version() == Version::HTTP_2 };
        let upstream = match self.upstream(&target, way, &verdict).await {
            Ok(upstream) => upstream,
            Err(error) => return self.no_server(&attempt, &target, &verdict, &error),
        };
        let passing = Arc::new(attempt.pass(&self.shared, &target.name, &verdict));
        self.enter(&passing, &target, &question, upstream.address, granted.map(|(grant, _)| grant.clone()));
        // The rules may have changed since the decision. From here on, the guard sees each change.
        if !question.is_allowed(&self.shared.rules.current().policy, &target, upstream.address) {
            passing.ends(Some(Reason::Revoked));
            return refuse::no_rule(&active.policy, &target, &question);
        }
        let host = active.policy.grant_of(&target.name);
        if let Some((_, host)) = host {
            credentials::strip(&mut request, host);
        }
        if let Some((grant, host)) = granted {
            let name = HeaderName::try_from(host.format.header());
            let (Ok(name), Some(value)) = (name, self.shared.vault.header(grant, host)) else {
                passing.ends(Some(Reason::Locked));
                return refuse::locked(&grant.name);
            };
            request.headers_mut().insert(name, value);
        }
        let mut response = self.exchange(request, upstream, way, passing, &verdict).await;
        if host.is_some() {
            // A session that a server has begun for the credential would be one inside the sandbox.
            response.headers_mut().remove(SET_COOKIE);
        }
        response
    }

    /// Sends a request to the server, and returns its answer.
    async fn exchange(
        &self,
        mut request: Request<Incoming>,
        upstream: Upstream,
        way: Way,
        passing: Arc<Passing>,
        verdict: &Verdict<'_>,
    ) -> Response<Body> {
        let target = upstream.target.clone();
        let may_upgrade = !way.http2 && is_upgrade(request.headers());
        let upgrade = may_upgrade.then(|| hyper::upgrade::on(&mut request));
        for name in OVERRIDES {
            request.headers_mut().remove(name);
        }
        let request = request.map(|body| Counted::request(body, Arc::clone(&passing)));
        let (mut response, upstream) = match self.send(request, upstream, way, verdict).await {
            Ok(answered) => answered,
            Err(error) => return no_answer(&target.name, &error),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = upgrade.filter(|_| is_upgrade(response.headers())) else {
                return no_answer(&target.name, "it changes the protocol unasked");
            };
            let server = hyper::upgrade::on(&mut response);
            strip(response.headers_mut(), true);
            let passing = Arc::clone(&passing);
            self.state().upgrade = Some(Upgrade { client, server, passing, keeps: Box::new(upstream) });
        } else {
            strip(response.headers_mut(), false);
            self.keep(upstream);
        }
        // Each side has a version of its own.
        *response.version_mut() = Version::HTTP_11;
        response.map(|body| Counted::answer(body, passing))
    }

    /// Sends a request; once more on a new connection, if the server has closed the kept one before it read anything.
    async fn send(
        &self,
        request: Request<Counted>,
        mut upstream: Upstream,
        way: Way,
        verdict: &Verdict<'_>,
    ) -> Result<(Response<Incoming>, Upstream), String> {
        let (error, unsent) = match upstream.send(request).await {
            Ok(response) => return Ok((response, upstream)),
            Err(unanswered) => unanswered,
        };
        let Some(request) = unsent else { return Err(error) };
        let again = Upstream::connect(&self.shared, &upstream.target, way, verdict).await;
        let mut upstream = again.map_err(|error| error.to_string())?;
        match upstream.send(request).await {
            Ok(response) => Ok((response, upstream)),
            Err((error, _)) => Err(error),
        }
    }

    /// A kept connection that leads to the target, or a new one.
    async fn upstream(&self, target: &Target, way: Way, verdict: &Verdict<'_>) -> Result<Upstream, NoServer> {
        let kept = self.kept(target, way, verdict);
        if let Some(mut upstream) = kept
            && upstream.ready().await.is_ok()
        {
            return Ok(upstream);
        }
        Upstream::connect(&self.shared, target, way, verdict).await
    }

    fn kept(&self, target: &Target, way: Way, verdict: &Verdict<'_>) -> Option<Upstream> {
        let mut state = self.state();
        state.upstreams.retain(|upstream| !upstream.is_closed());
        let fits = |upstream: &Upstream| {
            upstream.target == *target && upstream.tls == way.tls && verdict.check_address(upstream.address).is_ok()
        };
        // A client of HTTP/1.1 has read the last answer, so its connection is free in a moment.
        let is_free = |upstream: &Upstream| !way.http2 || upstream.is_http2() || upstream.is_ready();
        let at = state.upstreams.iter().position(|upstream| fits(upstream) && is_free(upstream))?;
        match state.upstreams[at].share() {
            Some(shared) => Some(shared),
            None => Some(state.upstreams.swap_remove(at)),
        }
    }

    fn keep(&self, upstream: Upstream) {
        let mut state = self.state();
        let is_known =
            upstream.is_http2() && state.upstreams.iter().any(|it| it.is_http2() && it.target == upstream.target);
        if !is_known {
            state.upstreams.push(upstream);
        }
    }

    /// The grant whose credential a request gets. Only over TLS, which ends here and begins again.
    fn granted<'a>(
        &self,
        policy: &'a Policy,
        target: &Target,
        question: &Question,
    ) -> Option<(&'a Grant, &'a GrantedHost)> {
        let path = question.path.as_ref().ok().filter(|_| self.place.has_tls())?;
        policy.grant_for(&target.name, target.port, &Asked { method: question.method.as_str(), path })
    }

    fn enter(
        &self,
        passing: &Arc<Passing>,
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

    fn no_server(&self, attempt: &Attempt, target: &Target, verdict: &Verdict<'_>, error: &NoServer) -> Response<Body> {
        let reason = match error {
            NoServer::Outer(error) => error.reason(),
            NoServer::Certificate(_) => Reason::Certificate,
            NoServer::Protocol(_) => Reason::Unreachable,
        };
        attempt.fail(&self.shared, &target.name, verdict, reason);
        refuse::no_server(target, error)
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
            let is_revoked =
                |exchange: &Exchange| exchange.passing.strong_count() > 0 && !self.may_go_on(&active.policy, exchange);
            if self.state().exchanges.iter().any(is_revoked) {
                return;
            }
        }
    }

    fn may_go_on(&self, policy: &Policy, exchange: &Exchange) -> bool {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason of a denial.
pub(super) fn denial(policy: &Policy, target: &Target) -> Reason {
    if policy.is_limited(&target.name, target.port) { Reason::Request } else { Reason::NoRule }
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
