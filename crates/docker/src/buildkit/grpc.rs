//! The part of gRPC that a session needs: frames of messages over HTTP/2, and the status in the trailers.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame};
use prost::Message;
use tokio::sync::mpsc;

/// The body of a response.
pub(super) type Answer = BoxBody<Bytes, std::convert::Infallible>;

/// Maximum length of a message in bytes. BuildKit sends only small ones.
const MESSAGE_MAX: usize = 4 * 1024 * 1024;

/// The length of the part before each message: a flag for compression, and the length.
const PREFIX: usize = 5;

/// The codes of gRPC that moat returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Ok = 0,
    InvalidArgument = 3,
    NotFound = 5,
    Unimplemented = 12,
}

/// The failure of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: Code,
    pub message: &'static str,
}

/// A message with its prefix.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(PREFIX + message.len());
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.put_slice(message);
    out.freeze()
}

/// Reads messages from the frames of a body.
pub(super) struct Incoming<B> {
    body: B,
    rest: BytesMut,
}

impl<B: Body<Data = Bytes> + Unpin> Incoming<B> {
    pub fn new(body: B) -> Self {
        Self { body, rest: BytesMut::new() }
    }

    /// The next message; `None` at the end of the stream, or if it is not gRPC.
    pub async fn next<M: Message + Default>(&mut self) -> Option<M> {
        loop {
            if let Some(mut prefix) = self.rest.get(..PREFIX) {
                let is_compressed = prefix.get_u8() != 0;
                let length = usize::try_from(prefix.get_u32()).unwrap_or(usize::MAX);
                if is_compressed || length > MESSAGE_MAX {
                    return None;
                }
                if self.rest.len() >= PREFIX + length {
                    self.rest.advance(PREFIX);
                    return M::decode(self.rest.split_to(length)).ok();
                }
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

/// The sending side of a response's body.
#[derive(Clone)]
pub(super) struct Outgoing(mpsc::Sender<Frame<Bytes>>);

impl Outgoing {
    /// Returns whether the other side still listens.
    pub async fn send(&self, message: &impl Message) -> bool {
        self.0.send(Frame::data(framed(&message.encode_to_vec()))).await.is_ok()
    }

    pub async fn finish(self) {
        // If the other side has gone, the end does not matter.
        let _ = self.0.send(Frame::trailers(trailers(Code::Ok, ""))).await;
    }
}

/// A response whose messages are sent later.
pub(super) fn streamed() -> (Outgoing, Response<Answer>) {
    let (sender, mut receiver) = mpsc::channel(8);
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let body = http_body_util::StreamBody::new(futures_util::StreamExt::map(frames, Ok));
    (Outgoing(sender), response(BodyExt::boxed(body)))
}

/// A response with one message, or with a failure.
pub(super) fn answered(result: Result<Vec<u8>, Refusal>) -> Response<Answer> {
    let frames = match result {
        Ok(message) => vec![Frame::data(framed(&message)), Frame::trailers(trailers(Code::Ok, ""))],
        Err(Refusal { code, message }) => vec![Frame::trailers(trailers(code, message))],
    };
    let frames = futures_util::stream::iter(frames.into_iter().map(Ok));
    response(BodyExt::boxed(http_body_util::StreamBody::new(frames)))
}

fn response(body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn trailers(code: Code, message: &'static str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert("grpc-status", HeaderValue::from(code as u16));
    if !message.is_empty() {
        map.insert("grpc-message", HeaderValue::from_static(message));
    }
    map
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body_util::StreamBody;

    use super::super::messages::SecretRequest;
    use super::*;

    #[tokio::test]
    async fn messages_may_be_split_anywhere() {
        let texts = ["", "a", "long enough to be cut"];
        let messages = texts.map(|id| SecretRequest { id: id.to_owned() });
        let bytes = messages.iter().map(|it| framed(&it.encode_to_vec())).collect::<Vec<_>>().concat();
        for size in 1..=bytes.len() {
            let pieces = bytes.chunks(size).map(|it| Ok::<_, hyper::Error>(Frame::data(Bytes::copy_from_slice(it))));
            let mut incoming = Incoming::new(StreamBody::new(iter(pieces.collect::<Vec<_>>())));
            for text in texts {
                assert_eq!(incoming.next::<SecretRequest>().await.expect("a message").id, text, "{size}");
            }
            assert_eq!(incoming.next::<SecretRequest>().await, None);
        }
    }

    #[tokio::test]
    async fn invalid_messages_end_the_stream() {
        for bytes in [&[1, 0, 0, 0, 1, 0][..], &[0, 255, 255, 255, 255, 0], &[0, 0, 0, 0, 1, 255], &[0, 0]] {
            let frame = Ok::<_, hyper::Error>(Frame::data(Bytes::copy_from_slice(bytes)));
            let mut incoming = Incoming::new(StreamBody::new(iter([frame])));
            assert_eq!(incoming.next::<SecretRequest>().await, None, "{bytes:?}");
        }
    }
}
