//! Foreign objects with a name that moat needs: reported as a conflict, and never touched.

use expect_test::{Expect, expect};
use testkit::engine::engine;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// Creates an unlabelled object with the name, and checks that apply and destroy report it and leave it unchanged.
fn leaves_unchanged(spec: &str, kind: &str, create: impl FnOnce(&str) -> String, apply: &Expect, destroy: &Expect) {
    let sandbox = Sandbox::new(spec);
    let name = create(&sandbox.run_id());
    let look = || engine().docker(&[kind, "inspect", &name]);
    let before = look();
    apply.assert_eq(&sandbox.moat(&["apply", "--quiet"]).transcript());
    assert_eq!(look(), before, "after apply");
    destroy.assert_eq(&sandbox.moat(&["destroy", "--volumes", "--yes"]).transcript());
    assert_eq!(look(), before, "after destroy");
    // The objects created before the conflict are removed.
    assert_eq!(sandbox.status()["state"], "absent");
    assert_eq!((sandbox.find("main"), sandbox.find("buildkit"), sandbox.volumes().len()), (None, None, 0));
}

#[test]
fn a_container() {
    let create = |run: &str| {
        let name = format!("moat-{run}");
        engine().docker(&["run", "-d", "--name", &name, "busybox", "sleep", "infinity"]);
        name
    };
    leaves_unchanged(
        PLAIN,
        "container",
        create,
        &expect![[r#"
            exit 1
            == stderr
            error: cannot create container `moat-R`: conflict. The container name "/moat-R" is already in use by container "ID". You have to remove (or rename) that container to be able to reuse that name
              = help: a container named `moat-R` exists that moat does not manage and will not change: rename or remove it
            rolled back: removed network moat-R
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
        &expect![[r#"
        exit 0
        == stderr
        builder: nothing to destroy
    "#]],
    );
}

#[test]
fn a_network() {
    let create = |run: &str| {
        let name = format!("moat-{run}");
        engine().docker(&["network", "create", &name]);
        name
    };
    leaves_unchanged(
        PLAIN,
        "network",
        create,
        &expect![[r#"
            exit 1
            == stderr
            error: cannot create network `moat-R`: network with name moat-R already exists
              = help: a network named `moat-R` exists that moat does not manage and will not change: rename or remove it
            nothing was changed; `moat apply` retries
        "#]],
        &expect![[r#"
        exit 0
        == stderr
        builder: nothing to destroy
    "#]],
    );
}

#[test]
fn a_volume() {
    let create = |run: &str| {
        let name = format!("moat-{run}-docker");
        engine().docker(&["volume", "create", &name]);
        name
    };
    leaves_unchanged(
        DIND,
        "volume",
        create,
        &expect![[r#"
            exit 1
            == stderr
            error: a volume `moat-R-docker` exists already and does not belong to this sandbox
              = help: a volume named `moat-R-docker` exists that moat does not manage and will not change: rename or remove it
            rolled back: removed container moat-buildkit-R, network moat-R, volume moat-R-buildkit-cache, volume moat-R-buildkit-socket
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
        &expect![[r#"
        exit 0
        == stderr
        builder: nothing to destroy
    "#]],
    );
}

/// A plain word is the name of a volume; a missing one is probably a typo, and Docker would create it silently.
#[test]
fn a_missing_volume_is_not_created() {
    let sandbox = Sandbox::new(PLAIN);
    let name = format!("{}-src", sandbox.agent);
    let there = || engine().list(&["volume", "ls", "-q", "--filter", &format!("name={name}")]);
    for mounts in [
        format!("mounts: ['{name}:/x']\n"),
        format!("mounts: ['{name}:/x:ro']\n"),
        format!("mounts: [{{source: {name}, target: /x}}]\nvolumes: ['data:/data']\n"),
    ] {
        sandbox.rewrite(&format!("{PLAIN}{mounts}"));
        let planned = sandbox.moat(&["plan"]).ok();
        assert!(planned.stderr.contains(&format!("there is no volume `{name}`")), "{planned}");
        let ran = sandbox.moat(&["apply", "--approve-all"]).run();
        assert!(ran.code == 1 && ran.stderr.contains(&format!("write `./{name}`")), "{ran}");
        assert_eq!((there(), sandbox.find("main"), sandbox.volumes().len()), (Vec::new(), None, 0));
    }
    engine().docker(&["volume", "create", &name]);
    sandbox.apply();
    sandbox.assert_ready();
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    assert_eq!(there().len(), 1, "it belongs to another run");
}
