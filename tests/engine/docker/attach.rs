//! Commands with the user's streams.

use bytes::Bytes;
use moat_docker::AttachRequest;
use moat_model::resource::ContainerId;
use tokio::io::{AsyncReadExt, duplex};
use tokio::sync::mpsc;

use super::lab::Lab;

fn sh(script: &str) -> AttachRequest {
    AttachRequest { command: ["sh", "-c", script].map(str::to_owned).into(), ..AttachRequest::default() }
}

async fn run(lab: &Lab, id: &ContainerId, request: &AttachRequest, input: Option<Vec<u8>>) -> (i64, Vec<u8>, Vec<u8>) {
    let input = input.map(|bytes| {
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            for chunk in bytes.chunks(32 * 1024) {
                if sender.send(Bytes::copy_from_slice(chunk)).await.is_err() {
                    return;
                }
            }
        });
        receiver
    });
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = lab.docker.attach_streams(id, request, input, &mut out, &mut err).await.expect("it ran");
    (code, out, err)
}

/// Bytes of all values, with a long period.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

#[tokio::test]
async fn bytes_pass_unchanged() {
    let lab = Lab::new("cat").await;
    let id = lab.idle().await;
    let request = AttachRequest { stdin: true, ..sh("cat; echo done >&2; exit 6") };
    let bytes = noise(8 * 1024 * 1024);
    let (code, out, err) = run(&lab, &id, &request, Some(bytes.clone())).await;
    assert_eq!((code, err.as_slice()), (6, b"done\n".as_slice()));
    assert!(out == bytes, "{} of {} bytes came back", out.len(), bytes.len());
}

#[tokio::test]
async fn an_archive_can_be_piped_in() {
    let lab = Lab::new("tar").await;
    let id = lab.idle().await;
    let mut archive = tar::Builder::new(Vec::new());
    let content = noise(3 * 1024 * 1024);
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "big", content.as_slice()).expect("appended");
    let request = AttachRequest { stdin: true, workdir: Some("/tmp".to_owned()), ..sh("tar x && wc -c < big") };
    let (code, out, _) = run(&lab, &id, &request, Some(archive.into_inner().expect("an archive"))).await;
    assert_eq!((code, String::from_utf8_lossy(&out).trim()), (0, "3145728"));
}

#[tokio::test]
async fn a_command_that_stops_reading_can_exit() {
    let lab = Lab::new("head").await;
    let id = lab.idle().await;
    let request = AttachRequest { stdin: true, ..sh("head -c 5; exit 2") };
    let (code, out, _) = run(&lab, &id, &request, Some(b"hello".repeat(500_000))).await;
    assert_eq!((code, out.as_slice()), (2, b"hello".as_slice()));
}

#[tokio::test]
async fn user_directory_and_environment_are_passed() {
    let lab = Lab::new("env").await;
    let id = lab.idle().await;
    let request = AttachRequest {
        env: [("A".to_owned(), "b c".to_owned())].into(),
        user: Some("1000:1001".to_owned()),
        workdir: Some("/tmp".to_owned()),
        ..sh("echo $(id -u):$(id -g) $PWD $A")
    };
    let (code, out, _) = run(&lab, &id, &request, None).await;
    assert_eq!((code, String::from_utf8_lossy(&out).trim()), (0, "1000:1001 /tmp b c"));
}

#[tokio::test]
async fn a_terminal_preserves_bytes() {
    let lab = Lab::new("tty").await;
    let id = lab.idle().await;
    // These bytes look like frame headers.
    let script = r"stty -opost; test -t 0 && test -t 1 && printf '\001\000\000\000\000\000\000\002hi\002\000'; exit 9";
    let request = AttachRequest { tty: true, ..sh(script) };
    let (code, out, err) = run(&lab, &id, &request, None).await;
    assert_eq!((code, out, err), (9, b"\x01\0\0\0\0\0\0\x02hi\x02\0".to_vec(), Vec::new()));
}

#[tokio::test]
async fn no_key_is_held_back() {
    let lab = Lab::new("keys").await;
    let id = lab.idle().await;
    // Ctrl-P alone: the engine's default detach keys start with it, and it would wait for the next key.
    let request = AttachRequest { tty: true, stdin: true, ..sh("stty raw -echo; echo go; head -c 1 | od -An -tx1") };
    let (sender, receiver) = mpsc::channel(1);
    let (mut out, mut screen) = duplex(64 * 1024);
    let typing = async {
        let mut seen = [0; 2];
        screen.read_exact(&mut seen).await.expect("it is ready for keys");
        sender.send(Bytes::from_static(b"\x10")).await.expect("it is read");
        let mut rest = String::new();
        screen.read_to_string(&mut rest).await.expect("text");
        rest
    };
    let running = async {
        let mut err = Vec::new();
        let code = lab.docker.attach_streams(&id, &request, Some(receiver), &mut out, &mut err).await;
        drop(out);
        code.expect("it ran")
    };
    let (code, rest) = tokio::join!(running, typing);
    assert_eq!((code, rest.trim()), (0, "10"));
}

#[tokio::test]
async fn a_closed_output_ends_the_attachment() {
    let lab = Lab::new("pipe").await;
    let id = lab.idle().await;
    let (mut out, reader) = duplex(1024);
    drop(reader);
    let mut err = Vec::new();
    let code = lab.docker.attach_streams(&id, &sh("yes"), None, &mut out, &mut err).await.expect("it ends");
    assert_eq!(code, 128 + 13);
}
