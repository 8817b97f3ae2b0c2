//! One client's connection to port 80.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use moat_policy::{HostName, Port, READY, Verdict};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::body::{Body, Counted};
use super::forward::{self, Upstream};
use super::host::host;
use super::refuse;
use super::unread::RequestBody;
use super::upgrade::Upgrade;
use crate::active::Active;
use crate::connection::{ActiveConnection, Attempt, Shared};
use crate::idle::Idle;
use crate::log::{Plane, Reason};
use crate::placeholder::is_misplaced;

/// The state of a connection.
struct Connection {
    shared: Arc<Shared>,
    attempt: Attempt,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Kept for the next request.
    upstream: Option<Upstream>,
    /// Where the current or last request went.
    leads_to: Option<(HostName, IpAddr)>,
    /// The current or last exchange.
    passing: std::sync::Weak<ActiveConnection>,
    upgrade: Option<Upgrade>,
}

/// Serves a connection to port 80.
pub(crate) async fn serve(shared: Arc<Shared>, client: TcpStream, peer: IpAddr) {
    let attempt = Attempt::new(Plane::Http, peer, Port::HTTP);
    let mut rules = shared.rules.subscribe();
    let connection = Arc::new(Connection { shared: Arc::clone(&shared), attempt, state: Mutex::default() });
    let _ = client.set_nodelay(true);
    // The reason is noted before the exchange is dropped, and with it its last line in the log.
    let end = async {
        let reason = tokio::select! {
            biased;
            () = shared.cut.cancelled() => Reason::Stopped,
            () = connection.revoked(&mut rules) => Reason::Revoked,
        };
        let passing = connection.state().passing.upgrade();
        if let Some(passing) = passing {
            passing.ends(Some(reason));
        }
    };
    tokio::select! {
        biased;
        () = end => {}
        () = connection.run(client) => {}
    }
}

impl Connection {
    async fn run(self: &Arc<Self>, client: TcpStream) {
        let limits = &self.shared.limits;
        let this = Arc::clone(self);
        let service = service_fn(move |request| {
            let this = Arc::clone(&this);
            async move { Ok::<_, Infallible>(this.answer(RequestBody::of(request)).await) }
        });
        let served = Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.hello)
            .max_buf_size(limits.header_bytes)
            .preserve_header_case(true)
            .serve_connection(TokioIo::new(Idle::new(client, limits.idle)), service)
            .with_upgrades()
            .await;
        match served {
            Ok(()) => {}
            Err(error) if error.is_parse() => self.attempt.deny(&self.shared, None, Reason::Malformed),
            // Also a connection that was kept open for a request that never came.
            Err(error) if error.is_timeout() => {
                if self.state().leads_to.is_none() {
                    self.attempt.deny(&self.shared, None, Reason::Timeout);
                }
            }
            Err(error) => tracing::debug!("a connection to port 80 ended: {error}"),
        }
        let upgrade = self.state().upgrade.take();
        if let Some(upgrade) = upgrade {
            upgrade.copy().await;
        }
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let name = match host(&request) {
            Ok(name) => name,
            Err(error) => {
                self.attempt.deny(&self.shared, None, error.reason());
                return refuse::no_host(&error);
            }
        };
        let active = self.shared.rules.current();
        if name.as_str() == READY {
            return refuse::ready(active.digest.as_deref());
        }
        let verdict = active.policy.decide(&name, self.attempt.port);
        if verdict == Verdict::Denied {
            self.attempt.deny(&self.shared, Some(&name), self.attempt.reason(&active.policy, &name));
            return refuse::no_rule(&active.policy, &name);
        }
        if is_misplaced(&active.policy, &name, request.headers(), request.uri()) {
            self.attempt.deny(&self.shared, Some(&name), Reason::Placeholder);
            return refuse::placeholder(&name);
        }
        let upstream = match self.upstream(&name, &verdict).await {
            Ok(upstream) => upstream,
            Err(response) => return response,
        };
        // The rules may have changed since the decision, and the watch of this connection has not known the address.
        if !self.shared.rules.current().allows(&name, self.attempt.port, upstream.address) {
            self.attempt.deny(&self.shared, Some(&name), self.attempt.reason(&active.policy, &name));
            return refuse::no_rule(&active.policy, &name);
        }
        let passing = Arc::new(self.attempt.pass(&self.shared, &name, &verdict));
        self.state().passing = Arc::downgrade(&passing);
        self.exchange(request, upstream, passing, &verdict).await
    }

    /// Sends a request to the server, and returns its answer.
    async fn exchange(
        &self,
        mut request: Request<RequestBody>,
        upstream: Upstream,
        passing: Arc<ActiveConnection>,
        verdict: &Verdict<'_>,
    ) -> Response<Body> {
        let name = upstream.name.clone();
        let upgrade = forward::is_upgrade(request.headers()).then(|| hyper::upgrade::on(&mut request));
        let mut request = request.map(|body| Counted::request(body, Arc::clone(&passing)));
        forward::prepare(&mut request);
        let (mut response, upstream) = match self.send(request, upstream, verdict).await {
            Ok(answered) => answered,
            Err(response) => return response,
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = upgrade.filter(|_| forward::is_upgrade(response.headers())) else {
                return refuse::no_answer(&name, "it changes the protocol unasked");
            };
            let server = hyper::upgrade::on(&mut response);
            forward::strip(response.headers_mut(), true);
            self.state().upgrade =
                Some(Upgrade { client, server, passing: Arc::clone(&passing), keeps: Box::new(upstream) });
        } else {
            forward::strip(response.headers_mut(), false);
            self.state().upstream = Some(upstream);
        }
        response.map(|body| Counted::answer(body, passing))
    }

    /// Sends a request; once more on a new connection, if the server has closed the kept one before it read anything.
    async fn send(
        &self,
        request: Request<Counted>,
        mut upstream: Upstream,
        verdict: &Verdict<'_>,
    ) -> Result<(Response<Incoming>, Upstream), Response<Body>> {
        let name = upstream.name.clone();
        let mut error = match upstream.requests.try_send_request(request).await {
            Ok(response) => return Ok((response, upstream)),
            Err(error) => error,
        };
        if let Some(request) = error.take_message() {
            let mut upstream = self.connect(&name, verdict).await?;
            match upstream.requests.send_request(request).await {
                Ok(response) => return Ok((response, upstream)),
                Err(error) => return Err(refuse::no_answer(&name, &error.to_string())),
            }
        }
        Err(refuse::no_answer(&name, &error.into_error().to_string()))
    }

    /// The kept connection, if it leads to the name and still works, or a new one.
    async fn upstream(&self, name: &HostName, verdict: &Verdict<'_>) -> Result<Upstream, Response<Body>> {
        let kept = self.state().upstream.take();
        if let Some(mut upstream) = kept.filter(|upstream| upstream.name == *name)
            && upstream.requests.ready().await.is_ok()
        {
            return Ok(upstream);
        }
        self.connect(name, verdict).await
    }

    async fn connect(&self, name: &HostName, verdict: &Verdict<'_>) -> Result<Upstream, Response<Body>> {
        let connected = self.shared.outer.connect(name, self.attempt.port, verdict).await.map_err(|error| {
            self.attempt.fail(&self.shared, name, verdict, error.reason());
            refuse::no_connection(name, &error)
        })?;
        let _ = connected.stream.set_nodelay(true);
        self.state().leads_to = Some((name.clone(), connected.address));
        let stream = Idle::new(connected.stream, self.shared.limits.idle);
        let begun = Upstream::begin(stream, name.clone(), connected.address).await;
        begun.map_err(|error| refuse::no_answer(name, &error.to_string()))
    }

    /// Waits until the rules no longer allow where the connection leads.
    async fn revoked(&self, rules: &mut watch::Receiver<Arc<Active>>) {
        while rules.changed().await.is_ok() {
            let active = Arc::clone(&rules.borrow_and_update());
            let leads_to = self.state().leads_to.clone();
            if leads_to.is_some_and(|(name, address)| !active.allows(&name, self.attempt.port, address)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
