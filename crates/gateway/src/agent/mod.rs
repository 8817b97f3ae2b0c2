//! The agent plane: an explicit proxy for programs that are configured to use it.
//!
//! It reads requests only to hosts that rules for requests or grants name: for these it ends TLS, with a certificate of
//! this gateway's own authority. All other hosts pass as on the transparent planes, by name and undecrypted.

mod challenge;
mod credentials;
mod exchange;
mod kept;
mod prefixed;
mod proxy;
mod pull;
mod question;
mod refuse;
mod session;
mod target;
mod tunnel;
mod upstream;

pub(crate) use proxy::serve;
