//! One request: decided, given its credential, sent, and answered.

use std::sync::Arc;

use http::header::{HeaderName, SET_COOKIE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use moat_policy::{Grant, GrantedHost, Policy, READY, Verdict};

use super::credentials;
use super::pull::Pull;
use super::question::{Question, denial};
use super::refuse;
use super::session::Session;
use super::target::Target;
use super::upstream::{ConnectOptions, NoServer, Upstream};
use crate::connection::{ActiveConnection, Attempt};
use crate::http::{Body, Counted, RequestBody, Upgrade, is_upgrade, no_answer, placeholder, ready, strip};
use crate::log::Reason;
use crate::placeholder::is_misplaced;

/// Headers by which some servers let a request be another one than it says.
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-host",
];

/// Methods whose answer contains the request, including its credential.
const REFLECTING: [&str; 2] = ["TRACE", "TRACK"];

/// A request that the policy allows.
struct Allowed<'a> {
    target: Target,
    question: Question,
    verdict: Verdict<'a>,
    attempt: Attempt,
    /// The grant whose credential it gets.
    granted: Option<(&'a Grant, &'a GrantedHost)>,
}

impl Session {
    /// Answers a request.
    pub async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let target = match self.place.target(&request) {
            Ok(target) => target,
            Err(error) => {
                self.attempt(None, None).deny(&self.shared, None, error.reason());
                return refuse::no_target(&error);
            }
        };
        let active = self.shared.rules.current();
        if target.name.as_str() == READY {
            return ready(active.digest.as_deref());
        }
        match self.decide(&active.policy, &request, target) {
            Ok(Allowed { target, question, verdict, granted: None, .. })
                if self.place.has_tls() && active.policy.is_registry(&target.name, target.port) =>
            {
                self.pull(&request, Pull { target, question, verdict }).await
            }
            Ok(allowed) => self.pass(&active.policy, request, allowed).await,
            Err(refusal) => refusal,
        }
    }

    /// What the policy says about a request.
    #[expect(clippy::result_large_err, reason = "a refusal is an answer, and sent at once")]
    fn decide<'a>(
        &self,
        policy: &'a Policy,
        request: &Request<RequestBody>,
        target: Target,
    ) -> Result<Allowed<'a>, Response<Body>> {
        let question = Question::new(request);
        let attempt = self.attempt(Some(&target), Some(&question));
        let verdict = question.verdict(policy, &target);
        let granted = question.granted(policy, &target).filter(|_| self.place.has_tls());
        if verdict == Verdict::Denied || (granted.is_some() && REFLECTING.contains(&question.method.as_str())) {
            attempt.deny(&self.shared, Some(&target.name), denial(policy, &target));
            return Err(refuse::no_rule(policy, &target, &question));
        }
        if is_misplaced(policy, &target.name, request.headers(), request.uri()) {
            attempt.deny(&self.shared, Some(&target.name), Reason::Placeholder);
            return Err(placeholder(&target.name));
        }
        let attempt = match &granted {
            Some((grant, _)) if !self.shared.vault.holds(grant) => {
                attempt.by(&grant.name).deny(&self.shared, Some(&target.name), Reason::Locked);
                return Err(refuse::locked(&grant.name));
            }
            Some((grant, _)) => attempt.by(&grant.name),
            None => attempt,
        };
        Ok(Allowed { target, question, verdict, attempt, granted })
    }

    /// Connects to the server, and sends the request with its credential.
    async fn pass(&self, policy: &Policy, mut request: Request<RequestBody>, allowed: Allowed<'_>) -> Response<Body> {
        let Allowed { target, question, verdict, attempt, granted } = allowed;
        let way = ConnectOptions { tls: self.place.has_tls(), http2: request.version() == Version::HTTP_2 };
        let upstream = match self.upstream(&target, way, &verdict).await {
            Ok(upstream) => upstream,
            Err(error) => return self.no_server(&attempt, &target, &verdict, &error),
        };
        let passing = Arc::new(attempt.pass(&self.shared, &target.name, &verdict));
        let grant = granted.map(|(grant, _)| grant.clone());
        self.enter(&passing, &target, &question, upstream.address, grant);
        // The rules may have changed since the decision. From here on, the guard sees each change.
        if !question.is_allowed(&self.shared.rules.current().policy, &target, upstream.address) {
            passing.ends(Some(Reason::Revoked));
            return refuse::no_rule(policy, &target, &question);
        }
        let host = policy.grant_of(&target.name);
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
        if let Some((grant, _)) = granted.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            self.shared.vault.refused(grant);
        }
        if host.is_some() {
            // A session that a server has begun for the credential would be one inside the sandbox.
            response.headers_mut().remove(SET_COOKIE);
        }
        response
    }

    /// Sends a request to the server, and returns its answer.
    async fn exchange(
        &self,
        mut request: Request<RequestBody>,
        upstream: Upstream,
        way: ConnectOptions,
        passing: Arc<ActiveConnection>,
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
            self.state().kept.keep(upstream);
        }
        // Each side has a version of its own.
        *response.version_mut() = Version::HTTP_11;
        response.map(|body| Counted::answer(body, passing))
    }

    /// Sends a request; once more on a new connection, if the server has closed the kept one before it read anything.
    pub(super) async fn send(
        &self,
        request: Request<Counted>,
        mut upstream: Upstream,
        way: ConnectOptions,
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
    pub(super) async fn upstream(
        &self,
        target: &Target,
        way: ConnectOptions,
        verdict: &Verdict<'_>,
    ) -> Result<Upstream, NoServer> {
        let kept = self.state().kept.take(target, way, verdict);
        if let Some(mut upstream) = kept
            && upstream.ready().await.is_ok()
        {
            return Ok(upstream);
        }
        Upstream::connect(&self.shared, target, way, verdict).await
    }

    pub(super) fn no_server(
        &self,
        attempt: &Attempt,
        target: &Target,
        verdict: &Verdict<'_>,
        error: &NoServer,
    ) -> Response<Body> {
        let reason = match error {
            NoServer::Outer(error) => error.reason(),
            NoServer::Certificate(_) => Reason::Certificate,
            NoServer::Protocol(_) => Reason::Unreachable,
        };
        attempt.fail(&self.shared, &target.name, verdict, reason);
        refuse::no_server(target, error)
    }
}
