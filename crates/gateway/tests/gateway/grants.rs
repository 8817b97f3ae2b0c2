//! Grants: the gateway puts credentials into requests, and has them in memory only.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http_body_util::BodyExt;
use moat_gateway::{ControlError, GrantValue, Request as Control, Secret, Status, ask};
use moat_policy::grant::find;
use moat_policy::{Grant, GrantOptions, Mode, Policy};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::agent::{get, rules, send_http1, text, world};
use super::origin::{Origin, Root};
use super::servers::{self, connector, server_name};
use super::world::{World, read_all, summary};

pub const VALUE: &str = "ghp_TheRealValueThatNobodyMaySee";

fn github(repos: &[&str], write: bool) -> Grant {
    let repos = repos.iter().map(|repo| repo.parse().unwrap()).collect();
    find("github").unwrap().grant(&GrantOptions { repos, write }).unwrap()
}

fn policy(list: &[&str], grants: Vec<Grant>) -> Policy {
    rules(Mode::Strict, list).with_grants(grants).unwrap()
}

struct Hosts {
    world: World,
    api: Origin,
    git: Origin,
}

/// A gateway with a policy, and the hosts of the grant.
async fn hosts(policy: &Policy) -> Hosts {
    let root = Root::new();
    let world = world(policy, &root).await;
    let (api, git) =
        (root.serve("api.github.com", &["h2", "http/1.1"]).await, root.serve("github.com", &["http/1.1"]).await);
    world.host("api.github.com", "203.0.113.1:443", api.address);
    world.host("github.com", "203.0.113.2:443", git.address);
    Hosts { world, api, git }
}

impl World {
    async fn control(&self, request: Control) -> Result<Status, ControlError> {
        ask(self.state.path(), &request).await
    }

    pub async fn unlock(&self, name: &str, value: &str) -> Result<Status, ControlError> {
        self.give(name, value, false).await
    }

    async fn give(&self, name: &str, value: &str, restore: bool) -> Result<Status, ControlError> {
        let value = GrantValue { value: Secret::new(value.to_owned()), digest: Some("k hmac:1".into()), restore };
        self.control(Control::Unlock(BTreeMap::from([(name.parse().unwrap(), value)]))).await
    }
}

async fn unlocked(list: &[&str], grant: Grant) -> Hosts {
    let hosts = hosts(&policy(list, vec![grant])).await;
    let status = hosts.world.unlock("github", VALUE).await.unwrap();
    assert!(!status.grants[0].locked);
    hosts
}

#[tokio::test]
async fn the_granted_value_replaces_the_clients() {
    let Hosts { world, api, git } = unlocked(&[], github(&["me/x"], false)).await;
    let placeholder = github(&[], false).placeholder;
    let mut request = get("api.github.com", "/repos/me/x?access_token=foreign&page=2");
    request.headers_mut().append("authorization", format!("Bearer {placeholder}").parse().unwrap());
    request.headers_mut().append("authorization", "Bearer foreign".parse().unwrap());
    request.headers_mut().append("cookie", "session=foreign".parse().unwrap());
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
    let mut request = get("github.com", "/me/x.git/info/refs?service=git-upload-pack");
    let basic = STANDARD.encode(format!("me:{placeholder}"));
    request.headers_mut().insert("authorization", format!("Basic {basic}").parse().unwrap());
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
    let seen = api.seen.lock().unwrap().clone();
    assert_eq!(seen[0].line, "HTTP/1.1 GET /repos/me/x?page=2");
    let of = |headers: &http::HeaderMap| -> Vec<String> {
        headers.get_all("authorization").iter().map(|it| it.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&seen[0].headers), [format!("Bearer {VALUE}")]);
    assert!(!seen[0].headers.contains_key("cookie"));
    let basic = STANDARD.encode(format!("x-access-token:{VALUE}"));
    assert_eq!(of(&git.seen.lock().unwrap()[0].headers), [format!("Basic {basic}")]);
    // A client without a credential gets it as well, but no session.
    let response =
        send_http1(world.agent("api.github.com", &[]).await, get("api.github.com", "/repos/ME/X/pulls")).await;
    assert_eq!((response.status(), response.headers().get("set-cookie")), (StatusCode::OK, None));
    drop(response);
    let status = world.status().await;
    assert_eq!((status.grants[0].uses, status.grants[0].last_used.is_some()), (3, true));
    let log = world.log().await;
    let used: Vec<&str> = log.iter().filter_map(|entry| Some(entry.grant.as_ref()?.as_str())).collect();
    assert_eq!(used, ["github"; 6], "each exchange has two lines");
    assert_eq!(summary(&log[0]), "agent api.github.com:443 GET /repos/me/x allow grant github");
}

#[tokio::test]
async fn ungranted_requests_are_refused() {
    let Hosts { world, api, git } = unlocked(&["@github"], github(&["me/x"], false)).await;
    for (host, method, path) in [
        ("api.github.com", "GET", "/repos/me/other"),
        ("api.github.com", "POST", "/repos/me/x/pulls"),
        ("api.github.com", "GET", "/user"),
        ("api.github.com", "POST", "/graphql"),
        ("api.github.com", "GET", "/repos/me/x/../other"),
        ("api.github.com", "GET", "/repos/me%2fx"),
        ("github.com", "GET", "/me/other.git/info/refs"),
        ("github.com", "POST", "/me/x.git/git-receive-pack"),
    ] {
        let mut request = get(host, path);
        *request.method_mut() = method.parse().unwrap();
        request.headers_mut().insert("authorization", "Bearer foreign".parse().unwrap());
        assert_eq!(world.ask(request).await.0, StatusCode::FORBIDDEN, "{method} {host}{path}");
    }
    let seen = (api.seen.lock().unwrap().len(), git.seen.lock().unwrap().len());
    assert_eq!(seen, (0, 0));
    assert_eq!(world.status().await.grants[0].uses, 0);
}

#[tokio::test]
async fn a_request_that_only_a_rule_allows_carries_no_credential() {
    let Hosts { world, git, .. } = unlocked(&["github.com: allow GET /other/**"], github(&["me/x"], false)).await;
    let mut request = get("github.com", "/other/y.git/info/refs");
    request.headers_mut().insert("authorization", "Bearer foreign".parse().unwrap());
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
    assert!(!git.seen.lock().unwrap()[0].headers.contains_key("authorization"));
    assert!(world.log().await[0].grant.is_none());
}

#[tokio::test]
async fn a_method_that_reflects_headers_is_refused() {
    let Hosts { world, api, .. } = unlocked(&[], github(&[], true)).await;
    let mut request = get("api.github.com", "/user");
    *request.method_mut() = http::Method::TRACE;
    assert_eq!(world.ask(request).await.0, StatusCode::FORBIDDEN);
    assert!(api.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_gateway_is_locked_until_it_gets_values_and_again_after_a_restart() {
    let Hosts { world, api, .. } = hosts(&policy(&[], vec![github(&[], false)])).await;
    let ask = async |world: &World| world.ask(get("api.github.com", "/user")).await;
    let locked = async |world: &World| {
        assert!(world.status().await.grants[0].locked);
        let (status, body) = ask(world).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("`github`") && body.contains("moat apply"), "{body}");
    };
    locked(&world).await;
    world.unlock("github", VALUE).await.unwrap();
    assert_eq!(ask(&world).await.0, StatusCode::OK);
    let world = world.restart().await;
    locked(&world).await;
    world.unlock("github", VALUE).await.unwrap();
    assert_eq!(ask(&world).await.0, StatusCode::OK);
    world.control(Control::Revoke(vec!["github".parse().unwrap()])).await.unwrap();
    locked(&world).await;
    assert_eq!(api.seen.lock().unwrap().len(), 2);
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert!(log.contains(&"agent api.github.com:443 GET /user deny locked".to_owned()), "{log:?}");
}

#[tokio::test]
async fn a_revoked_grant_stays_locked_until_it_is_restored_or_leaves_the_policy() {
    let both = policy(&[], vec![github(&[], false)]);
    let Hosts { world, .. } = hosts(&both).await;
    world.control(Control::Revoke(vec!["github".parse().unwrap()])).await.unwrap();
    let is_revoked = |status: &Status| {
        let grant = &status.grants[0];
        assert!(grant.locked == grant.revoked && grant.digest.is_some() != grant.locked, "{grant:?}");
        grant.revoked
    };
    assert!(is_revoked(&world.unlock("github", VALUE).await.unwrap()), "an unlock that knows nothing of it");
    let world = world.restart().await;
    assert!(is_revoked(&world.unlock("github", VALUE).await.unwrap()), "it is kept over a restart");
    assert!(!is_revoked(&world.give("github", VALUE, true).await.unwrap()));
    world.control(Control::Revoke(vec!["github".parse().unwrap()])).await.unwrap();
    world.set(&policy(&[], Vec::new())).await;
    world.set(&both).await;
    assert!(!is_revoked(&world.unlock("github", VALUE).await.unwrap()), "it is another grant");
    assert!(world.control(Control::Revoke(vec!["npm".parse().unwrap()])).await.is_err());
}

#[tokio::test]
async fn a_refused_credential_is_in_the_status() {
    let Hosts { world, .. } = unlocked(&[], github(&[], false)).await;
    assert_eq!(world.ask(get("api.github.com", "/user")).await.0, StatusCode::OK);
    assert_eq!(world.status().await.grants[0].refused, None);
    assert_eq!(world.ask(get("api.github.com", "/expired")).await.0, StatusCode::UNAUTHORIZED);
    let grant = world.status().await.grants[0].clone();
    assert!(grant.refused.is_some() && !grant.locked && grant.uses == 2, "{grant:?}");
    // The same value is as refused as before; another one is not known to be.
    assert_eq!(world.unlock("github", VALUE).await.unwrap().grants[0].refused, grant.refused);
    assert_eq!(world.unlock("github", "ghp_another").await.unwrap().grants[0].refused, None);
}

#[tokio::test]
async fn another_grant_of_the_same_name_is_locked() {
    let Hosts { world, .. } = unlocked(&[], github(&["me/x"], false)).await;
    let wider = policy(&[], vec![github(&["me/x", "me/y"], false)]);
    assert!(world.set(&wider).await.grants[0].locked, "the value was given for less");
    assert_eq!(world.ask(get("api.github.com", "/repos/me/y")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    world.unlock("github", VALUE).await.unwrap();
    // What does not concern the grant leaves it unlocked.
    let status = world.set(&policy(&["a.example"], vec![github(&["me/x", "me/y"], false)])).await;
    assert!(!status.grants[0].locked);
}

#[tokio::test]
async fn revoking_or_locking_a_grant_cuts_its_connections() {
    for lock in [true, false] {
        let Hosts { world, .. } = unlocked(&[], github(&[], false)).await;
        let mut response = send_http1(world.agent("api.github.com", &[]).await, get("api.github.com", "/events")).await;
        response.frame().await.unwrap().unwrap();
        if lock {
            world.control(Control::Revoke(vec!["github".parse().unwrap()])).await.unwrap();
        } else {
            // The request itself would still be allowed, without the credential.
            world.set(&policy(&["api.github.com"], Vec::new())).await;
        }
        assert!(response.frame().await.unwrap().is_err(), "cut");
        let log: Vec<String> = world.log().await.iter().map(summary).collect();
        assert!(log.last().unwrap().contains(" revoked "), "{log:?}");
    }
}

#[tokio::test]
async fn a_placeholder_is_refused_at_other_hosts() {
    let Hosts { world, .. } = unlocked(&["evil.example", "evil.example: allow * /**"], github(&[], false)).await;
    let server = servers::http("evil").await;
    world.host("evil.example", "203.0.113.66:80", server.address);
    world.host("plain.example", "203.0.113.66:80", server.address);
    let placeholder = github(&[], false).placeholder;
    let basic = STANDARD.encode(format!("x:{placeholder}"));
    let say = async |text: &str| {
        let mut stream = TcpStream::connect(world.gateway.proxy()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    };
    for (header, path) in [
        (format!("Authorization: Bearer {placeholder}"), "/".to_owned()),
        (format!("X-Other: {placeholder}"), "/".to_owned()),
        (format!("Authorization: basic {basic}"), "/".to_owned()),
        ("X-Other: y".to_owned(), format!("/?token={placeholder}")),
    ] {
        let head = format!("GET http://evil.example{path} HTTP/1.1\r\nHost: evil.example\r\n{header}\r\n\r\n");
        let answer = say(&head).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("placeholder"), "{answer}");
    }
    // On port 80, too.
    world.set(&policy(&["plain.example"], vec![github(&[], false)])).await;
    let head = format!("GET / HTTP/1.1\r\nHost: plain.example\r\nAuthorization: Bearer {placeholder}\r\n\r\n");
    assert!(world.say(&head).await.contains("placeholder"));
    assert!(server.heads.lock().unwrap().is_empty());
    assert!(summary(world.log().await.last().unwrap()).ends_with("deny placeholder"));
}

#[tokio::test]
async fn credentials_are_sent_over_tls_on_the_agent_plane_only() {
    let Hosts { world, .. } = unlocked(&["@github"], github(&[], true)).await;
    let server = servers::http("plain").await;
    world.host("api.github.com", "203.0.113.1:80", server.address);
    for (request, expected) in
        [("GET http://api.github.com/user", "HTTP/1.1 403 "), ("GET http://api.github.com:443/user", "HTTP/1.1 400 ")]
    {
        let mut stream = TcpStream::connect(world.gateway.proxy()).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(answer.starts_with(expected), "{request}: {answer}");
    }
    assert!(world.say("GET /user HTTP/1.1\r\nHost: api.github.com\r\n\r\n").await.contains("HTTPS_PROXY"));
    let any = servers::tls("any.example").await;
    let stream = world.tls().await;
    assert!(connector(&any.certificate).connect(server_name("api.github.com"), stream).await.is_err());
    world.assert_nothing_got_out();
}

#[tokio::test]
async fn values_are_refused_without_being_quoted() {
    let Hosts { world, .. } = unlocked(&[], github(&[], false)).await;
    for (name, value) in [
        ("npm", VALUE.to_owned()),
        ("github", String::new()),
        ("github", format!("{VALUE}\nx")),
        ("github", format!("{VALUE} x")),
        ("github", "x".repeat(20_000)),
    ] {
        let error = world.unlock(name, &value).await.unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains(VALUE), "{error}");
    }
    // The value from before is still there.
    assert_eq!(world.ask(get("api.github.com", "/user")).await.0, StatusCode::OK);
    let mut stream = tokio::net::UnixStream::connect(world.state.path().join("control.sock")).await.unwrap();
    stream.write_all(format!("{{\"unlock\": \"{VALUE}\"}}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert_eq!(answer, r#"{"error":"the values are not readable"}"#);
}

#[tokio::test]
async fn the_value_is_in_no_file_and_no_answer_of_the_gateway() {
    let Hosts { world, .. } = unlocked(&[], github(&["me/x"], true)).await;
    for path in ["/repos/me/x", "/repos/me/other", "/repos/me/x/../y"] {
        let mut request = get("api.github.com", path);
        request.headers_mut().insert("x-other", VALUE.parse().unwrap());
        world.ask(request).await;
    }
    let (_, body) =
        text(send_http1(world.agent("api.github.com", &[]).await, get("api.github.com", "/repos/me/x")).await).await;
    assert!(!body.contains(VALUE));
    world.set(&policy(&["a.example"], vec![github(&["me/x"], true)])).await;
    let status = serde_json::to_string(&world.status().await).unwrap();
    assert!(status.contains(r#""grants":[{"name":"github","locked":false,"digest":"k hmac:1","uses":2"#), "{status}");
    let encoded = STANDARD.encode(format!("x-access-token:{VALUE}"));
    let has = |text: &[u8]| [VALUE, &encoded].iter().any(|it| text.windows(it.len()).any(|part| part == it.as_bytes()));
    assert!(!has(status.as_bytes()));
    assert!(world.log().await.len() >= 4);
    let mut files = 0;
    for entry in std::fs::read_dir(world.state.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            assert!(!has(&std::fs::read(&path).unwrap()), "{}", path.display());
        }
    }
    assert!(files >= 2, "the policy and the log");
    assert!(!has(&std::fs::read("/proc/self/environ").unwrap()));
    assert!(!format!("{:?}", Secret::new(VALUE.into())).contains(VALUE));
}
