//! Programs that people use, through the agent plane.

use std::path::Path;
use std::process::Output;

use moat_policy::grant::find;
use moat_policy::{GrantOptions, Mode};
use tokio::process::Command;

use super::agent::{rules, world};
use super::grants::VALUE;
use super::origin::Root;
use super::world::{World, summary};

/// A command as in a sandbox: only the proxy, the authority of the gateway and the placeholder.
async fn run(world: &World, folder: &Path, words: &[&str]) -> Output {
    let authority = folder.join("authority.pem");
    std::fs::write(&authority, world.status().await.authority).unwrap();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder).env_clear();
    for (name, value) in [
        ("PATH", std::env::var("PATH").unwrap()),
        ("HOME", folder.display().to_string()),
        ("HTTPS_PROXY", format!("http://{}", world.gateway.proxy())),
        ("GIT_SSL_CAINFO", authority.display().to_string()),
        ("CURL_CA_BUNDLE", authority.display().to_string()),
        ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ("GIT_AUTHOR_NAME", "me".to_owned()),
        ("GIT_AUTHOR_EMAIL", "me@example.com".to_owned()),
        ("GIT_COMMITTER_NAME", "me".to_owned()),
        ("GIT_COMMITTER_EMAIL", "me@example.com".to_owned()),
    ] {
        command.env(name, value);
    }
    command.output().await.unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn git_clones_and_pushes_what_is_granted_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let root = Root::new();
    let github = |write| {
        let options = GrantOptions { repos: vec!["me/app".parse().unwrap()], write };
        find("github").unwrap().grant(&options).unwrap()
    };
    let world = world(&rules(Mode::Strict, &[]).with_grants(vec![github(false)]).unwrap(), &root).await;
    let origin = root.serve("github.com", &["h2", "http/1.1"]).await;
    world.host("github.com", "203.0.113.1:443", origin.address);
    *origin.repositories.lock().unwrap() = Some(at.join("served"));
    for name in ["app", "other"] {
        let made = run(&world, at, &["git", "init", "-q", "--bare", &format!("served/me/{name}.git")]).await;
        assert!(made.status.success(), "{}", err(&made));
    }
    world.unlock("github", VALUE).await.unwrap();
    let cloned = run(&world, at, &["git", "clone", "-q", "https://github.com/me/app.git", "work"]).await;
    assert!(cloned.status.success(), "{}", err(&cloned));
    let other = run(&world, at, &["git", "clone", "-q", "https://github.com/me/other.git", "other"]).await;
    assert!(err(&other).contains("403"), "{}", err(&other));
    // More than git sends in one piece.
    let noise: Vec<u8> = (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    std::fs::write(at.join("work/noise"), noise).unwrap();
    for words in [&["git", "add", "."][..], &["git", "commit", "-q", "-m", "noise"]] {
        assert!(run(&world, &at.join("work"), words).await.status.success());
    }
    let push = ["git", "push", "-q", "origin", "HEAD:main"];
    let refused = run(&world, &at.join("work"), &push).await;
    assert!(err(&refused).contains("403"), "{}", err(&refused));
    world.set(&rules(Mode::Strict, &[]).with_grants(vec![github(true)]).unwrap()).await;
    world.unlock("github", VALUE).await.unwrap();
    let pushed = run(&world, &at.join("work"), &push).await;
    assert!(pushed.status.success(), "{}", err(&pushed));
    let head = run(&world, &at.join("served/me/app.git"), &["git", "rev-parse", "main"]).await;
    assert!(head.status.success(), "the commit is there");
    let log: Vec<String> = world.log().await.iter().map(summary).collect();
    assert!(log.iter().any(|line| line.contains("POST /me/app.git/git-receive-pack allow grant github")), "{log:?}");
    let seen = origin.seen.lock().unwrap();
    assert!(seen.iter().all(|it| it.headers.contains_key("authorization") && !it.line.contains("other")));
}

#[tokio::test]
async fn curl_trusts_the_authority_and_takes_http2() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new();
    let world = world(&rules(Mode::Strict, &["api.example: allow GET /x/**"]), &root).await;
    let origin = root.serve("api.example", &["h2", "http/1.1"]).await;
    world.host("api.example", "203.0.113.1:443", origin.address);
    for (version, expected) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
        let words = ["curl", "-sS", version, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"];
        let got = run(&world, folder.path(), &[&words[..], &["https://api.example/x/y"]].concat()).await;
        assert_eq!(String::from_utf8_lossy(&got.stdout), expected, "{}", err(&got));
    }
    let denied = run(&world, folder.path(), &["curl", "-sS", "https://api.example/y"]).await;
    assert!(String::from_utf8_lossy(&denied.stdout).starts_with("moat: `GET /y` of `api.example` is denied"));
}
