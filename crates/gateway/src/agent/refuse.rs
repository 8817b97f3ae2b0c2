//! The answers of the agent plane itself.

use http::{Response, StatusCode};
use moat_policy::{GrantName, Policy};

use super::question::Question;
use super::target::{NoTarget, Target};
use super::upstream::NoServer;
use crate::http::{Body, answer, no_connection};

pub(super) fn no_target(error: &NoTarget) -> Response<Body> {
    answer(StatusCode::BAD_REQUEST, format!("moat: {error}\n"))
}

/// No rule allows the request: names the rule that would.
pub(super) fn no_rule(policy: &Policy, target: &Target, question: &Question) -> Response<Body> {
    let Target { name, port } = target;
    let mode = policy.mode();
    let host = if port.names_its_host() { name.to_string() } else { format!("{name}:{port}") };
    let text = match (policy.is_limited(name, *port), &question.path) {
        (true, Ok(_)) => format!(
            "moat: `{} {}` of `{name}` is denied by the network policy of this sandbox ({mode})\n\
             neither a grant nor a rule for requests to `{name}` allows it\n",
            question.method, question.text
        ),
        (true, Err(error)) => format!("moat: a request to `{name}` is denied because of its path: {error}\n"),
        (false, _) => format!(
            "moat: `{name}` is denied by the network policy of this sandbox ({mode})\n\
             to allow it, add this rule to `network.rules` in agent.yaml:\n  - \"{host}\"\n"
        ),
    };
    answer(StatusCode::FORBIDDEN, text)
}

/// No rule allows a tunnel to the host.
pub(super) fn no_tunnel(policy: &Policy, target: &Target) -> Response<Body> {
    no_rule(policy, target, &Question::tunnel())
}

/// The gateway has no value for the grant.
pub(super) fn locked(grant: &GrantName) -> Response<Body> {
    let text = format!(
        "moat: the grant `{grant}` of this sandbox is locked, because its gateway has been started again\n\
         `moat apply` unlocks it\n"
    );
    answer(StatusCode::SERVICE_UNAVAILABLE, text)
}

pub(super) fn no_server(target: &Target, error: &NoServer) -> Response<Body> {
    match error {
        NoServer::Outer(error) => no_connection(&target.name, error),
        error => answer(StatusCode::BAD_GATEWAY, format!("moat: `{}` is allowed, but {error}\n", target.name)),
    }
}
