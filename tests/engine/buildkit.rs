//! `build` with the engine's BuildKit: what only BuildKit can build, and that a closed sandbox stays closed.

use std::fs;

use testkit::engine::engine;
use testkit::run::Ran;
use testkit::sandbox::Sandbox;

/// What no image, label, log or plan may contain.
const TOKEN: &str = "hunter2-of-the-build";

fn sandbox(spec: &str, dockerfile: &str) -> Sandbox {
    let sandbox = Sandbox::new(spec);
    fs::create_dir(sandbox.path().join("image")).expect("a folder");
    fs::write(sandbox.path().join("image/Dockerfile"), dockerfile).expect("a file");
    fs::write(sandbox.path().join("image/file"), "of the context\n").expect("a file");
    fs::write(sandbox.path().join("token"), format!("{TOKEN}\n")).expect("a file");
    sandbox
}

fn image(sandbox: &Sandbox) -> String {
    sandbox.inspect("main", "{{.Config.Image}}")
}

fn remove(images: &[String]) {
    for image in images {
        engine().try_docker(&["rmi", "-f", image]);
    }
}

fn apply(sandbox: &Sandbox) -> Ran {
    sandbox.moat(&["apply", "--approve-all"]).run()
}

#[test]
fn features_of_buildkit_are_built() {
    // A builder without BuildKit fails at each of these; one that builds all stages fails at `unneeded`.
    let sandbox = sandbox(
        "build: image\n",
        "FROM busybox AS base\nFROM base AS unneeded\nRUN false\nFROM base\nARG TARGETARCH\n\
         RUN <<EOF\necho \"on $TARGETARCH\" >/arch\necho two >>/arch\nEOF\n\
         COPY --chmod=741 file /file\nCOPY <<EOF /written\nhere\nEOF\n",
    );
    let reported = sandbox.apply();
    assert!(reported.stderr.contains("RUN <<EOF"), "{reported}");
    let arch = engine().docker(&["version", "--format", "{{.Server.Arch}}"]);
    assert_eq!(sandbox.sh_ok("cat /arch /written"), format!("on {arch}\ntwo\nhere"));
    assert_eq!(sandbox.sh_ok("stat -c %a /file && cat /file"), "741\nof the context");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0, "a second apply changes nothing");
    remove(&[image(&sandbox)]);
}

#[test]
fn a_cache_survives_a_rebuild_and_belongs_to_the_agent() {
    let spec = |round: &str| format!("build: {{context: image, args: {{ROUND: {round}}}}}\n");
    let dockerfile = "FROM busybox\nARG ROUND\n\
         RUN --mount=type=cache,id=moat-test,target=/cache echo $ROUND >>/cache/rounds && cp /cache/rounds /rounds\n";
    let one = sandbox(&spec("a"), dockerfile);
    one.apply();
    let first = image(&one);
    one.rewrite(&spec("b"));
    one.apply();
    assert_eq!(one.sh_ok("cat /rounds"), "a\nb");
    // A sandbox that writes its own Dockerfile must not change what another one builds.
    let other = sandbox(&spec("c"), dockerfile);
    other.apply();
    assert_eq!(other.sh_ok("cat /rounds"), "c");
    remove(&[first, image(&one), image(&other)]);
}

#[test]
fn a_secret_is_in_its_step_and_nowhere_else() {
    let sandbox = sandbox(
        "build: {context: image, secrets: {token: 'file://token'}}\n",
        "FROM busybox\nRUN --mount=type=secret,id=token wc -c </run/secrets/token >/length\n",
    );
    let plan = sandbox.moat(&["plan"]).ok();
    let reported = sandbox.moat(&["apply", "--approve-all", "-vv"]).ok();
    assert_eq!(sandbox.sh_ok("cat /length; ls /run/secrets 2>/dev/null; env"), {
        let env = sandbox.sh_ok("env");
        format!("{}\n{env}", TOKEN.len())
    });
    let image = image(&sandbox);
    let saved = sandbox.path().join("saved");
    engine().docker(&["save", "-o", &saved.to_string_lossy(), &image]);
    let history = engine().docker(&["history", "--no-trunc", &image]);
    let inspected = engine().docker(&["inspect", &image, &sandbox.main()]);
    let shown = format!("{plan}{reported}{history}{inspected}{}", sandbox.sh_ok("env"));
    assert!(!shown.contains(TOKEN), "{shown}");
    let found = std::process::Command::new("grep")
        .args(["-rlaF", TOKEN])
        .args([&saved, &sandbox.home().join(".local")])
        .output()
        .expect("grep runs");
    assert_eq!((found.status.code(), String::from_utf8_lossy(&found.stdout).as_ref()), (Some(1), ""));

    // A new value is no other image; a new source needs an approval.
    fs::write(sandbox.path().join("token"), "other").expect("a file");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
    sandbox.rewrite("build: {context: image, secrets: {token: 'file://token', second: 'file://agent.yaml'}}\n");
    let refused = sandbox.moat(&["apply"]).run();
    assert!(refused.code == 77 && refused.stderr.contains("build.secret second"), "{refused}");
    // A sandbox that can write a script of its build must not get the secret in this way.
    sandbox.rewrite("build: {context: image, secrets: {token: 'file://token'}}\n");
    fs::write(sandbox.path().join("image/file"), "a script\n").expect("a file");
    let refused = sandbox.moat(&["apply"]).run();
    assert!(refused.code == 77 && refused.stderr.contains("build.content"), "{refused}");
    remove(&[image]);
}

#[test]
fn a_failing_step_shows_its_output_without_secrets() {
    let sandbox = sandbox(
        "secrets: {TOKEN: 'file://token'}\nbuild: {context: image, secrets: [TOKEN]}\n",
        "FROM busybox AS dev\nRUN --mount=type=secret,id=TOKEN echo about to fail; cat /run/secrets/TOKEN; exit 3\n",
    );
    let failed = apply(&sandbox);
    assert_eq!(failed.code, 1, "{failed}");
    for part in ["build step dev 2/2 exited with code 3: `RUN --mount=type=secret", "about to fail", "***"] {
        assert!(failed.stderr.contains(part), "{part}\n{failed}");
    }
    assert!(!failed.stderr.contains(TOKEN), "{failed}");
    // A missing file has a reason, too.
    fs::write(sandbox.path().join("image/Dockerfile"), "FROM busybox\nCOPY gone /gone\n").expect("a file");
    let failed = apply(&sandbox);
    assert!(failed.stderr.contains("build step 2/2 failed: \"/gone\": not found"), "{failed}");
}

#[test]
fn the_build_of_a_closed_sandbox_has_no_network_whatever_its_dockerfile_says() {
    // The frontend does not exist: a build that lets the Dockerfile choose it fails.
    let interfaces = "# syntax=lab/nowhere:1\nFROM busybox\nRUN --network=default sed -n 's/:.*//p' /proc/net/dev | tr -d ' ' | sort >/net\n";
    let closed = sandbox("build: image\nnetwork: {internal: true}\n", interfaces);
    closed.apply();
    assert_eq!(closed.sh_ok("cat /net"), "lo");
    let open = sandbox("build: image\n", &interfaces.replace("# syntax=lab/nowhere:1\n", ""));
    open.apply();
    assert_eq!(open.sh_ok("cat /net"), "eth0\nlo", "the test sees a network where there is one");
    let images = [image(&closed), image(&open)];

    let write = |text: &str| fs::write(closed.path().join("image/Dockerfile"), text).expect("a file");
    write("FROM busybox\nRUN --network=host sed -n 's/:.*//p' /proc/net/dev | tr -d ' ' | sort >/net\n");
    let refused = apply(&closed);
    assert!(refused.code == 1 && refused.stderr.contains("network.host"), "{refused}");
    write("FROM busybox\n");
    closed.rewrite("build: {context: image, args: {BUILDKIT_SYNTAX: 'lab/nowhere:1'}}\nnetwork: {internal: true}\n");
    let refused = apply(&closed);
    assert!(refused.code == 1 && refused.stderr.contains("`BUILDKIT_SYNTAX` runs a program"), "{refused}");
    remove(&images);
}

#[test]
fn without_buildkit_the_classic_builder_is_used() {
    let sandbox = sandbox("build: image\n", "FROM busybox\nCOPY . /app\n");
    let classic = || {
        let mut moat = sandbox.moat(&["apply", "--approve-all"]);
        moat.command.env("DOCKER_BUILDKIT", "0");
        moat.run()
    };
    let reported = classic();
    let said = "the classic builder is used: `DOCKER_BUILDKIT` turns BuildKit off";
    assert!(reported.code == 0 && reported.stderr.contains(said), "{reported}");
    assert_eq!(sandbox.sh_ok("ls /app"), "Dockerfile\nfile");
    let first = image(&sandbox);
    fs::write(sandbox.path().join("image/Dockerfile"), "FROM busybox\nCOPY --chmod=700 . /app\n").expect("a file");
    let refused = classic();
    let said = "`Dockerfile`, line 2: `COPY --chmod` needs BuildKit, and `DOCKER_BUILDKIT` turns BuildKit off";
    assert!(refused.code == 1 && refused.stderr.contains(said), "{refused}");
    remove(&[first]);
}
