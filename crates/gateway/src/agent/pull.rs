//! Requests to a registry that a rule names: the gateway gets the anonymous token that the registry wants, and follows its
//! redirects, so that neither the server of tokens nor the hosts with the files need rules.
//!
//! Sends nothing that the client sends besides the path and a few headers: no credential, no body.

use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use moat_policy::{HOST, HostName, Policy, Port, Verdict};
use serde::Deserialize;

use super::challenge::Challenge;
use super::question::Question;
use super::refuse;
use super::session::Session;
use super::target::Target;
use super::upstream::{ConnectOptions, Upstream};
use crate::connection::ActiveConnection;
use crate::http::{Body, Counted, RequestBody, answer, no_answer, strip};
use crate::log::Reason;

/// A request to a registry that the policy allows.
pub(super) struct Pull<'a> {
    pub target: Target,
    pub question: Question,
    pub verdict: Verdict<'a>,
}

/// A request on its way: to the registry first, then wherever it redirects to.
#[derive(Clone)]
struct Hop {
    target: Target,
    /// With the query.
    path: String,
}

/// What follows from an answer.
enum Next {
    Pass,
    Redirect(Result<Hop, &'static str>),
    Token(Option<Challenge>),
}

/// An anonymous token.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// Headers of the client that are sent.
const SENT: [HeaderName; 5] =
    [header::ACCEPT, header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::USER_AGENT];

/// Headers of the answer that are not passed on: they belong to the conversation that ends here.
const KEPT: [HeaderName; 3] = [header::SET_COOKIE, header::WWW_AUTHENTICATE, header::LOCATION];

/// Registries redirect once or twice, and answer once with a challenge.
const HOPS_MAX: usize = 6;

/// Tokens have 1 to 4 KB.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Repositories whose tokens a connection keeps. A client rarely pulls from more over one connection.
const TOKENS_MAX: usize = 64;

/// Clients request several layers at a time.
const CONNECT: ConnectOptions = ConnectOptions { tls: true, http2: true };

impl Session {
    /// Answers a request to a registry.
    pub(super) async fn pull(&self, request: &Request<RequestBody>, pull: Pull<'_>) -> Response<Body> {
        let Pull { target, question, verdict } = pull;
        if matches!(request.uri().path(), "/v2" | "/v2/") {
            self.attempt(Some(&target), Some(&question)).pass(&self.shared, &target.name, &verdict).ends(None);
            return api();
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let repository = repository(request.uri().path()).to_owned();
        let mut token = self.state().tokens.get(&repository).cloned();
        let mut hop = Hop { target: target.clone(), path };
        let mut has_asked = false;
        for _ in 0..HOPS_MAX {
            let is_registry = hop.target == target;
            let head = head(request, &hop.path, token.as_ref().filter(|_| is_registry));
            let (response, passing, upstream) = match self.step(&hop, head, &target, &question, &verdict).await {
                Ok(answered) => answered,
                Err(refusal) => return refusal,
            };
            match next(&response, &hop) {
                Next::Redirect(Ok(next)) => {
                    passing.ends(None);
                    hop = next;
                }
                Next::Redirect(Err(why)) => return no_answer(&target.name, &format!("it redirects {why}")),
                Next::Token(Some(challenge)) if is_registry && !has_asked => {
                    passing.ends(None);
                    has_asked = true;
                    match self.token(&challenge, &target, &question, &verdict).await {
                        Ok(new) => {
                            let mut state = self.state();
                            if state.tokens.len() >= TOKENS_MAX {
                                state.tokens.clear();
                            }
                            state.tokens.insert(repository.clone(), new.clone());
                            token = Some(new);
                        }
                        Err(refusal) => return refusal,
                    }
                }
                Next::Token(_) => {
                    passing.ends(None);
                    return no_login(&target, &repository);
                }
                Next::Pass => {
                    // It carries the body of the answer.
                    self.state().kept.keep(upstream);
                    return passed(response, passing);
                }
            }
        }
        no_answer(&target.name, "it redirects too often")
    }

    /// One request, to the registry or a host that it names. `target` and `question` are what the rules allow.
    async fn step(
        &self,
        hop: &Hop,
        head: Request<()>,
        target: &Target,
        question: &Question,
        verdict: &Verdict<'_>,
    ) -> Result<(Response<Incoming>, Arc<ActiveConnection>, Upstream), Response<Body>> {
        let asked = Question::new(&head);
        let attempt = self.attempt(Some(&hop.target), Some(&asked));
        let active = self.shared.rules.current();
        let at_hop = if hop.target == *target { verdict.clone() } else { outside(&active.policy, hop, &asked) };
        if at_hop == Verdict::Denied {
            attempt.deny(&self.shared, Some(&hop.target.name), Reason::Request);
            let why = format!("the rules for `{}` do not allow what it leads to", hop.target.name);
            return Err(no_answer(&target.name, &why));
        }
        let upstream = match self.upstream(&hop.target, CONNECT, &at_hop).await {
            Ok(upstream) => upstream,
            Err(error) if hop.target == *target => return Err(self.no_server(&attempt, target, verdict, &error)),
            Err(error) => {
                // The answer says nothing about a rule: a redirect to a private address is none of the client's.
                drop(self.no_server(&attempt, &hop.target, verdict, &error));
                return Err(no_answer(&target.name, &format!("it leads to `{}`: {error}", hop.target.name)));
            }
        };
        let passing = Arc::new(attempt.pass(&self.shared, &hop.target.name, verdict));
        self.enter(&passing, target, question, upstream.address, None);
        // The rules may have changed since the decision. From here on, the guard sees each change.
        let active = self.shared.rules.current();
        if question.verdict(&active.policy, target) == Verdict::Denied
            || !active.policy.is_registry(&target.name, target.port)
        {
            passing.ends(Some(Reason::Revoked));
            return Err(refuse::no_rule(&active.policy, target, question));
        }
        let request = head.map(|()| Counted::request(RequestBody::empty(), Arc::clone(&passing)));
        match self.send(request, upstream, CONNECT, &at_hop).await {
            Ok((response, upstream)) => Ok((response, passing, upstream)),
            Err(error) => Err(no_answer(&hop.target.name, &error)),
        }
    }

    /// Gets an anonymous token.
    async fn token(
        &self,
        challenge: &Challenge,
        target: &Target,
        question: &Question,
        verdict: &Verdict<'_>,
    ) -> Result<HeaderValue, Response<Body>> {
        let unusable = |why: &str| no_answer(&target.name, &format!("it asks for a token that {why}"));
        let hop =
            hop_of(&challenge.url).map_err(|why| no_answer(&target.name, &format!("it asks for a token {why}")))?;
        let head = head_of(&Method::GET, &hop.path);
        let (response, passing, _carries_the_body) = self.step(&hop, head, target, question, verdict).await?;
        if response.status() != StatusCode::OK {
            return Err(unusable(&format!("`{}` refuses with {}", hop.target.name, response.status().as_u16())));
        }
        let body = Limited::new(response.into_body(), TOKEN_BYTES_MAX).collect().await;
        let body = body.map_err(|error| unusable(&format!("cannot be read: {error}")))?.to_bytes();
        passing.ends(None);
        let token: Token = serde_json::from_slice(&body).map_err(|_| unusable("is none"))?;
        let token = token.token.or(token.access_token).ok_or_else(|| unusable("is none"))?;
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unusable("is none"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn next(response: &Response<Incoming>, hop: &Hop) -> Next {
    match response.status() {
        StatusCode::UNAUTHORIZED => {
            let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
            Next::Token(challenges.iter().find_map(Challenge::parse))
        }
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => match response.headers().get(header::LOCATION) {
            Some(location) => Next::Redirect(redirect(location, hop)),
            None => Next::Redirect(Err("to no place")),
        },
        _ => Next::Pass,
    }
}

/// Where a redirect leads. Only to TLS, and to a host name.
fn redirect(location: &HeaderValue, from: &Hop) -> Result<Hop, &'static str> {
    let text = location.to_str().map_err(|_| "to a URL that is not readable")?;
    if text.starts_with('/') && !text.starts_with("//") {
        return Ok(Hop { target: from.target.clone(), path: text.split('#').next().unwrap_or_default().to_owned() });
    }
    hop_of(&text.parse().map_err(|_| "to a URL that is not readable")?)
}

fn hop_of(url: &Uri) -> Result<Hop, &'static str> {
    let authority = url.authority().ok_or("to a URL without a host")?;
    if url.scheme_str() != Some("https") {
        return Err("to a URL without TLS");
    }
    let name: HostName = authority.host().parse().map_err(|_| "to an address instead of a host name")?;
    if name.is_reserved() || name.is_single_label() || name.as_str() == HOST {
        return Err("to a name that is not public");
    }
    if authority.port_u16().is_some_and(|port| port != Port::TLS.number()) || authority.as_str().contains('@') {
        return Err("to another port, or with a user");
    }
    let path = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Hop { target: Target { name, port: Port::TLS }, path })
}

/// What the rules say about a host that a registry names. Where none is about it, its address must be public.
fn outside<'a>(policy: &'a Policy, hop: &Hop, asked: &Question) -> Verdict<'a> {
    let Target { name, port } = &hop.target;
    match policy.decide(name, *port) {
        _ if policy.is_limited(name, *port) => asked.verdict(policy, &hop.target),
        Verdict::Denied => Verdict::Learned,
        verdict => verdict,
    }
}

/// The request for a hop: what the client may send, and the token.
fn head(request: &Request<RequestBody>, path: &str, token: Option<&HeaderValue>) -> Request<()> {
    let mut head = head_of(request.method(), path);
    for name in SENT {
        for value in request.headers().get_all(&name) {
            head.headers_mut().append(&name, value.clone());
        }
    }
    if let Some(token) = token {
        head.headers_mut().insert(header::AUTHORIZATION, token.clone());
    }
    head
}

fn head_of(method: &Method, path: &str) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = method.clone();
    *head.uri_mut() = path.parse().unwrap_or_default();
    head
}

/// The part of a path for which a token counts: `/v2/library/busybox` of `/v2/library/busybox/manifests/latest`.
fn repository(path: &str) -> &str {
    let cut = |path| str::rsplit_once(path, '/').map_or("", |(rest, _)| rest);
    cut(cut(path))
}

/// The answer of the registry or of the host with the file.
fn passed(mut response: Response<Incoming>, passing: Arc<ActiveConnection>) -> Response<Body> {
    let headers: &mut HeaderMap = response.headers_mut();
    strip(headers, false);
    for name in KEPT {
        headers.remove(name);
    }
    *response.version_mut() = http::Version::HTTP_11;
    response.map(|body| Counted::answer(body, passing))
}

/// Says that this is a registry and that no token is needed: the gateway gets it.
fn api() -> Response<Body> {
    let mut response = answer(StatusCode::OK, "{}".to_owned());
    let headers = response.headers_mut();
    headers.remove(header::CONNECTION);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    response
}

/// The registry wants an account.
fn no_login(target: &Target, repository: &str) -> Response<Body> {
    let repository = repository.trim_start_matches("/v2/");
    let text =
        format!("moat: `{}` wants a login for `{repository}`, and pulls of a sandbox are anonymous\n", target.name);
    answer(StatusCode::FORBIDDEN, text)
}
