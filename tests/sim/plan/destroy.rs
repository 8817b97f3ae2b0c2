//! The removal of everything.

use std::collections::BTreeMap;

use expect_test::expect;
use moat_model::graph::Graph;
use moat_model::resource::{ResourceId, Retention};
use moat_model::state::ContainerState;
use moat_plan::{Options, Volumes};

use super::world::{DIND, PLAIN, applied, container, graph, plan, plan_with};

fn destroy(volumes: Volumes) -> String {
    let graph = graph(DIND);
    let options = Options { volumes, ..Options::default() };
    plan_with(&Graph::empty(graph.run.clone()), &applied(&graph), &options)
}

#[test]
fn the_cache_is_kept_and_scratch_volumes_are_removed() {
    expect![[r#"
        1.  stop container moat-buildkit-builder-R: no longer needed
        2.  remove container moat-buildkit-builder-R after 1: no longer needed
        3.  stop container moat-builder-R: no longer needed
        4.  remove container moat-builder-R after 3: no longer needed
        5.  remove network moat-builder-R after 2, 4: no longer needed
        6.  remove volume moat-builder-R-buildkit-socket [destroys data] after 2, 4: no longer needed
        7.  remove volume moat-builder-R-docker [destroys data] after 4: no longer needed
    "#]]
    .assert_eq(&destroy(Volumes::Scratch(BTreeMap::new())));
}

#[test]
fn the_current_spec_overrides_the_label() {
    let spec = BTreeMap::from([
        (ResourceId::volume("buildkit-cache"), Retention::Scratch),
        (ResourceId::volume("docker"), Retention::Keep),
    ]);
    let text = destroy(Volumes::Scratch(spec));
    assert!(text.contains("-buildkit-cache [destroys data]") && !text.contains("-docker [destroys data]"), "{text}");
}

#[test]
fn all_volumes_are_removed_on_request() {
    let text = destroy(Volumes::All);
    assert_eq!(text.matches("[destroys data]").count(), 3, "{text}");
}

#[test]
fn a_stopped_container_is_removed_without_a_stop() {
    let graph = graph(PLAIN);
    let mut observed = applied(&graph);
    container(&mut observed, "main").state = ContainerState::Exited;
    let text = plan(&Graph::empty(graph.run.clone()), &observed);
    expect![[r#"
        1.  remove container moat-plain-R: no longer needed
        2.  remove network moat-plain-R after 1: no longer needed
    "#]]
    .assert_eq(&text);
}

#[test]
fn an_undesired_sidecar_is_removed_and_its_volume_kept() {
    let plain = graph("agent: builder\nimage: docker:29.7.2-dind\n");
    let observed = applied(&graph(DIND));
    expect![[r#"
        1.  create container moat-builder-R.next1: changed
            entrypoint ["/usr/local/lib/moat/start"] -> ["sleep","infinity"]
            env.BUILDKIT_HOST "unix:///run/buildkit/buildkitd.sock" -> unset
            env.BUILDX_BUILDER "moat" -> unset
            env.DOCKER_HOST "unix:///var/run/docker.sock" -> unset
            files./etc/profile.d/moat.sh "644 sha256:08045693b0e863137f14ce115285fc97e788959720892aeb3304a80cb7d4a107" -> unset
            files./usr/local/lib/moat/answers "755 sha256:f1af83ff8ce1da6309667aceb1cedae6b38e84b72622ea151213050f058bf0a8" -> unset
            files./usr/local/lib/moat/builds "755 sha256:d79b7e420aa4d85e011cd946bb73bbba93572e78fb734fc57826fa8763544def" -> unset
            files./usr/local/lib/moat/docker/buildx/current "644 sha256:404561a5f494a088cd69e1ae5ed9af3d972c115543a123337806c0246aad7ab5" -> unset
            files./usr/local/lib/moat/docker/buildx/instances/moat "644 sha256:4e62ce621f255d818154f92ee91bf1d468336f887dcab3832df947dacc6c09f0" -> unset
            files./usr/local/lib/moat/docker/config.json "644 sha256:630f219b01967717c6f8c37119cf0410a771a91efb2e9364427103f36bef5dfd" -> unset
            files./usr/local/lib/moat/images "644 sha256:f44d15da36a0c84081e1adbc7879605c691679c6ae582a7864391a00beb72eff" -> unset
            files./usr/local/lib/moat/load "644 sha256:5cf7308207e47915a5b28399c0feb6eee3fb1f60458e0a45693aace8cb8194dc" -> unset
            files./usr/local/lib/moat/named.awk "644 sha256:aa5e41c9f14c5a98440811d23814469fbec7e7bb55c8a044ed46649c3b014246" -> unset
            files./usr/local/lib/moat/names "755 sha256:b5cfcc2a8c996b002af05fa81eaa6ef59fd9d682960b3751bbd93671a43146e9" -> unset
            files./usr/local/lib/moat/plugin "755 sha256:61b56c87a15edd36eadf24904d0c9ed42f60fbb2a14d22f564737fc870752689" -> unset
            files./usr/local/lib/moat/ready "755 sha256:df331a8150fe1bfef7476c060b6d2c67b2d58ea9e91047132d53023e5cc589b4" -> unset
            files./usr/local/lib/moat/start "755 sha256:2989789fb211e87118604643b2577eea504462ed99048197f43d3e5a1f8e68d9" -> unset
            files./usr/local/lib/moat/targets.awk "644 sha256:d2d6e0b1c14911ad7af0aac7200779b53c87884e408946386b5a208d4353fa15" -> unset
            health.command ["/usr/local/lib/moat/ready"] -> unset
            mounts./run/buildkit "volume/buildkit-socket" -> unset
            mounts./var/lib/docker "volume/docker" -> unset
            privileged true -> unset
            stop_timeout 20 -> unset
        2.  start container moat-builder-R.next1 after 1: changed
        3.  await container moat-builder-R.next1 after 2: changed
        4.  stop container moat-builder-R after 3: superseded
        5.  remove container moat-builder-R after 3, 4: superseded
        6.  rename container moat-builder-R after 5: named moat-builder-R.next1
        7.  stop container moat-buildkit-builder-R: no longer needed
        8.  remove container moat-buildkit-builder-R after 7: no longer needed
    "#]].assert_eq(&plan(&plain, &observed));
}
