//! An engine over ssh: with a local stand-in for `ssh`, and docker's real `dial-stdio`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use moat_docker::{Asked, Docker};
use moat_model::engine::{Engine, Filter};

use super::lab::variable;

/// Runs the test below in a separate process, whose `ssh` is `script`.
fn with_ssh(script: &str) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let program = dir.path().join("ssh");
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "docker::ssh::the_engine_behind_ssh", "--ignored", "--nocapture"])
        .env("PATH", format!("{}:{path}", dir.path().display()))
        .output()
        .expect("it ran");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
#[ignore = "is run by the others, with an `ssh` of theirs"]
async fn the_engine_behind_ssh() {
    let docker = match Docker::connect(Asked::Address("ssh://me@box")).await {
        Ok(docker) => docker,
        Err(error) => panic!("{error}; {}", error.hint),
    };
    let lists = (0..6).map(|_| docker.networks(&Filter::Ours));
    for list in futures_util::future::join_all(lists).await {
        list.expect("a list");
    }
}

#[test]
fn an_engine_over_ssh_works_like_a_local_one() {
    let docker = variable("MOAT_LAB_DOCKER").expect("the lab has docker's command line");
    let host = variable("DOCKER_HOST").expect("the lab has an engine");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'-l me -- box docker system dial-stdio') ;; *) echo \"not so: $*\" >&2; exit 1 ;; esac\n\
         echo 'Welcome to box' >&2\nDOCKER_HOST='{host}' exec '{docker}' system dial-stdio\n"
    );
    let (success, said) = with_ssh(&script);
    assert!(success && said.contains("1 passed"), "{said}");
}

#[test]
fn errors_of_ssh_are_reported() {
    let (success, said) = with_ssh("#!/bin/sh\necho 'me@box: Permission denied (publickey).' >&2\nexit 255\n");
    assert!(!success);
    let expected = "cannot use docker at `ssh://me@box` (from --host): me@box: Permission denied (publickey).; `ssh box docker version` must work";
    assert!(said.contains(expected), "{said}");
}
