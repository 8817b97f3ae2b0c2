//! Requests to the lab's registry. Only the engine's host can reach it, so they go through a container there.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine::engine;
use crate::run::run;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Sends standard input, and prints the answer.
const SEND: &str = "$to = IO::Socket::INET->new(shift) or die $!; local $/; print $to <STDIN>; $to->flush; print <$to>";

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let of_it = |line: &str| line.split_once(": ").is_some_and(|(it, _)| it.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(|line| of_it(line)).unwrap_or_else(|| panic!("no {name} in {}", self.head));
        line.split_once(": ").expect("it was found by it").1.trim()
    }
}

/// A repository of the registry.
pub struct Repository<'a> {
    registry: &'a str,
    name: &'a str,
}

impl<'a> Repository<'a> {
    /// Of a name as in `127.0.0.1:5000/some/image:1`, with its tag.
    pub fn of(reference: &'a str) -> (Self, &'a str) {
        let (registry, rest) = reference.split_once('/').expect("a registry");
        let (name, tag) = rest.rsplit_once(':').expect("a tag");
        (Self { registry, name }, tag)
    }

    /// Puts the image of a tag into a list with an attestation that says `words`, as buildx does, under the same tag; gives
    /// the list's digest. An existing list gets another attestation.
    pub fn attest(&self, tag: &str, words: &str) -> String {
        let image = self.image(tag);
        let config = self.put_blob("{}", "application/vnd.oci.image.config.v1+json");
        let layer = self.put_blob(&json!({"predicate": words}).to_string(), "application/vnd.in-toto+json");
        let said = json!({"schemaVersion": 2, "mediaType": OCI, "config": config, "layers": [layer]}).to_string();
        self.put_manifest(&sha256(&said), &said, OCI);
        let said = json!({"mediaType": OCI, "digest": sha256(&said), "size": said.len(),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image["digest"]}});
        let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image, said]}).to_string();
        self.put_manifest(tag, &list, INDEX);
        sha256(&list)
    }

    /// Puts the images of some tags, each for a platform of its own, into a list under another tag.
    pub fn join(&self, tag: &str, images: &[&str]) {
        let manifests: Vec<Value> = images.iter().map(|image| self.image(image)).collect();
        let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
        self.put_manifest(tag, &list, INDEX);
    }

    /// The entry of a tag's image in a list.
    fn image(&self, tag: &str) -> Value {
        let found = self.send("GET", &format!("manifests/{tag}"), &format!("Accept: {INDEX}, {OCI}, {DOCKER}"), "");
        if found.header("Content-Type") == INDEX {
            return parse(&found.body)["manifests"][0].clone();
        }
        let config = parse(&found.body)["config"]["digest"].as_str().expect("a digest").to_owned();
        let config = parse(&self.send("GET", &format!("blobs/{config}"), "Accept: */*", "").body);
        json!({"mediaType": found.header("Content-Type"), "digest": sha256(&found.body), "size": found.body.len(),
            "platform": {"os": "linux", "architecture": config["architecture"]}})
    }

    fn put_blob(&self, body: &str, kind: &str) -> Value {
        let begun = self.send("POST", "blobs/uploads/", "Content-Length: 0", "");
        let (_, to) = begun.header("Location").split_once(&format!("/v2/{}/", self.name)).expect("a place in it");
        let to = format!("{to}{}digest={}", if to.contains('?') { '&' } else { '?' }, sha256(body));
        self.send("PUT", &to, "Content-Type: application/octet-stream", body);
        json!({"mediaType": kind, "digest": sha256(body), "size": body.len()})
    }

    fn put_manifest(&self, under: &str, body: &str, kind: &str) {
        self.send("PUT", &format!("manifests/{under}"), &format!("Content-Type: {kind}"), body);
    }

    fn send(&self, method: &str, path: &str, header: &str, body: &str) -> Answer {
        let Self { registry, name } = self;
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let request = format!(
            "{method} /v2/{name}/{path} HTTP/1.1\r\nHost: {registry}\r\nConnection: close\r\n{header}\r\n{length}\r\n{body}"
        );
        let perl = ["run", "--rm", "-i", "--network", "host", "debian:trixie-slim", "perl", "-MIO::Socket::INET", "-e"];
        let ran = run(engine().command(&[&perl[..], &[SEND, registry]].concat()), request.as_bytes());
        let (head, body) = ran.stdout.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}\n{ran}"));
        assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}\n{ran}");
        Answer { head: head.to_owned(), body: body.to_owned() }
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold("sha256:".to_owned(), |all, byte| format!("{all}{byte:02x}"))
}
