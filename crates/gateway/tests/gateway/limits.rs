//! Limits: a full table refuses, it never opens.

use moat_gateway::{Limits, Request, ask};
use moat_policy::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::servers;
use super::world::{World, limits, policy, summary};

#[tokio::test]
async fn a_low_file_limit_holds_with_a_thousand_connections() {
    // The test itself needs the files.
    Limits::of_this_process();
    let rules = policy(Mode::Strict, &["good.example"]);
    let low = Limits { connections: 100, ..limits() };
    let world = World::with(Some(&rules), low, |_| {}).await;
    world.host("good.example", "203.0.113.1:80", servers::http("good").await.address);
    let mut kept = Vec::new();
    for _ in 0..100 {
        kept.push(world.http().await);
    }
    // All are accepted: the place of each is taken.
    while ask(world.state.path(), &Request::Status).await.unwrap().connections < 100 {}
    for _ in 0..900 {
        let mut refused = world.tls().await;
        assert!(!matches!(refused.read(&mut [0]).await, Ok(1)), "closed without a byte");
    }
    // The control socket and those before still work.
    assert_eq!(ask(world.state.path(), &Request::Status).await.unwrap().connections, 100);
    let mut first = kept.swap_remove(0);
    first.write_all(b"GET / HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = super::world::read_all(&mut first).await;
    assert!(answer.ends_with("good"), "{answer}");
    while ask(world.state.path(), &Request::Status).await.unwrap().connections == 100 {}
    let answer = world.say("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "a place is free again: {answer}");
    let log = world.log().await;
    assert_eq!(log.iter().filter(|entry| summary(entry) == "tls -:443 deny full").count(), 900);
}

#[tokio::test]
async fn a_silent_connection_ends() {
    let rules = policy(Mode::Strict, &["good.example"]);
    let world = World::with(Some(&rules), limits(), |_| {}).await;
    let server = servers::tls("good.example").await;
    world.host("good.example", "203.0.113.1:443", server.address);
    let connector = servers::connector(&server.certificate);
    let mut stream = connector.connect(servers::server_name("good.example"), world.tls().await).await.unwrap();
    tokio::time::pause();
    // An hour passes immediately, as nothing else happens.
    assert!(stream.read_u8().await.is_err());
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert!(log[1].starts_with("tls good.example:443 allow good.example idle "), "{log:?}");
}

#[tokio::test]
async fn a_request_that_never_ends_is_closed() {
    let world = World::strict(&["good.example"]).await;
    let mut stream = world.http().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: good.ex").await.unwrap();
    tokio::time::pause();
    let _ = super::world::read_all(&mut stream).await;
    world.assert_nothing_got_out();
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert_eq!(log, ["http -:80 deny timeout"]);
}

#[tokio::test]
async fn a_header_that_is_too_long_is_refused() {
    let world = World::strict(&["good.example"]).await;
    let answer =
        world.say(&format!("GET / HTTP/1.1\r\nX: {}\r\nHost: good.example\r\n\r\n", "a".repeat(100_000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
    world.assert_nothing_got_out();
}
