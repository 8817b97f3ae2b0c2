//! Bodies that pass: their bytes are counted, and the end of the answer is the end of the exchange.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::unread::RequestBody;
use crate::connection::ActiveConnection;

/// The body of an answer.
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// A body that is counted.
pub(crate) struct Counted<B = RequestBody> {
    inner: B,
    passing: Arc<ActiveConnection>,
    is_answer: bool,
}

impl Counted {
    /// The body of a request.
    pub fn request(inner: RequestBody, passing: Arc<ActiveConnection>) -> Self {
        Self { inner, passing, is_answer: false }
    }
}

impl Counted<Incoming> {
    /// The body of an answer.
    pub fn answer(inner: Incoming, passing: Arc<ActiveConnection>) -> Body {
        // An empty body is never read.
        if inner.is_end_stream() {
            passing.ends(None);
        }
        Self { inner, passing, is_answer: true }.boxed()
    }
}

impl<B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin> HttpBody for Counted<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let length = frame.as_ref().and_then(|it| it.as_ref().ok()?.data_ref()).map_or(0, Bytes::len) as u64;
        if self.is_answer {
            self.passing.traffic.add_received(length);
            if frame.is_none() || self.inner.is_end_stream() {
                self.passing.ends(None);
            }
        } else {
            self.passing.traffic.add_sent(length);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
