//! Sends the files of a build: the context, and the Dockerfile by itself, as BuildKit asks for them.
//!
//! The protocol is that of BuildKit's `fsutil`: the list of all entries, then the contents that the other side asks for.
//! An ignored Dockerfile is thus not part of the context, and `COPY .` does not copy it.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use moat_build_context::{Item, ItemContent, MODIFIED};

use super::grpc::{Incoming, Outgoing};
use super::messages::{Packet, PacketKind, Stat};
use bytes::Bytes;
use hyper::body::Body;

/// The files of a build, sorted by path; each folder is in front of its content.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<Item>);

/// Size of a piece of content, as BuildKit's own client sends it.
const CHUNK: usize = 32 * 1024;

const NANOSECONDS: u64 = 1_000_000_000;

/// Bits of a mode in Go.
const GO_FOLDER: u32 = 1 << 31;
const GO_LINK: u32 = 1 << 27;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_STICKY: u32 = 1 << 20;

impl Files {
    pub fn new(items: Vec<Item>) -> Self {
        let known: BTreeSet<&Path> = items.iter().map(|item| item.path.as_path()).collect();
        // The folder of a file that is an exception of `.dockerignore` may itself be ignored.
        let above = items.iter().flat_map(|item| item.path.ancestors().skip(1));
        let missing: BTreeSet<PathBuf> =
            above.filter(|path| !path.as_os_str().is_empty() && !known.contains(path)).map(Path::to_owned).collect();
        let folder = |path| Item { path, mode: 0o755, content: ItemContent::Folder };
        let mut all: Vec<Item> = missing.into_iter().map(folder).collect();
        all.extend(items);
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Self(all)
    }

    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// One file, such as a Dockerfile.
    pub fn one(path: &str, text: &str) -> Self {
        let content = ItemContent::File(text.as_bytes().to_vec());
        Self::new(vec![Item { path: PathBuf::from(path), mode: 0o644, content }])
    }

    /// Sends the files until the other side has all that it requested.
    pub async fn send<B>(&self, mut incoming: Incoming<B>, outgoing: Outgoing)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        for item in &self.0 {
            let packet = match stat(item) {
                Some(stat) => Packet { stat: Some(stat), ..packet(PacketKind::Stat) },
                None => Packet { data: b"a path is not UTF-8".to_vec(), ..packet(PacketKind::Error) },
            };
            if !outgoing.send(&packet).await {
                return;
            }
        }
        outgoing.send(&packet(PacketKind::Stat)).await;
        while let Some(asked) = incoming.next::<Packet>().await {
            match PacketKind::try_from(asked.kind) {
                Ok(PacketKind::Request) => {
                    if !self.content(asked.id, &outgoing).await {
                        return;
                    }
                }
                Ok(PacketKind::End) => {
                    outgoing.send(&packet(PacketKind::End)).await;
                    break;
                }
                _ => break,
            }
        }
        outgoing.finish().await;
    }

    /// Sends the content of a file; returns whether the other side still listens.
    async fn content(&self, id: u32, outgoing: &Outgoing) -> bool {
        let item = usize::try_from(id).ok().and_then(|id| self.0.get(id));
        if let Some(ItemContent::File(bytes)) = item.map(|item| &item.content) {
            for piece in bytes.chunks(CHUNK) {
                if !outgoing.send(&Packet { id, data: piece.to_vec(), ..packet(PacketKind::Data) }).await {
                    return false;
                }
            }
        }
        outgoing.send(&Packet { id, ..packet(PacketKind::Data) }).await
    }
}

fn packet(kind: PacketKind) -> Packet {
    Packet { kind: kind.into(), stat: None, id: 0, data: Vec::new() }
}

/// `None` if a path cannot be a text of protobuf.
fn stat(item: &Item) -> Option<Stat> {
    let text = |path: &Path| std::str::from_utf8(path.as_os_str().as_bytes()).ok().map(str::to_owned);
    let permissions = item.mode & 0o777;
    let special = [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)];
    let special = special.iter().filter(|(bit, _)| item.mode & bit != 0).fold(0, |all, (_, go)| all | go);
    let (kind, size, link) = match &item.content {
        ItemContent::Folder => (GO_FOLDER, 0, String::new()),
        ItemContent::Link(target) => (GO_LINK, 0, text(target)?),
        ItemContent::File(bytes) => (0, bytes.len(), String::new()),
    };
    Some(Stat {
        path: text(&item.path)?,
        mode: permissions | special | kind,
        size: i64::try_from(size).unwrap_or(i64::MAX),
        modified: i64::try_from(MODIFIED * NANOSECONDS).unwrap_or_default(),
        link,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32) -> Item {
        Item { path: PathBuf::from(path), mode, content: ItemContent::File(b"text".to_vec()) }
    }

    #[test]
    fn every_folder_is_in_front_of_its_content() {
        let folder = Item { path: PathBuf::from("a"), mode: 0o700, content: ItemContent::Folder };
        let files = Files::new(vec![file("a/b/c", 0o644), file("a-b", 0o644), folder, file("z", 0o644)]);
        let paths: Vec<_> = files.0.iter().map(|item| (item.path.to_str().expect("text"), item.mode)).collect();
        assert_eq!(paths, [("a", 0o700), ("a/b", 0o755), ("a/b/c", 0o644), ("a-b", 0o644), ("z", 0o644)]);
    }

    #[test]
    fn modes_match_go() {
        assert_eq!(stat(&file("a", 0o6755)).expect("a stat").mode, 0o755 | GO_SETUID | GO_SETGID);
        let link = Item { path: "l".into(), mode: 0o777, content: ItemContent::Link("t".into()) };
        let stat = stat(&link).expect("a stat");
        assert_eq!((stat.mode, stat.link.as_str(), stat.size), (GO_LINK | 0o777, "t", 0));
    }
}
