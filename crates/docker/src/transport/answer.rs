//! Reads responses: the status, then a body of bounded size, into the fields that moat needs.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fault::Failure;

/// Maximum size of a response in bytes. A list of a thousand containers with their labels takes a few megabytes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The body of an error response.
#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

/// Returns the response if it is a success, otherwise its error.
pub(crate) async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>, Failure> {
    let status = response.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let body = whole(response).await?;
    let message = match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => body.message,
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    Err(Failure::Refused { status: status.as_u16(), message })
}

/// Reads a JSON response.
pub(crate) async fn json<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, Failure> {
    let body = whole(accepted(response).await?).await?;
    serde_json::from_slice(&body).map_err(|error| Failure::Unreadable(error.to_string()))
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, Failure> {
    match Limited::new(response.into_body(), ANSWER_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(Failure::Lost(error.to_string())),
    }
}
