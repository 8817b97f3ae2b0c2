//! Demultiplexes standard output and standard error, which an engine sends over one stream.
//!
//! The format is that of moby's `stdcopy`: eight bytes (channel, three zeros, big-endian length), then the payload. The
//! output of a terminal has one channel and no frames; it must not be passed here.

use bytes::{Buf, Bytes};

/// The stream that a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Stdout,
    Stderr,
}

/// The state between two chunks, which may end anywhere in a frame.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; HEADER_LEN],
    /// Bytes of the header read so far.
    have: usize,
    /// Bytes of the payload still to read.
    left: usize,
}

/// The stream is not framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown frame type {0}")]
pub(crate) struct NotAFrame(u8);

const HEADER_LEN: usize = 8;

impl Frames {
    /// Takes the next piece of payload from `chunk`; `None` at the end of the chunk.
    ///
    /// A large frame is returned in pieces, one a chunk, so that output is never held back.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<(Channel, Bytes)>, NotAFrame> {
        loop {
            if chunk.is_empty() {
                return Ok(None);
            }
            if self.left > 0 {
                let piece = chunk.split_to(self.left.min(chunk.len()));
                self.left -= piece.len();
                return Ok(Some((self.channel()?, piece)));
            }
            let take = (HEADER_LEN - self.have).min(chunk.len());
            chunk.copy_to_slice(&mut self.header[self.have..self.have + take]);
            self.have += take;
            if self.have == HEADER_LEN {
                self.channel()?;
                let [.., a, b, c, d] = self.header;
                self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                self.have = 0;
            }
        }
    }

    /// Whether the last frame is complete.
    pub(crate) fn is_between(&self) -> bool {
        self.left == 0
    }

    fn channel(&self) -> Result<Channel, NotAFrame> {
        match self.header[0] {
            // 0 is standard input, echoed.
            0 | 1 => Ok(Channel::Stdout),
            // 3 is an error of the engine about the stream.
            2 | 3 => Ok(Channel::Stderr),
            other => Err(NotAFrame(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
        [&[channel, 0, 0, 0], &length[..], payload].concat()
    }

    /// The decoded output of both streams.
    fn apart(chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let (mut out, mut err, mut frames) = (Vec::new(), Vec::new(), Frames::default());
        for chunk in chunks {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some((channel, piece)) = frames.next(&mut chunk).expect("frames") {
                match channel {
                    Channel::Stdout => out.extend_from_slice(&piece),
                    Channel::Stderr => err.extend_from_slice(&piece),
                }
            }
        }
        (out, err)
    }

    #[test]
    fn an_empty_frame_does_not_end_the_stream() {
        let stream = [frame(1, b"a"), frame(2, b""), frame(1, b"b"), frame(3, b"!")].concat();
        assert_eq!(apart(&[&stream]), (b"ab".to_vec(), b"!".to_vec()));
    }

    #[test]
    fn a_stream_without_frames_is_noticed() {
        let mut chunk = Bytes::from_static(b"hello world");
        assert_eq!(Frames::default().next(&mut chunk), Err(NotAFrame(b'h')));
    }

    proptest! {
        /// For any chunks, each byte arrives on its channel, in order.
        #[test]
        fn frames_may_be_split_anywhere(
            payloads in prop::collection::vec((1_u8..=2, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            cut in 1_usize..20,
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|(channel, payload)| frame(*channel, payload)).collect();
            let of = |wanted: u8| -> Vec<u8> {
                payloads.iter().filter(|(channel, _)| *channel == wanted).flat_map(|(_, payload)| payload.clone()).collect()
            };
            let chunks: Vec<&[u8]> = stream.chunks(cut).collect();
            prop_assert_eq!(apart(&chunks), (of(1), of(2)));
        }
    }
}
