//! The protobuf messages that moat reads and writes, with the fields that it needs. Unknown fields are skipped.

use prost::Message;

/// `moby.buildkit.v1.StatusResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(message, repeated, tag = "1")]
    pub vertexes: Vec<Vertex>,
    #[prost(message, repeated, tag = "3")]
    pub logs: Vec<VertexLog>,
}

/// A part of a build, such as an instruction.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Vertex {
    #[prost(string, tag = "1")]
    pub digest: String,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(bool, tag = "4")]
    pub cached: bool,
    /// When it started; only its presence is used.
    #[prost(message, optional, tag = "5")]
    pub started: Option<Time>,
    #[prost(string, tag = "7")]
    pub error: String,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Time {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
}

/// Output of a vertex.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct VertexLog {
    #[prost(string, tag = "1")]
    pub vertex: String,
    #[prost(bytes = "vec", tag = "4")]
    pub text: Vec<u8>,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Health {
    /// 1: serving.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// `moby.buildkit.secrets.v1.GetSecretRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SecretRequest {
    #[prost(string, tag = "1")]
    pub id: String,
}

/// `moby.filesync.v1.CredentialsRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CredentialsRequest {
    #[prost(string, tag = "1")]
    pub host: String,
}

/// `fsutil.types.Packet`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Packet {
    #[prost(enumeration = "PacketKind", tag = "1")]
    pub kind: i32,
    #[prost(message, optional, tag = "2")]
    pub stat: Option<Stat>,
    #[prost(uint32, tag = "3")]
    pub id: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum PacketKind {
    /// An entry; without one, the end of the list.
    Stat = 0,
    /// Asks for the content of an entry.
    Request = 1,
    /// Content; empty at its end.
    Data = 2,
    End = 3,
    Error = 4,
}

/// `fsutil.types.Stat`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stat {
    #[prost(string, tag = "1")]
    pub path: String,
    /// In the bits of Go.
    #[prost(uint32, tag = "2")]
    pub mode: u32,
    #[prost(int64, tag = "5")]
    pub size: i64,
    /// In nanoseconds since 1970.
    #[prost(int64, tag = "6")]
    pub modified: i64,
    #[prost(string, tag = "7")]
    pub link: String,
}

// Messages with secrets are no `Message` of prost: that would print them in `Debug`.

/// Encodes `GetSecretResponse { data }`.
pub(crate) fn secret_response(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 8);
    prost::encoding::bytes::encode(1, &data.to_vec(), &mut out);
    out
}

/// Encodes `CredentialsResponse { username, secret }`.
pub(crate) fn credentials_response(user: &str, secret: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (tag, text) in [(1, user), (2, secret)] {
        prost::encoding::string::encode(tag, &text.to_owned(), &mut out);
    }
    out
}
