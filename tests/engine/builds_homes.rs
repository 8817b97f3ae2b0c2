//! Builds run on the sidecar whatever the home directory, the configuration and the user are.

use testkit::sandbox::Sandbox;

use crate::builds::{builds_on_the_sidecar, shared};

#[test]
fn another_configuration() {
    // CI logs in this way.
    let build = "export DOCKER_CONFIG=$(mktemp -d); docker build -t configuration .";
    builds_on_the_sidecar(&shared(), "configuration", build);
    builds_on_the_sidecar(&shared(), "buildx-config", "BUILDX_CONFIG=$(mktemp -d) docker build -t buildx-config .");
}

#[test]
fn another_home() {
    builds_on_the_sidecar(&shared(), "home", "HOME=/tmp/home docker build -t home .");
    builds_on_the_sidecar(&shared(), "no-home", "env -u HOME docker build -t no-home .");
    let compose = "printf 'services: {a: {build: ., image: home-compose}}\\n' >compose.yaml; \
                   HOME=$(mktemp -d) docker compose build -q";
    builds_on_the_sidecar(&shared(), "home-compose", compose);
}

/// A command as another user, with the environment.
fn as_user(id: u32, command: &str) -> String {
    format!("setpriv --reuid {id} --regid $(stat -c %g /var/run/docker.sock) --clear-groups {command}")
}

#[test]
fn a_user_without_a_home() {
    builds_on_the_sidecar(&shared(), "nobody", &as_user(4321, "env HOME=/ docker build -t nobody ."));
}

#[test]
fn a_user_created_after_the_start() {
    let sandbox: &Sandbox = &shared();
    sandbox.sh_ok("useradd --create-home --gid $(stat -c %g /var/run/docker.sock) late");
    builds_on_the_sidecar(sandbox, "late", "su late -c 'docker build -t late .'");
    builds_on_the_sidecar(sandbox, "late-login", "su - late -c 'docker build -t late-login /ctx/late-login'");
    // Neither an environment nor a file in the home directory names the builder.
    let lost = "rm -r /home/late/.docker; su late -c 'env -i HOME=/home/late PATH=$PATH docker build -t late-lost .'";
    builds_on_the_sidecar(sandbox, "late-lost", lost);
    assert_eq!(sandbox.sh_ok("find /home/late/.docker ! -user late"), "", "files that are not their owner's");
}
