//! Connections that leave HTTP: attached streams, and the session of a build.

use http::{HeaderValue, Request, header};
use hyper::upgrade::{self, Upgraded};

use super::answer;
use super::fault::Failure;
use super::wire::{Body, Wire};

/// Sends a request that changes the protocol of its connection, and returns the connection.
pub(crate) async fn upgraded(
    wire: &Wire,
    mut request: Request<Body>,
    protocol: &'static str,
) -> Result<Upgraded, Failure> {
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(protocol));
    let response = answer::accepted(wire.send(request).await?).await?;
    upgrade::on(response).await.map_err(|error| Failure::Lost(error.to_string()))
}
