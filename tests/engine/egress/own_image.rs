//! `network.gateway_image`: the gateway from an image that a registry has, for a moat of another platform.

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

const POLICY: &str = "image: busybox\nnetwork: { policy: strict, rules: [allowed.example]";

/// A registry's copy of the image that this moat has made, under a name of this process.
fn pushed() -> String {
    // Makes the image.
    Sandbox::applied(&format!("{POLICY} }}\n"));
    let registry = std::env::var("MOAT_LAB_REGISTRY").expect("the lab has a registry");
    let image = format!("{registry}/own/gateway-{}:2", std::process::id());
    engine().docker(&["tag", moat_model::resource::gateway::image().as_str(), &image]);
    engine().docker(&["push", "-q", &image]);
    engine().docker(&["rmi", &image]);
    image
}

#[test]
fn a_gateway_from_a_registry_has_the_rules_in_force() {
    let image = pushed();
    let sandbox = Sandbox::new(&format!("{POLICY}, gateway_image: '{image}' }}\n"));
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.contains(&format!("pull image {image}")) && !plan.contains("import"), "{plan}");
    // It is ready only if the policy is proven.
    let applied = sandbox.apply();
    assert!(!applied.stderr.contains("proven"), "{applied}");
    assert_eq!(sandbox.inspect("gateway", "{{.Config.Image}}"), image);
    let denied = sandbox.sh("wget -T 5 -qO- http://evil.example");
    assert!(denied.stderr.contains("403"), "{denied:?}");
    sandbox.assert_ready();
    engine().try_docker(&["rmi", "-f", &image]);
}

/// Another image replaces the gateway and nothing else, and needs an approval.
#[test]
fn another_image_of_the_gateway_needs_an_approval_and_replaces_the_gateway() {
    let sandbox = Sandbox::applied(&format!("{POLICY} }}\n"));
    let own = format!("lab/own-gateway-{}:2", std::process::id());
    engine().docker(&["tag", moat_model::resource::gateway::image().as_str(), &own]);
    let (main, gateway) = (sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}"), sandbox.id("gateway"));
    sandbox.rewrite(&format!("{POLICY}, gateway_image: '{own}' }}\n"));
    assert_eq!(sandbox.moat(&["apply"]).run().code, 77, "it sees all traffic and all grants");
    assert_eq!(sandbox.id("gateway"), gateway);
    sandbox.apply();
    assert_eq!(sandbox.inspect("main", "{{.Id}} {{.State.StartedAt}}"), main);
    assert_ne!(sandbox.id("gateway"), gateway);
    assert_eq!(sandbox.inspect("gateway", "{{.Config.Image}}"), own);
    engine().try_docker(&["rmi", "-f", &own]);
}
