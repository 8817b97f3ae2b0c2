//! Mirrors and certificates of CAs apply to the inner daemon and the build sidecar.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use testkit::run::until;
use testkit::sandbox::{DIND, Sandbox};

/// Writes `ca.pem`, and the certificate of a host with its key.
fn certificates(sandbox: &Sandbox, host: &str) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Otherwise both have one name, and the certificate appears to be signed by itself.
    params.distinguished_name.push(DnType::CommonName, "a CA");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &ca).expect("a certificate");
    let folder = sandbox.path().join("tls");
    fs::create_dir(&folder).expect("a folder");
    fs::write(sandbox.path().join("ca.pem"), ca.pem()).expect("a file");
    fs::write(folder.join("cert.pem"), certificate.pem()).expect("a file");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("a file");
}

#[test]
fn a_registry_with_its_own_ca() {
    let spec = format!("{DIND}mounts: ['./tls:/tls:ro']\nregistries: {{ca_certificates: ca.pem}}\n");
    let sandbox = Sandbox::new(&spec);
    // The name of main, where the registry runs.
    let host = format!("moat-{}", sandbox.run_id());
    certificates(&sandbox, &host);
    sandbox.apply();
    let config = "version: 0.1\\nstorage: {filesystem: {rootdirectory: /srv/registry}}\\n\
                  http: {addr: \":5000\", tls: {certificate: /tls/cert.pem, key: /tls/key.pem}}\\n";
    sandbox.sh_ok(&format!(
        "printf '{config}' >/registry.yml; setsid docker-registry serve /registry.yml >/dev/null 2>&1 </dev/null &"
    ));
    let image = format!("{host}:5000/own/busybox");
    sandbox.sh_ok(&format!("docker pull -q busybox; docker tag busybox {image}"));
    assert!(
        until(|| sandbox.sh(&format!("docker push -q {image}")).code == 0),
        "{}",
        sandbox.sh(&format!("docker push {image}"))
    );
    sandbox.sh_ok(&format!("docker rmi {image}; docker pull -q {image}"));
    sandbox.sh_ok(&format!("printf 'FROM {image}\\nRUN true\\n' | docker build --pull -q -"));
    sandbox.sh_ok(&format!("openssl s_client -verify_return_error -connect {host}:5000 </dev/null"));

    // Without the key, they are no longer trusted.
    sandbox.rewrite(&spec.replace("registries: {ca_certificates: ca.pem}", ""));
    sandbox.apply();
    let missing = sandbox.docker_exec("buildkit", &["find", "/etc/ssl/certs", "-name", "moat*"]);
    assert_eq!(missing, "");
}

#[test]
fn mirrors_of_both() {
    let mirrors = "registries:\n  mirrors:\n    docker.io: http://10.213.213.1:5000\n    \
                   registry.example: [https://one.example, 'two.example:81']\n";
    let sandbox = Sandbox::new(&format!("build: .\ndependencies: [docker:dind]\n{mirrors}"));
    // Without the lab's own mirror.
    let dockerfile = "FROM docker:dind\nRUN echo '{}' >/etc/docker/daemon.json\n";
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
    sandbox.apply();
    sandbox.sh_ok("docker pull -q busybox");
    let config = sandbox.docker_exec("buildkit", &["cat", "/etc/buildkit/buildkitd.toml"]);
    for part in [
        "[registry.\"docker.io\"]\nmirrors = [\"10.213.213.1:5000\"]",
        "[registry.\"10.213.213.1:5000\"]\nhttp = true",
        "mirrors = [\"one.example\", \"two.example:81\"]",
        "nameservers = [\"127.0.0.11\"]",
    ] {
        assert!(config.contains(part), "{part}: {config}");
    }
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
}
