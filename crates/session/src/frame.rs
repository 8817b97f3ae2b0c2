//! Frames between a client and the holder: a kind, a length of four bytes, and the content.
//!
//! The length is bounded, so that neither side can make the other one keep much.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The size of a terminal; zero if unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Input of the command, or its output.
    Data(Bytes),
    /// To the holder: the size of the client's terminal. The first frame of a client.
    Size(Size),
    /// From the holder: the command ended with this code. The last frame.
    Ended(i32),
}

/// In bytes.
pub(crate) const CONTENT_MAX: usize = 32 * 1024;

const DATA: u8 = b'd';
const SIZE: u8 = b's';
const ENDED: u8 = b'e';

impl Frame {
    /// The frame as bytes. Content beyond the limit needs several frames, see [`Frame::data`].
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Data(content) => encoded(DATA, content),
            Self::Size(size) => encoded(SIZE, &[size.rows.to_be_bytes(), size.columns.to_be_bytes()].concat()),
            Self::Ended(code) => encoded(ENDED, &code.to_be_bytes()),
        }
    }

    /// The frames of any number of bytes, encoded.
    pub fn data(content: &[u8]) -> Vec<Bytes> {
        content.chunks(CONTENT_MAX).map(|piece| encoded(DATA, piece)).collect()
    }

    /// Reads a frame; `None` at the end of the stream.
    ///
    /// # Errors
    /// If the stream fails, ends within a frame, or has anything else.
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let kind = match from.read_u8().await {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = usize::try_from(from.read_u32().await?).unwrap_or(usize::MAX);
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not a frame of a session");
        if length > CONTENT_MAX {
            return Err(wrong());
        }
        let mut content = BytesMut::zeroed(length);
        from.read_exact(&mut content).await?;
        match (kind, &content[..]) {
            (DATA, _) => Ok(Some(Self::Data(content.freeze()))),
            (SIZE, [a, b, c, d]) => {
                let (rows, columns) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
                Ok(Some(Self::Size(Size { rows, columns })))
            }
            (ENDED, [a, b, c, d]) => Ok(Some(Self::Ended(i32::from_be_bytes([*a, *b, *c, *d])))),
            _ => Err(wrong()),
        }
    }
}

fn encoded(kind: u8, content: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(content.len() + 5);
    frame.put_u8(kind);
    frame.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    frame.put_slice(content);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(mut bytes: &[u8]) -> io::Result<Vec<Frame>> {
        let mut frames = Vec::new();
        while let Some(frame) = Frame::read(&mut bytes).await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let frames = [
            Frame::Size(Size { rows: 258, columns: 3 }),
            Frame::Data(Bytes::from_static(b"\x00\xff\r\n\x1b[d")),
            Frame::Data(Bytes::new()),
            Frame::Ended(-1),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        assert_eq!(all(&bytes).await.expect("readable"), frames);
        let long: Vec<u8> = (0..=255).cycle().take(2 * CONTENT_MAX + 7).collect();
        let bytes: Vec<u8> = Frame::data(&long).into_iter().flatten().collect();
        let pieces = all(&bytes).await.expect("readable");
        let joined: Vec<u8> =
            pieces.iter().flat_map(|it| if let Frame::Data(it) = it { it.to_vec() } else { vec![] }).collect();
        assert_eq!((pieces.len(), joined), (3, long));
    }

    #[tokio::test]
    async fn other_bytes_are_refused() {
        for wrong in [&b"x\0\0\0\0"[..], b"s\0\0\0\x03abc", b"d\xff\xff\xff\xff", b"d\0\0\0\x05ab", b"HTTP/1.1", b"d\0"]
        {
            assert!(all(wrong).await.is_err(), "{wrong:?}");
        }
    }
}
