//! What the network of a sandbox can reach, and what its gateway decided.

pub mod check;
pub mod denied;
pub mod log;
pub mod suggest;
pub mod verify;

use moat_gateway::Reason;

/// Why a connection was denied or ended early.
fn phrase(reason: Reason) -> &'static str {
    match reason {
        Reason::NoRule => "no rule",
        Reason::AgentPlane => "only by the sandbox's proxy",
        Reason::Request => "no rule for the request",
        Reason::Locked => "the grant has no value",
        Reason::Placeholder => "the placeholder of another host's grant",
        Reason::NoName => "names no host",
        Reason::Mismatch => "names two hosts",
        Reason::Malformed => "not the protocol of the port",
        Reason::Timeout => "named no host in time",
        Reason::Address => "resolves to a private address",
        Reason::Full => "too many connections",
        Reason::Unresolved => "cannot be resolved",
        Reason::Unreachable => "cannot be reached",
        Reason::Handshake => "the client rejects the certificate",
        Reason::Certificate => "the server's certificate is not valid",
        Reason::Revoked => "revoked by new rules",
        Reason::Idle => "idle",
        Reason::Stopped => "the gateway stopped",
        Reason::Broken => "broken off",
    }
}
