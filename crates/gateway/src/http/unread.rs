//! The body of a client's request, which is read to its end even if the answer does not depend on it.
//!
//! A refusal is sent before the client has sent its body. If the body were dropped then, HTTP/2 would reset the stream and
//! HTTP/1.1 close the connection, and a client that still sends may report that instead of the refusal (curl 7.88, and git
//! with it: "Stream error in the HTTP/2 framing layer").

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The body of a request. When it is dropped, the rest is read and discarded.
pub(crate) struct RequestBody {
    /// `None` if there is none, and while it is dropped.
    incoming: Option<Incoming>,
    /// The client sends its body only when it is asked to, so a refusal leaves none to read.
    is_awaited: bool,
}

/// A client sends at least this much before it notices an answer: git posts up to 1 MiB in one piece, and Go and curl
/// buffer less. A larger body costs more than a reset stream.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A client that needs longer is slow on purpose.
const DISCARD_TIME: Duration = Duration::from_secs(10);

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self { incoming: None, is_awaited: false }
    }

    /// Takes the body of a request.
    pub fn of(request: Request<Incoming>) -> Request<Self> {
        let is_awaited = request.headers().contains_key(header::EXPECT);
        request.map(|incoming| Self { incoming: Some(incoming), is_awaited })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.is_awaited = false;
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if !self.is_awaited && !incoming.is_end_stream() {
            tokio::spawn(tokio::time::timeout(DISCARD_TIME, discard(incoming)));
        }
    }
}

/// Reads a body until its end, that of its connection, or the limit.
async fn discard(mut incoming: Incoming) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = incoming.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}
