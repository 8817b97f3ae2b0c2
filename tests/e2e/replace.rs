//! The spec changes: what changed is replaced and nothing else, and a replacement that fails is taken back.

use expect_test::expect;

use crate::sandbox::{DIND, PLAIN, Sandbox};

#[test]
fn a_changed_environment_replaces_main_alone() {
    let sandbox = Sandbox::applied(&format!("{DIND}env:\n  COLOUR: red\n"));
    let (main, sidecar) = (sandbox.main(), sandbox.inspect("buildkit", "{{.Id}} {{.State.StartedAt}}"));
    sandbox.sh_ok("docker volume create inner");

    sandbox.rewrite(&format!("{DIND}env:\n  COLOUR: blue\n  SIZE: 1.10\n"));
    expect![[r#"
        exit 0
        == stdout
        1.  create container moat-R.next1 [privileged]: changed
            env.COLOUR "red" -> "blue"
            env.SIZE unset -> "1.10"
        2.  upload container moat-R.next1 after 1: changed
        3.  stop container moat-R after 1, 2: superseded
        4.  start container moat-R.next1 after 1, 2, 3: changed
        5.  await container moat-R.next1 after 4: changed
        6.  remove container moat-R after 3, 5: superseded
        7.  rename container moat-R after 6: named moat-R.next1

        Plan: 7 to do (1 create, 1 upload, 1 stop, 1 start, 1 await, 1 remove, 1 rename)
    "#]]
    .assert_eq(&sandbox.moat(&["plan"]).told());
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("echo $COLOUR $SIZE"), "blue 1.10");
    assert_ne!(sandbox.main(), main);
    assert_eq!(sandbox.inspect("main", "{{.Name}}"), format!("/moat-{}", sandbox.run_id()));
    assert_eq!(sandbox.inspect("buildkit", "{{.Id}} {{.State.StartedAt}}"), sidecar);
    // The volume of the Docker inside is the same one.
    assert_eq!(sandbox.sh_ok("docker volume ls -q"), "inner");
    sandbox.assert_ready();
}

#[test]
fn the_old_container_comes_back_when_the_new_one_fails() {
    for spec in [PLAIN, DIND] {
        let sandbox = Sandbox::applied(spec);
        let (main, volumes) = (sandbox.main(), sandbox.volumes());
        sandbox.rewrite(&format!("{spec}command: echo no good >&2; exit 3\n"));
        let told = sandbox.moat(&["apply", "--quiet"]).told();
        let expected = if spec == PLAIN {
            expect![[r#"
            exit 1
            == stderr
              failed  `moat-R.next1` ended with exit code 3
            error: `moat-R.next1` ended with exit code 3
              | the last lines of container moat-R.next1
              |  no good
            what had been done is undone; `--keep-on-failure` would leave it to be looked at
        "#]]
        } else {
            expect![[r#"
            exit 1
            == stderr
              failed  `moat-R.next1` ended with exit code 3
            error: `moat-R.next1` ended with exit code 3
              | the last lines of container moat-R.next1
              |  time="2026-11-23T22:56:27.212839971Z" level=info msg="loading plugin \"io.containerd.grpc.v1.version\"..." type=io.containerd.grpc.v1
              |  time="2026-11-23T22:56:27.212852149Z" level=info msg="loading plugin \"io.containerd.internal.v1.restart\"..." type=io.containerd.internal.v1
              |  time="2026-11-23T22:56:27.212898819Z" level=info msg="loading plugin \"io.containerd.tracing.processor.v1.otlp\"..." type=io.containerd.tracing.processor.v1
              |  time="2026-11-23T22:56:27.212927252Z" level=info msg="skip loading plugin \"io.containerd.tracing.processor.v1.otlp\"..." error="skip plugin: tracing endpoint not configured" type=io.containerd.tracing.processor.v1
              |  time="2026-11-23T22:56:27.212935404Z" level=info msg="loading plugin \"io.containerd.internal.v1.tracing\"..." type=io.containerd.internal.v1
              |  time="2026-11-23T22:56:27.212943646Z" level=info msg="skip loading plugin \"io.containerd.internal.v1.tracing\"..." error="skip plugin: tracing endpoint not configured" type=io.containerd.internal.v1
              |  time="2026-11-23T22:56:27.212954402Z" level=info msg="loading plugin \"io.containerd.grpc.v1.healthcheck\"..." type=io.containerd.grpc.v1
              |  time="2026-11-23T22:56:27.212962013Z" level=info msg="loading plugin \"io.containerd.nri.v1.nri\"..." type=io.containerd.nri.v1
              |  time="2026-11-23T22:56:27.212972449Z" level=info msg="NRI interface is disabled by configuration."
              |  time="2026-11-23T22:56:27.213274960Z" level=info msg=serving... address=/var/run/docker/containerd/containerd-debug.sock
              |  time="2026-11-23T22:56:27.213350533Z" level=info msg=serving... address=/var/run/docker/containerd/containerd.sock.ttrpc
              |  time="2026-11-23T22:56:27.218878362Z" level=info msg=serving... address=/var/run/docker/containerd/containerd.sock
              |  time="2026-11-23T22:56:27.218925993Z" level=info msg="containerd successfully booted in 0.128084s"
              |  time="2026-11-23T22:56:28.020172552Z" level=info msg="[graphdriver] using prior storage driver: overlay2"
              |  time="2026-11-23T22:56:28.020360623Z" level=info msg="Loading containers: start."
              |  time="2026-11-23T22:56:28.348176960Z" level=info msg="Loading containers: done."
              |  time="2026-11-23T22:56:28.358763498Z" level=info msg="Docker daemon" commit=411e817 containerd-snapshotter=false storage-driver=overlay2 version=26.1.5+dfsg1
              |  time="2026-11-23T22:56:28.358871359Z" level=info msg="Daemon has completed initialization"
              |  time="2026-11-23T22:56:28.365592789Z" level=info msg="API listen on /var/run/docker.sock"
              |  no good
            what had been done is undone; `--keep-on-failure` would leave it to be looked at
        "#]]
        };
        expected.assert_eq(&told);
        assert_eq!((sandbox.main(), sandbox.volumes()), (main, volumes));
        assert_eq!(sandbox.inspect("main", "{{.State.Running}} {{.Name}}"), format!("true /moat-{}", sandbox.run_id()));
        assert_eq!(sandbox.sh_ok("echo still here"), "still here");

        // And as nothing has happened once the file is as it was.
        sandbox.rewrite(spec);
        assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
        sandbox.assert_ready();
    }
}
