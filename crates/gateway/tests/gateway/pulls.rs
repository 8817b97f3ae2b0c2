//! Pulls from a registry: one rule is enough, whatever the registry needs besides.

use http::{Request, StatusCode};
use moat_policy::Mode;

use super::agent::{get, rules, world};
use super::origin::{Origin, Root};
use super::world::{World, summary};

/// A registry, the server of its tokens and the one of its files, of which the rules name the first.
async fn registry() -> (World, [Origin; 3]) {
    let root = Root::new();
    let list = ["registry registry.example in 10.0.0.0/8", "limited.example: allow GET /other"];
    let world = world(&rules(Mode::Strict, &list), &root).await;
    let mut servers = Vec::new();
    for (name, address) in
        [("registry.example", "203.0.113.1"), ("auth.example", "203.0.113.2"), ("cdn.example", "203.0.113.3")]
    {
        let server = root.serve(name, &["http/1.1"]).await;
        world.host(name, &format!("{address}:443"), server.address);
        servers.push(server);
    }
    // In the range that the rule names for the registry, and for no other host.
    world.name("private.example", "10.0.0.1".parse().unwrap());
    (world, servers.try_into().ok().unwrap())
}

fn lines(origin: &Origin) -> Vec<String> {
    origin.seen.lock().unwrap().iter().map(|it| it.line.clone()).collect()
}

#[tokio::test]
async fn one_rule_gets_the_token_and_follows_the_redirect() {
    let (world, [registry, auth, cdn]) = registry().await;
    let mut request = get("registry.example", "/v2/app/blobs/sha256:1");
    for (name, value) in [("authorization", "Bearer foreign"), ("cookie", "foreign"), ("accept", "a/b"), ("x-odd", "1")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    // Docker sends one header for each type.
    request.headers_mut().append("accept", "c/d".parse().unwrap());
    let stream = world.agent("registry.example", &["http/1.1"]).await;
    let response = super::agent::send_http1(stream, request).await;
    assert!(response.headers().get("set-cookie").is_none() && response.headers().get("location").is_none());
    let (status, body) = super::agent::text(response).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "answer to /file with 0 bytes"));
    let blob = "HTTP/1.1 GET /v2/app/blobs/sha256:1";
    assert_eq!(lines(&registry), [blob, blob]);
    assert_eq!(lines(&auth), ["HTTP/1.1 GET /token?service=r&scope=repository%3Aapp%3Apull"]);
    assert_eq!(lines(&cdn), ["HTTP/1.1 GET /file?signature=1"]);
    for origin in [&registry, &auth, &cdn] {
        for seen in origin.seen.lock().unwrap().iter() {
            let told = format!("{:?}", seen.headers);
            assert!(!told.contains("foreign") && !told.contains("x-odd"), "{told}");
        }
    }
    let (status, body) = world.ask(get("registry.example", "/v2/app/blobs/large")).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 3_000_000));
    // A token is for the registry only.
    assert!(cdn.seen.lock().unwrap()[0].headers.get("authorization").is_none());
    let headers = cdn.seen.lock().unwrap()[0].headers.clone();
    assert_eq!(headers.get_all("accept").iter().collect::<Vec<_>>(), ["a/b", "c/d"]);
    let log: Vec<String> = world.log().await.iter().map(summary).filter(|line| line.contains(" allow ")).collect();
    for line in [
        "agent registry.example:443 GET /v2/app/blobs/sha256:1 allow registry registry.example in 10.0.0.0/8",
        "agent auth.example:443 GET /token allow registry registry.example in 10.0.0.0/8",
        "agent cdn.example:443 GET /file allow registry registry.example in 10.0.0.0/8 0/28",
    ] {
        assert!(log.iter().any(|it| it == line), "{line}: {log:#?}");
    }
}

#[tokio::test]
async fn redirects_lead_to_public_hosts_with_tls_only() {
    let (world, [registry, _, cdn]) = registry().await;
    for (blob, reason) in [
        ("private", "`private.example`: it resolves to 10.0.0.1"),
        ("address", "an address instead of a host name"),
        ("plain", "without TLS"),
        ("limited", "the rules for `limited.example` do not allow"),
        ("host", "not public"),
        ("own", "not public"),
        ("label", "not public"),
        ("port", "another port"),
        ("user", "with a user"),
        ("loop", "too often"),
    ] {
        let (status, body) = world.ask(get("registry.example", &format!("/v2/app/blobs/{blob}"))).await;
        assert!(status == StatusCode::BAD_GATEWAY && body.contains(reason), "{blob}: {status} {body}");
    }
    assert_eq!(lines(&cdn), [] as [&str; 0]);
    assert!(lines(&registry).len() < 40, "{:?}", lines(&registry));
}

#[tokio::test]
async fn only_pulls_pass() {
    let (world, [registry, _, _]) = registry().await;
    let (status, body) = world.ask(get("registry.example", "/v2/")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "{}"));
    for (method, path) in [
        ("GET", "/v2/_catalog"),
        ("GET", "/v1/search"),
        ("POST", "/v2/app/blobs/uploads/"),
        ("PUT", "/v2/app/manifests/latest"),
        ("DELETE", "/v2/app/manifests/latest"),
        ("GET", "/v2/../token"),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", "registry.example");
        let (status, body) = world.ask(request.body(http_body_util::Full::default()).unwrap()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}: {body}");
    }
    assert_eq!(lines(&registry), [] as [&str; 0]);
    let (status, body) = world.ask(get("registry.example", "/v2/owned/app/manifests/1")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("`registry.example` wants a login for `owned/app`"), "{body}");
    // Nothing else reaches the hosts that a pull may lead to.
    for host in ["cdn.example", "auth.example"] {
        let (head, _) = world.connect(&format!("{host}:443")).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    }
}
