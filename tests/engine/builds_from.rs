//! Builds on the sidecar start from the images of the inner daemon, as they would on the daemon's own builder.

use std::fs;

use testkit::sandbox::Sandbox;

use crate::builds::{Kept, shared};

/// Runs a script in a new folder. It stops at the first command that fails.
fn script(sandbox: &Sandbox, script: &str) -> String {
    sandbox.sh_ok(&format!("set -e; dir=$(mktemp -d); cd $dir; {script}"))
}

/// Builds the image TAG, which has the file `/mine` with a text.
fn local(tag: &str, text: &str) -> String {
    format!("printf 'FROM busybox\\nRUN echo {text} >/mine\\n' | docker build -q -t {tag} - >/dev/null; ")
}

/// Builds a Dockerfile on the sidecar, whose `/mine` must have a text.
fn starts_from(sandbox: &Sandbox, image: &str, text: &str) {
    let before = Kept::now(sandbox).sidecar_builds;
    script(sandbox, &format!("printf 'FROM {image}\\nRUN grep -x {text} /mine\\n' | docker build -q -"));
    assert_eq!(Kept::now(sandbox).sidecar_builds, before + 1, "builds in the sidecar's history: {image}");
}

#[test]
fn an_image_by_any_of_its_names() {
    let sandbox = shared();
    script(&sandbox, &local("any -t registry.example:5000/team/any:1", "any"));
    let id = sandbox.sh_ok("docker image inspect -f '{{.Id}}' any");
    let short = sandbox.sh_ok("docker image ls -q any");
    for name in ["any", "any:latest", "docker.io/library/any", "registry.example:5000/team/any:1", &id, &short] {
        starts_from(&sandbox, name, "any");
    }
}

#[test]
fn an_image_from_any_source() {
    let sandbox = shared();
    script(&sandbox, &format!("{}docker tag source source-tag", local("source", "made")));
    starts_from(&sandbox, "source-tag", "made");

    let commit = "docker run --name source source sh -c 'echo committed >/mine'; docker commit source source-commit; \
                  docker rm source";
    script(&sandbox, commit);
    starts_from(&sandbox, "source-commit", "committed");

    script(&sandbox, "docker save -o saved source-commit; docker rmi source-commit; docker load -i saved");
    starts_from(&sandbox, "source-commit", "committed");

    let registry = "10.213.213.1:5000";
    script(&sandbox, &format!("docker pull -q {registry}/library/busybox"));
    script(&sandbox, &format!("printf 'FROM {registry}/library/busybox\\nRUN test ! -e /mine\\n' | docker build -q -"));
}

#[test]
fn a_local_image_wins_over_the_registry() {
    let sandbox = shared();
    script(&sandbox, &format!("{}docker tag wins lab/silent:latest", local("wins", "local")));
    starts_from(&sandbox, "lab/silent", "local");

    // `--pull` asks for the registry's.
    script(&sandbox, "printf 'FROM lab/silent\\nRUN test ! -e /mine\\n' | docker build --pull -q -");
    // An image that the daemon does not have comes from the registry.
    script(&sandbox, "docker rmi lab/silent; printf 'FROM lab/silent\\nRUN test ! -e /mine\\n' | docker build -q -");
}

#[test]
fn an_image_in_any_instruction() {
    let sandbox = shared();
    let dockerfile = "# A comment with FROM nothing\\n\
                      ARG NAME=nothing TAG=latest\\n\
                      from --platform=$BUILDPLATFORM ${NAME}:${TAG:-none} as first\\n\
                      RUN grep -x one /mine\\n\
                      FROM busybox\\n\
                      COPY --from=every-two --chmod=600 /mine /two\\n\
                      COPY --from=first /mine /one\\n\
                      RUN --mount=type=bind,from=every-two,target=/mnt \\\\\\\\\\n  \
                      --mount=from=every-one,source=/mine,target=/m \\\\\\\\\\n  \
                      cat /mnt/mine /m /one /two >/all\\n\
                      CMD cat /all\\n";
    let write = format!("printf '{dockerfile}' | sed 's/\\\\\\\\$/\\\\/' >Dockerfile; ");
    let images = format!("{}{}", local("every-one", "one"), local("every-two", "two"));
    for (way, build) in [
        ("a folder", "docker build --build-arg NAME=every-one -t every ."),
        ("a variable", "NAME=every-one docker build --build-arg NAME -t every ."),
        ("another file", "mv Dockerfile d; docker build -f d --build-arg=NAME=every-one . -t every"),
        ("standard input", "docker build --build-arg NAME=every-one -t every - <Dockerfile"),
        ("standard input and a folder", "docker build -t every --build-arg NAME=every-one -f - . <Dockerfile"),
        ("an archive", "tar -c Dockerfile | docker build --build-arg NAME=every-one -t every -"),
        ("buildx", "docker buildx build --build-arg NAME=every-one -t every ."),
    ] {
        script(&sandbox, &format!("docker rmi -f every; {images}{write}{build}"));
        assert_eq!(sandbox.sh_ok("docker run --rm every"), "two\none\none\ntwo", "{way}");
    }
}

#[test]
fn a_stage_wins_over_an_image_of_its_name() {
    let sandbox = shared();
    let dockerfile = "FROM busybox AS shadow\\nRUN echo stage >/mine\\nFROM shadow\\nRUN grep -x stage /mine\\n";
    script(&sandbox, &format!("{}printf '{dockerfile}' | docker build -q -", local("shadow", "image")));
}

#[test]
fn an_image_of_another_platform_is_not_used() {
    let sandbox = shared();
    script(&sandbox, &local("platform", "here"));
    let there = "printf 'FROM --platform=linux/amd64 platform\\n' | docker build -q -";
    script(&sandbox, there);
    // No registry has this image.
    for elsewhere in [
        "printf 'FROM --platform=linux/s390x platform\\n' | docker build -q -",
        "printf 'FROM platform\\n' | docker build -q --platform linux/s390x -",
        "printf 'FROM platform\\n' | DOCKER_DEFAULT_PLATFORM=linux/s390x docker build -q -",
    ] {
        let build = sandbox.sh(elsewhere);
        assert!(build.code != 0 && build.stderr.contains("failed to resolve source metadata"), "{elsewhere}: {build}");
    }
}

#[test]
fn named_contexts_of_the_user() {
    let sandbox = shared();
    let image = local("named", "named");
    let from = "printf 'FROM base\\nRUN grep -x named /mine\\n' | docker build -q";
    script(&sandbox, &format!("{image}{from} --build-context base=docker-image://named -"));
    script(&sandbox, &format!("{image}{from} --build-context=base=docker-image://named -"));
}

#[test]
fn bake_and_compose() {
    let sandbox = shared();
    let bake = "target \"file\" {\n  args = { NAME = \"baked\" }\n  tags = [\"baked-file\"]\n}\n\
                target \"inline\" {\n  dockerfile-inline = <<EOT\nFROM baked\nRUN grep -x baked /mine && echo \"<&>\"\nEOT\n}\n\
                target \"context\" {\n  contexts = { other = \"docker-image://baked\" }\n  \
                dockerfile-inline = \"FROM other\\nRUN grep -x baked /mine\"\n}\n";
    let compose = "name: chain\nservices:\n  one:\n    image: registry.example/chain:1\n    build:\n      \
                   dockerfile_inline: |\n        FROM baked\n        RUN echo chain >/mine\n  two:\n    \
                   image: chain-two\n    build: {context: two, args: {NAME: 'registry.example/chain:1'}}\n";
    let write = "mkdir -p two; printf 'ARG NAME\\nFROM ${NAME}\\nRUN cat /mine >/seen\\nCMD cat /seen\\n' | tee two/Dockerfile >Dockerfile; ";
    let files = format!("cat >docker-bake.hcl <<'END'\n{bake}END\ncat >compose.yaml <<'END'\n{compose}END\n");
    script(
        &sandbox,
        &format!(
            "{}{write}{files}docker buildx bake --progress=quiet file inline context 2>&1\n\
             docker buildx bake --progress=quiet -f - file <docker-bake.hcl 2>&1\n\
             docker compose build -q one 2>&1; docker compose build -q two 2>&1",
            local("baked", "baked")
        ),
    );
    assert_eq!(sandbox.sh_ok("docker run --rm baked-file; docker run --rm chain-two"), "baked\nchain");
}

#[test]
fn an_image_that_changes_and_builds_at_the_same_time() {
    let sandbox = shared();
    let each = "printf 'FROM busybox\\nRUN echo '$i' >/mine\\n' | docker build -q -t changes -; \
                printf 'FROM changes\\nRUN grep -x '$i' /mine\\n' | docker build -q -";
    script(&sandbox, &format!("for i in 1 2 3; do {each}; done"));
    let many = "for i in 1 2 3 4; do (printf 'FROM changes\\nRUN echo '$i' && grep -x 3 /mine\\n' | \
                docker build -q -t many-$i -) & pids=\"$pids $!\"; done; for pid in $pids; do wait $pid; done";
    script(&sandbox, many);
}

#[test]
fn a_user_without_access_to_the_blobs() {
    let sandbox = shared();
    let build = "printf 'FROM unprivileged\\nRUN grep -x mine /mine\\n' | docker build -q -";
    let user = "setpriv --reuid 4321 --regid $(stat -c %g /var/run/docker.sock) --clear-groups env HOME=/nowhere";
    script(&sandbox, &format!("{}{user} sh -c \"{build}\"", local("unprivileged", "mine")));
}

/// A daemon that keeps its images in containerd, as new ones of Docker 29 do, and has its own address.
#[test]
fn a_daemon_with_the_containerd_store_copies_nothing() {
    let sandbox = Sandbox::new("build: .\ndependencies: [docker:dind]\n");
    let settings = r#"s/^{/{"features": {"containerd-snapshotter": true}, "bip": "10.198.0.1\/24", /"#;
    let dockerfile = format!("FROM docker:dind\nRUN sed -i '{settings}' /etc/docker/daemon.json\n");
    fs::write(sandbox.path().join("Dockerfile"), dockerfile).expect("a Dockerfile");
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("docker info -f '{{.Driver}}'"), "overlayfs");
    script(&sandbox, &local("store", "stored"));
    starts_from(&sandbox, "store", "stored");
    assert_eq!(sandbox.sh_ok("find /var/tmp -type f"), "");
    let address = sandbox.sh_ok("docker run --rm busybox ip route");
    assert!(address.contains("10.198.0."), "{address}");
}
