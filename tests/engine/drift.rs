//! Drift caused with docker: plan shows the differences and the reasons, apply repairs only these, and the sandbox is
//! ready and builds.
//!
//! The cases of a test use one sandbox in sequence: each starts from the repaired state of the previous one.

use expect_test::{Expect, expect};
use testkit::engine::engine;
use testkit::sandbox::{DIND, Sandbox};

/// The identity of a container, to detect whether it was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The same container, not restarted.
    Untouched,
    /// The same container, possibly started or connected.
    Container,
    /// A new container.
    Replaced,
}
use Kept::{Container, Replaced, Untouched};

/// Causes drift, and checks the plan, the identity of sidecar and main after apply, and that the sandbox works.
fn repaired(sandbox: &Sandbox, interfere: impl FnOnce(&Names), plan: &Expect, sidecar: Kept, main: Kept) {
    let names = Names::of(sandbox);
    let before = [Trace::of(sandbox, "buildkit"), Trace::of(sandbox, "main")];
    interfere(&names);
    assert_ne!(sandbox.status()["state"], "ready", "after interference");
    let planned = sandbox.moat(&["plan", "--detailed-exitcode"]).run();
    assert_eq!(planned.code, 2, "{planned}");
    plan.assert_eq(&sandbox.plain(&planned.stdout));

    sandbox.apply();
    let after = [Trace::of(sandbox, "buildkit"), Trace::of(sandbox, "main")];
    let kept = [0, 1].map(|i| before[i].kept_as(&after[i]));
    assert_eq!(kept, [sidecar, main], "{before:?} {after:?}");
    sandbox.assert_ready();
    let again = sandbox.moat(&["plan", "--detailed-exitcode"]).run();
    assert_eq!(again.code, 0, "a second apply would do something: {again}");
    // Checks the alias, the network, the builder and the inner Docker together.
    sandbox.sh_ok("printf 'FROM busybox\\n' | docker build -t alive - && docker run --rm alive true");
}

/// The names of a sandbox's objects on the engine.
struct Names {
    main: String,
    sidecar: String,
    network: String,
    run: String,
}

impl Names {
    fn of(sandbox: &Sandbox) -> Self {
        let run = sandbox.run_id();
        Self { main: sandbox.main(), sidecar: sandbox.sidecar(), network: format!("moat-{run}"), run }
    }

    fn volume(&self, name: &str) -> String {
        format!("moat-{}-{name}", self.run)
    }

    fn disconnect(&self, container: &str) {
        engine().docker(&["network", "disconnect", "--force", &self.network, container]);
    }

    fn remove_network(&self) {
        engine().docker(&["network", "rm", &self.network]);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    id: String,
    started: String,
}

impl Trace {
    fn of(sandbox: &Sandbox, name: &str) -> Self {
        Self { id: sandbox.id(name), started: sandbox.inspect(name, "{{.State.StartedAt}} {{.State.Pid}}") }
    }

    fn kept_as(&self, after: &Self) -> Kept {
        match (self.id == after.id, self.started == after.started) {
            (true, true) => Untouched,
            (true, false) => Container,
            (false, _) => Replaced,
        }
    }
}

#[test]
fn the_sidecar() {
    let sandbox = Sandbox::applied(DIND);
    let docker = |args: &[&str]| {
        engine().docker(args);
    };
    repaired(
        &sandbox,
        |it| docker(&["stop", "--time", "60", &it.sidecar]),
        &expect![[r#"
        1.  start container moat-buildkit-R: exited with code 1
        2.  await container moat-buildkit-R after 1: exited with code 1

        Plan: 2 to do (1 start, 1 await)
    "#]],
        Container,
        Untouched,
    );
    repaired(
        &sandbox,
        |it| docker(&["kill", &it.sidecar]),
        &expect![[r#"
        1.  start container moat-buildkit-R: exited with code 137
        2.  await container moat-buildkit-R after 1: exited with code 137

        Plan: 2 to do (1 start, 1 await)
    "#]],
        Container,
        Untouched,
    );
    repaired(
        &sandbox,
        |it| docker(&["pause", &it.sidecar]),
        &expect![[r#"
        1.  unpause container moat-buildkit-R: paused
        2.  await container moat-buildkit-R after 1: paused

        Plan: 2 to do (1 unpause, 1 await)
    "#]],
        Untouched,
        Untouched,
    );
    repaired(
        &sandbox,
        |it| it.disconnect(&it.sidecar),
        &expect![[r#"
        1.  connect container moat-buildkit-R: not on its network

        Plan: 1 to do (1 connect)
    "#]],
        Untouched,
        Untouched,
    );
    repaired(
        &sandbox,
        |it| docker(&["rm", "-f", &it.sidecar]),
        &expect![[r#"
            1.  create container moat-buildkit-R [privileged]: missing
            2.  upload container moat-buildkit-R after 1: missing
            3.  start container moat-buildkit-R after 1, 2: missing
            4.  await container moat-buildkit-R after 3: missing

            Plan: 4 to do (1 create, 1 upload, 1 start, 1 await)
            Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
        "#]],
        Replaced,
        Untouched,
    );
    let with_cache = |it: &Names| {
        docker(&["rm", "-f", &it.sidecar]);
        docker(&["volume", "rm", &it.volume("buildkit-cache")]);
    };
    repaired(
        &sandbox,
        with_cache,
        &expect![[r#"
            1.  create volume moat-R-buildkit-cache: missing
            2.  create container moat-buildkit-R [privileged] after 1: missing
            3.  upload container moat-buildkit-R after 2: missing
            4.  start container moat-buildkit-R after 2, 3: missing
            5.  await container moat-buildkit-R after 4: missing

            Plan: 5 to do (2 create, 1 upload, 1 start, 1 await)
            Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
        "#]],
        Replaced,
        Untouched,
    );
}

#[test]
fn main() {
    let sandbox = Sandbox::applied(DIND);
    let docker = |args: &[&str]| {
        engine().docker(args);
    };
    repaired(
        &sandbox,
        |it| docker(&["stop", "--time", "60", &it.main]),
        &expect![[r#"
        1.  start container moat-R: exited with code 0
        2.  await container moat-R after 1: exited with code 0

        Plan: 2 to do (1 start, 1 await)
    "#]],
        Untouched,
        Container,
    );
    repaired(
        &sandbox,
        |it| docker(&["kill", &it.main]),
        &expect![[r#"
        1.  start container moat-R: exited with code 137
        2.  await container moat-R after 1: exited with code 137

        Plan: 2 to do (1 start, 1 await)
    "#]],
        Untouched,
        Container,
    );
    repaired(
        &sandbox,
        |it| docker(&["pause", &it.main]),
        &expect![[r#"
        1.  unpause container moat-R: paused
        2.  await container moat-R after 1: paused

        Plan: 2 to do (1 unpause, 1 await)
    "#]],
        Untouched,
        Untouched,
    );
    repaired(
        &sandbox,
        |it| it.disconnect(&it.main),
        &expect![[r#"
        1.  connect container moat-R: not on its network

        Plan: 1 to do (1 connect)
    "#]],
        Untouched,
        Untouched,
    );
    repaired(
        &sandbox,
        |it| docker(&["rm", "-f", &it.main]),
        &expect![[r#"
            1.  create container moat-R [privileged]: missing
            2.  upload container moat-R after 1: missing
            3.  start container moat-R after 1, 2: missing
            4.  await container moat-R after 3: missing

            Plan: 4 to do (1 create, 1 upload, 1 start, 1 await)
            Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
        "#]],
        Untouched,
        Replaced,
    );
    let with_volume = |it: &Names| {
        docker(&["rm", "-f", &it.main]);
        docker(&["volume", "rm", &it.volume("docker")]);
    };
    repaired(
        &sandbox,
        with_volume,
        &expect![[r#"
            1.  create volume moat-R-docker: missing
            2.  create container moat-R [privileged] after 1: missing
            3.  upload container moat-R after 2: missing
            4.  start container moat-R after 2, 3: missing
            5.  await container moat-R after 4: missing

            Plan: 5 to do (2 create, 1 upload, 1 start, 1 await)
            Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
        "#]],
        Untouched,
        Replaced,
    );
}

#[test]
fn the_network() {
    let sandbox = Sandbox::applied(DIND);
    let taken_off = |it: &Names| {
        it.disconnect(&it.sidecar);
        it.disconnect(&it.main);
        it.remove_network();
    };
    repaired(
        &sandbox,
        taken_off,
        &expect![[r#"
            1.  create network moat-R: missing
            2.  create container moat-buildkit-R.next1 [privileged] after 1: its network no longer exists
            3.  upload container moat-buildkit-R.next1 after 2: its network no longer exists
            4.  stop container moat-buildkit-R after 2, 3: superseded
            5.  start container moat-buildkit-R.next1 after 2, 3, 4: its network no longer exists
            6.  await container moat-buildkit-R.next1 after 5: its network no longer exists
            7.  remove container moat-buildkit-R after 4, 6: superseded
            8.  rename container moat-buildkit-R after 7: named moat-buildkit-R.next1
            9.  create container moat-R.next1 [privileged] after 1: its network no longer exists
            10. upload container moat-R.next1 after 9: its network no longer exists
            11. stop container moat-R after 6, 9, 10: superseded
            12. start container moat-R.next1 after 6, 9, 10, 11: its network no longer exists
            13. await container moat-R.next1 after 6, 12: its network no longer exists
            14. remove container moat-R after 11, 13: superseded
            15. rename container moat-R after 14: named moat-R.next1

            Plan: 15 to do (3 create, 2 upload, 2 stop, 2 start, 2 await, 2 remove, 2 rename)
            Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
        "#]],
        Replaced,
        Replaced,
    );
    // Stopped containers do not block its removal, but refer to its id and could not be started.
    let stopped = |it: &Names| {
        engine().docker(&["stop", &it.main, &it.sidecar]);
        it.remove_network();
    };
    repaired(
        &sandbox,
        stopped,
        &expect![[r#"
            1.  create network moat-R: missing
            2.  create container moat-buildkit-R.next1 [privileged] after 1: its network no longer exists
            3.  upload container moat-buildkit-R.next1 after 2: its network no longer exists
            4.  start container moat-buildkit-R.next1 after 2, 3: its network no longer exists
            5.  await container moat-buildkit-R.next1 after 4: its network no longer exists
            6.  remove container moat-buildkit-R after 5: superseded
            7.  rename container moat-buildkit-R after 6: named moat-buildkit-R.next1
            8.  create container moat-R.next1 [privileged] after 1: its network no longer exists
            9.  upload container moat-R.next1 after 8: its network no longer exists
            10. start container moat-R.next1 after 8, 9: its network no longer exists
            11. await container moat-R.next1 after 5, 10: its network no longer exists
            12. remove container moat-R after 11: superseded
            13. rename container moat-R after 12: named moat-R.next1

            Plan: 13 to do (3 create, 2 upload, 2 start, 2 await, 2 remove, 2 rename)
            Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
        "#]],
        Replaced,
        Replaced,
    );
    let all = |it: &Names| {
        engine().docker(&["rm", "-f", &it.main, &it.sidecar]);
        it.remove_network();
    };
    repaired(
        &sandbox,
        all,
        &expect![[r#"
            1.  create network moat-R: missing
            2.  create container moat-buildkit-R [privileged] after 1: missing
            3.  upload container moat-buildkit-R after 2: missing
            4.  start container moat-buildkit-R after 2, 3: missing
            5.  await container moat-buildkit-R after 4: missing
            6.  create container moat-R [privileged] after 1: missing
            7.  upload container moat-R after 6: missing
            8.  start container moat-R after 6, 7: missing
            9.  await container moat-R after 5, 8: missing

            Plan: 9 to do (3 create, 2 upload, 2 start, 2 await)
            Hint: with `isolation: rootless` nothing here is privileged; see `moat explain isolation`
        "#]],
        Replaced,
        Replaced,
    );
}
