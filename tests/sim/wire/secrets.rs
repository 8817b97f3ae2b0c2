//! Secrets are not logged, not even by libraries at their most verbose level.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};
use moat_docker::{Docker, Environment};
use moat_model::engine::Engine;
use moat_model::resource::{ContainerId, FileConfig, ImageRef};
use testkit::changes::Changes;

use super::calls::create;
use super::fake::{Fake, Reply};

/// All log messages of this process.
static HEARD: Mutex<String> = Mutex::new(String::new());

struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut heard = HEARD.lock().expect("the lock is not poisoned");
        writeln!(heard, "{} {}", record.target(), record.args()).expect("a text takes all");
    }

    fn flush(&self) {}
}

/// A user with docker credentials.
struct User(PathBuf);

impl Environment for User {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "DOCKER_CONFIG").then(|| self.0.display().to_string())
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

const SECRET: &str = "correct-horse-battery";

#[tokio::test]
async fn no_secret_is_logged() {
    log::set_logger(&Listener).expect("the only logger");
    log::set_max_level(LevelFilter::Trace);
    let home = tempfile::tempdir().expect("a directory");
    // auth: user:correct-horse-battery
    let config = r#"{"auths":{"box:5000":{"auth":"dXNlcjpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="}}}"#;
    std::fs::write(home.path().join("config.json"), config).expect("written");
    let fake = Fake::start(|request| match request.line.as_str() {
        line if line.contains("/containers/create") => Some(Reply::Json(201, r#"{"Id":"c1"}"#.to_owned())),
        line if line.contains("/images/moby/") => Some(Reply::Json(200, r#"{"Id":"i1"}"#.to_owned())),
        line if line.ends_with("/exec") => Some(Reply::Json(201, r#"{"Id":"e1"}"#.to_owned())),
        line if line.ends_with("/exec/e1/start") => Some(Reply::Hijack(Vec::new())),
        line if line.ends_with("/exec/e1/json") => Some(Reply::Json(200, r#"{"ExitCode":0}"#.to_owned())),
        line if line.contains("/distribution/") => {
            Some(Reply::Json(200, r#"{"Descriptor":{"digest":"sha256:1"}}"#.to_owned()))
        }
        "GET /_ping" => None,
        _ => Some(Reply::Json(200, String::new())),
    });
    let docker = Docker::connect_to(fake.located(), &User(home.path().into())).await.expect("it answers");

    let mut wanted = create();
    wanted.config.env.insert("TOKEN".to_owned(), SECRET.to_owned());
    let id = docker.create_container(&wanted).await.expect("created");
    let file = FileConfig { path: "/token".to_owned(), mode: 0o600, content: SECRET.to_owned() };
    docker.upload(&id, &[file]).await.expect("uploaded");
    docker.exec(&id, &["login".to_owned(), SECRET.to_owned()]).await.expect("it ran");
    docker.pull(&ImageRef::parse("box:5000/a").expect("valid"), &|_| {}).await.expect("pulled");
    docker.registry_digest(&ImageRef::parse("box:5000/a").expect("valid")).await.expect("asked");
    docker.start(&ContainerId::new("c1")).await.expect("started");

    let sent = fake.seen();
    let carries = |part: &str| sent.iter().find(|request| request.line.contains(part)).expect("it was sent");
    for part in ["/containers/create", "/archive", "/exec"] {
        assert!(String::from_utf8_lossy(&carries(part).body).contains(SECRET), "{part} carries it");
    }
    let auth = carries("/images/create").header("x-registry-auth").expect("credentials").to_owned();
    assert_eq!(carries("/distribution/").header("x-registry-auth"), Some(auth.as_str()), "asked as it is pulled");

    let heard = HEARD.lock().expect("the lock is not poisoned");
    assert!(heard.contains("bollard"), "bollard is talkative: {heard}");
    for secret in [SECRET, &auth, "dXNlcjpjb3JyZWN0"] {
        assert!(!heard.contains(secret), "{heard}");
    }
}
