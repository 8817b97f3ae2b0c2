//! Connections to servers that are kept for further requests of one client.

use moat_policy::Verdict;

use super::target::Target;
use super::upstream::{ConnectOptions, Upstream};

/// The connections. As many as the client has requests at a time.
#[derive(Default)]
pub(super) struct Kept(Vec<Upstream>);

impl Kept {
    /// A connection that leads to the target.
    pub fn take(&mut self, target: &Target, way: ConnectOptions, verdict: &Verdict<'_>) -> Option<Upstream> {
        self.0.retain(|upstream| !upstream.is_closed());
        let fits = |upstream: &Upstream| {
            upstream.target == *target && upstream.tls == way.tls && verdict.check_address(upstream.address).is_ok()
        };
        // A client of HTTP/1.1 has read the last answer, so its connection is free in a moment.
        let is_free = |upstream: &Upstream| !way.http2 || upstream.is_http2() || upstream.is_ready();
        let at = self.0.iter().position(|upstream| fits(upstream) && is_free(upstream))?;
        match self.0[at].share() {
            Some(shared) => Some(shared),
            None => Some(self.0.swap_remove(at)),
        }
    }

    /// Keeps a connection, unless one that takes several requests at a time is kept already.
    pub fn keep(&mut self, upstream: Upstream) {
        let is_same = |it: &Upstream| it.is_http2() && it.target == upstream.target;
        if !(upstream.is_http2() && self.0.iter().any(is_same)) {
            self.0.push(upstream);
        }
    }
}
