//! Somebody meddles by hand: plan names what is not as it should be and why, apply repairs just that, and the end is
//! a sandbox that is ready and builds.
//!
//! The cases of one test meddle with one sandbox one after the other: each repair must leave a world that the
//! next one can start from.

use expect_test::{Expect, expect};

use crate::engine::engine;
use crate::sandbox::{DIND, Sandbox};

/// What of a container tells whether it was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The same container, not even restarted.
    Untouched,
    /// The same container, though it may have been started or connected.
    Container,
    /// Another one has taken its place.
    Replaced,
}
use Kept::{Container, Replaced, Untouched};

/// Meddles, and checks what plan says, what apply leaves of the sidecar and of main, and that all is well then.
fn repaired(sandbox: &Sandbox, meddle: impl FnOnce(&Names), plan: &Expect, sidecar: Kept, main: Kept) {
    let names = Names::of(sandbox);
    let before = [Trace::of(sandbox, "buildkit"), Trace::of(sandbox, "main")];
    meddle(&names);
    assert_ne!(sandbox.status()["state"], "ready", "after meddling");
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
    // The alias, the network, the builder and the Docker inside, at once.
    sandbox.sh_ok("printf 'FROM busybox\\n' | docker build -t alive - && docker run --rm alive true");
}

/// The engine's names of what a sandbox has.
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
        |it| docker(&["stop", &it.sidecar]),
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
    repaired(&sandbox, |it| it.disconnect(&it.sidecar), &expect![[""]], Untouched, Untouched);
    repaired(&sandbox, |it| docker(&["rm", "-f", &it.sidecar]), &expect![[""]], Replaced, Untouched);
    let with_cache = |it: &Names| {
        docker(&["rm", "-f", &it.sidecar]);
        docker(&["volume", "rm", &it.volume("buildkit-cache")]);
    };
    repaired(&sandbox, with_cache, &expect![[""]], Replaced, Untouched);
}

#[test]
fn main() {
    let sandbox = Sandbox::applied(DIND);
    let docker = |args: &[&str]| {
        engine().docker(args);
    };
    repaired(
        &sandbox,
        |it| docker(&["stop", &it.main]),
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
    repaired(&sandbox, |it| it.disconnect(&it.main), &expect![[""]], Untouched, Untouched);
    repaired(&sandbox, |it| docker(&["rm", "-f", &it.main]), &expect![[""]], Untouched, Replaced);
    let with_volume = |it: &Names| {
        docker(&["rm", "-f", &it.main]);
        docker(&["volume", "rm", &it.volume("docker")]);
    };
    repaired(&sandbox, with_volume, &expect![[""]], Untouched, Replaced);
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
        2.  connect container moat-buildkit-R after 1: not on its network
        3.  connect container moat-R after 1: not on its network

        Plan: 3 to do (1 create, 2 connect)
    "#]],
        Untouched,
        Untouched,
    );
    // Stopped containers do not hold it back, but hold its id, and could not be started with it.
    let stopped = |it: &Names| {
        engine().docker(&["stop", &it.main, &it.sidecar]);
        it.remove_network();
    };
    repaired(&sandbox, stopped, &expect![[""]], Replaced, Replaced);
    let all = |it: &Names| {
        engine().docker(&["rm", "-f", &it.main, &it.sidecar]);
        it.remove_network();
    };
    repaired(&sandbox, all, &expect![[""]], Replaced, Replaced);
}
