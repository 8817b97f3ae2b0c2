//! HTTP on port 80.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::servers;
use super::world::{World, read_all, summary};

/// Two servers, of which one is allowed.
async fn world() -> (World, servers::HttpServer, servers::HttpServer) {
    let world = World::strict(&["good.example", "other.example:80"]).await;
    let (good, evil) = (servers::http("good").await, servers::http("evil").await);
    world.host("good.example", "203.0.113.1:80", good.address);
    world.host("evil.example", "203.0.113.66:80", evil.address);
    (world, good, evil)
}

#[tokio::test]
async fn an_allowed_host_answers_itself() {
    let (world, good, _) = world().await;
    let answer =
        world.say("GET /x?y HTTP/1.1\r\nHost: Good.example\r\nX-Odd-CASE: 1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ngood"), "{answer}");
    assert!(answer.contains("X-Case: Kept"), "{answer}");
    let head = good.heads.lock().unwrap()[0].clone();
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n") && head.contains("X-Odd-CASE: 1"), "{head}");
    assert_eq!(*world.zone.asked.lock().unwrap(), ["good.example."]);
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log, ["http good.example:80 allow good.example", "http good.example:80 allow good.example 0/4"]);
}

#[tokio::test]
async fn a_denied_host_gets_403_with_the_rule_that_would_allow_it() {
    let (world, _, _) = world().await;
    let answer = world.say("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("`evil.example` is denied") && answer.contains("  - \"evil.example\"\n"), "{answer}");
    let answer = world.say("GET / HTTP/1.1\r\nHost: www.npmjs.com\r\n\r\n").await;
    assert!(answer.contains("  - \"@npm\"\n"), "{answer}");
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log, ["http evil.example:80 deny no-rule", "http www.npmjs.com:80 deny no-rule"]);
    world.assert_nothing_got_out();
}

#[tokio::test]
async fn a_refusal_leaves_a_client_time_to_send_its_body() {
    let (world, _, _) = world().await;
    let mut stream = world.http().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 4000000\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 403");
    // More than the buffers of a socket, so that someone has to read.
    stream.write_all(&vec![b'a'; 4_000_000]).await.expect("the connection stays open");
    let rest = read_all(&mut stream).await;
    assert!(rest.contains("`evil.example` is denied"), "{rest}");
}

#[tokio::test]
async fn two_names_are_refused() {
    let (world, _, _) = world().await;
    let requests = [
        "GET / HTTP/1.1\r\nHost: good.example\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: good.example\r\nHost: good.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET http://good.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://good.example@evil.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 203.0.113.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: good.example:8080\r\n\r\n",
        "CONNECT good.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: good.example\r\n\r\n",
        "\x16\x03\x01\x00\x05hello",
    ];
    for request in requests {
        let answer = world.say(request).await;
        let is_refused = ["HTTP/1.1 400 ", "HTTP/1.0 400 "].iter().any(|status| answer.starts_with(status));
        assert!(is_refused || answer.is_empty(), "{request}: {answer}");
    }
    world.assert_nothing_got_out();
    let log = world.log().await;
    assert_eq!(log.len(), requests.len(), "{log:?}");
    assert!(log.iter().all(|entry| entry.decision == moat_gateway::Decision::Deny));
}

#[tokio::test]
async fn each_pipelined_request_is_checked() {
    let (world, good, evil) = world().await;
    let first = "GET /1 HTTP/1.1\r\nHost: good.example\r\n\r\n";
    let second = "GET /2 HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let answer = world.say(&format!("{first}{second}{first}")).await;
    assert!(answer.contains("\r\n\r\ngoodHTTP/1.1 403 "), "{answer}");
    // After the denial the connection ends: the third request is not read.
    assert_eq!(good.heads.lock().unwrap().len(), 1);
    assert_eq!(evil.heads.lock().unwrap().len(), 0);
    assert_eq!(*world.zone.asked.lock().unwrap(), ["good.example."]);
}

#[tokio::test]
async fn a_request_inside_a_body_is_no_request() {
    let (world, good, evil) = world().await;
    let hidden = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        5 + hidden.len()
    );
    let answer = world.say(&request).await;
    assert!(!answer.contains("evil\r\n") && !answer.ends_with("evil"), "{answer}");
    assert_eq!(evil.heads.lock().unwrap().len(), 0);
    // Whatever the server takes for a request has passed the check.
    assert!(good.heads.lock().unwrap().iter().all(|head| !head.contains("evil.example")));
}

#[tokio::test]
async fn one_connection_reaches_several_allowed_hosts() {
    let (world, good, _) = world().await;
    let other = servers::http("other").await;
    world.host("other.example", "203.0.113.2:80", other.address);
    let get = |host: &str, close: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {close}\r\n\r\n");
    let all = [get("good.example", "keep-alive"), get("good.example", "keep-alive"), get("other.example", "close")];
    let answer = world.say(&all.concat()).await;
    assert_eq!((answer.matches("good").count(), answer.matches("\r\n\r\nother").count()), (2, 1), "{answer}");
    assert_eq!((good.heads.lock().unwrap().len(), other.heads.lock().unwrap().len()), (2, 1));
    assert_eq!(world.internet.dialled.lock().unwrap().len(), 2, "the connection to a server is kept");
}

#[tokio::test]
async fn a_changed_protocol_is_copied_if_it_is_websocket() {
    let (world, good, _) = world().await;
    let mut stream = world.http().await;
    let request = "GET / HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"frame").await.unwrap();
    let mut frame = [0; 5];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"frame");
    let request = "GET / HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = world.say(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let head = good.heads.lock().unwrap()[1].to_lowercase();
    assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
}

#[tokio::test]
async fn a_name_with_a_private_address_is_denied_with_the_rule_that_would_allow_it() {
    let (world, _, _) = world().await;
    world.name("other.example", "169.254.169.254".parse().unwrap());
    let answer = world.say("GET /latest/meta-data HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("a metadata service"), "{answer}");
    assert!(answer.contains("other.example in 169.254.169.254"), "{answer}");
    assert!(world.internet.dialled.lock().unwrap().is_empty());
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log, ["http other.example:80 deny other.example:80 address"]);
}

#[tokio::test]
async fn failing_servers_are_distinguished_from_denials() {
    let (world, _, _) = world().await;
    let answer = world.say("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("is allowed, but its name"), "{answer}");
    world.name("other.example", "203.0.113.9".parse().unwrap());
    // The name server's first answer may be remembered.
    let world = world.restart().await;
    let answer = world.say("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("cannot be reached"), "{answer}");
}

#[tokio::test]
async fn the_reserved_names_prove_that_the_gateway_decides() {
    let (world, _, _) = world().await;
    let answer = world.say("GET / HTTP/1.1\r\nHost: ready.moat.internal\r\n\r\n").await;
    let digest = super::world::policy(moat_policy::Mode::Strict, &["good.example", "other.example:80"]).digest();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&digest), "{answer}");
    let answer = world.say("GET / HTTP/1.1\r\nHost: denied.moat.internal\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    world.assert_nothing_got_out();
}
