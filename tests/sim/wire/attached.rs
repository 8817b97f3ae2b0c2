//! Execs and logs: upgraded connections and their streams.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use moat_docker::AttachRequest;
use moat_model::engine::{Engine, ExecOutput};
use moat_model::resource::ContainerId;
use serde_json::json;
use tokio::sync::mpsc;

use super::fake::{Fake, Reply, frame};

/// An engine that answers the start of every exec with `start`; the exec then has exit code 7.
fn execs(start: impl Fn() -> Reply + Send + Sync + 'static) -> Fake {
    // The first query is too early, as on a real engine.
    let asked = AtomicU32::new(0);
    Fake::start(move |request| match request.line.as_str() {
        "POST /v1.45/containers/c1/exec" => Some(Reply::Json(201, r#"{"Id":"e1"}"#.to_owned())),
        "POST /v1.45/exec/e1/start" => Some(start()),
        "GET /v1.45/exec/e1/json" if asked.fetch_add(1, Ordering::SeqCst) == 0 => {
            Some(Reply::Json(200, r#"{"Running":true,"ExitCode":null}"#.to_owned()))
        }
        "GET /v1.45/exec/e1/json" => Some(Reply::Json(200, r#"{"Running":false,"ExitCode":7}"#.to_owned())),
        _ => None,
    })
}

fn container() -> ContainerId {
    ContainerId::new("c1")
}

#[tokio::test]
async fn exec_returns_both_streams_and_the_exit_code() {
    let fake = execs(|| Reply::Hijack([frame(1, b"out\n"), frame(2, b"err\n")].concat()));
    let docker = fake.connect().await;
    let output = docker.exec(&container(), &["a b".to_owned(), "c".to_owned()]).await.expect("it ran");
    assert_eq!(output, ExecOutput { exit_code: 7, output: "out\nerr\n".to_owned() });
    let seen = fake.seen();
    assert_eq!(seen[1].json(), json!({"AttachStdout": true, "AttachStderr": true, "Cmd": ["a b", "c"]}));
    assert_eq!(seen[2].json(), json!({"Detach": false, "Tty": false}));
    assert_eq!((seen[2].header("connection"), seen[2].header("upgrade")), (Some("Upgrade"), Some("tcp")));
}

#[tokio::test]
async fn long_output_keeps_its_end() {
    let fake = execs(|| {
        let line = frame(1, &[b'x'; 1000]);
        Reply::Hijack([line.repeat(100), frame(2, b"the end")].concat())
    });
    let output = fake.connect().await.exec(&container(), &["x".to_owned()]).await.expect("it ran").output;
    assert_eq!(output.len(), moat_model::engine::request::EXEC_OUTPUT_MAX);
    assert!(output.ends_with("xthe end"));
}

async fn attach(fake: &Fake, request: &AttachRequest, input: Option<Vec<u8>>) -> (i64, Vec<u8>, Vec<u8>) {
    let input = input.map(|bytes| {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            for chunk in bytes.chunks(50_000) {
                sender.send(Bytes::copy_from_slice(chunk)).await.expect("it is read");
            }
        });
        receiver
    });
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let docker = fake.connect().await;
    let code = docker.attach_streams(&container(), request, input, &mut out, &mut err).await.expect("it ran");
    (code, out, err)
}

#[tokio::test]
async fn terminal_output_is_unchanged() {
    // Each of these looks like the header of a frame.
    let raw: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 2, b'h', b'i', 2, 0, 0, 0];
    let fake = execs(move || Reply::Hijack(raw.to_vec()));
    let request = AttachRequest { command: vec!["sh".to_owned()], tty: true, ..AttachRequest::default() };
    assert_eq!(attach(&fake, &request, None).await, (7, raw.to_vec(), Vec::new()));
    let seen = fake.seen();
    assert_eq!((&seen[1].json()["Tty"], &seen[2].json()["Tty"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn streams_stay_separate_in_a_pipe() {
    let fake = execs(|| Reply::Hijack([frame(1, &[0, 255]), frame(2, b"e"), frame(1, b"\r\n")].concat()));
    let request = AttachRequest {
        command: vec!["sh".to_owned()],
        env: [("A".to_owned(), "b".to_owned())].into(),
        user: Some("1000:1000".to_owned()),
        workdir: Some("/w".to_owned()),
        ..AttachRequest::default()
    };
    assert_eq!(attach(&fake, &request, None).await, (7, vec![0, 255, b'\r', b'\n'], b"e".to_vec()));
    let expected = json!({
        "AttachStdin": false, "AttachStdout": true, "AttachStderr": true, "Tty": false, "Cmd": ["sh"],
        "Env": ["A=b"], "User": "1000:1000", "WorkingDir": "/w",
    });
    assert_eq!(fake.seen()[1].json(), expected);
}

#[tokio::test]
async fn the_end_of_input_is_forwarded_while_output_continues() {
    let fake = execs(|| Reply::Count);
    let request = AttachRequest { command: vec!["wc".to_owned()], stdin: true, ..AttachRequest::default() };
    let (code, out, _) = attach(&fake, &request, Some(vec![b'x'; 3_000_000])).await;
    assert_eq!((code, String::from_utf8_lossy(&out).as_ref()), (7, "3000000"));
}

#[tokio::test]
async fn the_tail_of_a_log_is_read() {
    let log = [frame(1, b"one\n"), frame(2, b"two\r\n"), frame(1, b"three")].concat();
    let fake = Fake::start(move |request| {
        let form = "Content-Type: application/vnd.docker.multiplexed-stream";
        let head = format!("HTTP/1.1 200 OK\r\n{form}\r\nContent-Length: {}\r\n\r\n", log.len());
        request.line.contains("/logs").then(|| Reply::Bytes([head.as_bytes(), &log].concat()))
    });
    let lines = fake.connect().await.log_tail(&container(), 2).await.expect("a log");
    assert_eq!(lines, ["two", "three"]);
    assert_eq!(fake.last().line, "GET /v1.45/containers/c1/logs?stdout=1&stderr=1&tail=2");
}

/// Older engines do not report the format; then the container's configuration shows it.
#[tokio::test]
async fn the_log_of_a_terminal_is_raw() {
    for (tty, log) in [(true, b"one\r\ntwo\r\n".to_vec()), (false, [frame(1, b"one\n"), frame(2, b"two\n")].concat())] {
        let fake = Fake::start(move |request| match request.line.as_str() {
            line if line.contains("/logs") => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", log.len());
                Some(Reply::Bytes([head.as_bytes(), &log].concat()))
            }
            line if line.ends_with("/containers/c1/json") => {
                Some(Reply::Json(200, format!(r#"{{"Config":{{"Tty":{tty}}},"HostConfig":{{}}}}"#)))
            }
            _ => None,
        });
        assert_eq!(fake.connect().await.log_tail(&container(), 5).await.expect("a log"), ["one", "two"]);
    }
}
