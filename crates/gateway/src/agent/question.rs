//! What a request asks for, and what the policy says about it.

use std::net::IpAddr;

use http::{Method, Request};
use moat_policy::{AmbiguousPath, Asked, Grant, GrantedHost, Policy, RequestPath, Verdict};

use super::target::Target;
use crate::log::Reason;

/// What a request asks for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub method: Method,
    pub path: Result<RequestPath, AmbiguousPath>,
    /// As it is written, without the query.
    pub text: String,
}

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

    pub fn is_allowed(&self, policy: &Policy, target: &Target, address: IpAddr) -> bool {
        match self.verdict(policy, target) {
            Verdict::Denied => false,
            verdict => verdict.check_address(address).is_ok(),
        }
    }

    /// The grant whose credential the request gets, over TLS.
    pub fn granted<'a>(&self, policy: &'a Policy, target: &Target) -> Option<(&'a Grant, &'a GrantedHost)> {
        let path = self.path.as_ref().ok()?;
        policy.grant_for(&target.name, target.port, &Asked { method: self.method.as_str(), path })
    }
}

/// The reason of a denial.
pub(super) fn denial(policy: &Policy, target: &Target) -> Reason {
    if policy.is_limited(&target.name, target.port) { Reason::Request } else { Reason::NoRule }
}
