//! Containers with moat's labels from their image. Anyone can set the labels of an image, and the values of moat's labels
//! are known or can be guessed.

use std::fs;

use testkit::engine::engine;
use testkit::owner;
use testkit::sandbox::{DIND, PLAIN, Sandbox};

/// An image with the current labels of a container of the sandbox.
struct Claiming(String);

impl Claiming {
    fn of(sandbox: &Sandbox, container: &str) -> Self {
        let name = format!("claiming-{}-{container}:1", sandbox.agent);
        engine().docker(&["commit", &sandbox.id(container), &name]);
        Self(name)
    }

    /// A foreign container of the image.
    fn run(&self, name: &str) -> Foreign {
        engine().docker(&["run", "-d", "--name", name, "--entrypoint", "sleep", &self.0, "600"]);
        Foreign(name.to_owned(), state(name))
    }
}

impl Drop for Claiming {
    fn drop(&mut self) {
        engine().try_docker(&["rmi", "-f", &self.0]);
    }
}

struct Foreign(String, String);

impl Foreign {
    fn assert_untouched(&self, what: &str) {
        assert_eq!(state(&self.0), self.1, "{what}");
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // With the volumes that its image declares.
        engine().try_docker(&["rm", "-fv", &self.0]);
    }
}

fn state(name: &str) -> String {
    engine().docker(&["inspect", "--format", "{{.Id}} {{.Name}} {{.State.Status}} {{.State.StartedAt}}", name])
}

#[test]
fn a_container_with_labels_from_its_image_is_not_touched() {
    let sandbox = Sandbox::applied(DIND);
    let images = [Claiming::of(&sandbox, "main"), Claiming::of(&sandbox, "buildkit")];
    let foreign: Vec<Foreign> =
        images.iter().enumerate().map(|(nth, image)| image.run(&format!("{}-foreign-{nth}", sandbox.agent))).collect();
    let untouched = |what: &str| foreign.iter().for_each(|it| it.assert_untouched(what));
    let plan = sandbox.moat(&["plan", "--detailed-exitcode"]).run();
    assert_eq!(plan.code, 0, "{plan}");
    sandbox.apply();
    untouched("apply");
    sandbox.moat(&["restart"]).ok();
    sandbox.moat(&["stop"]).ok();
    untouched("restart and stop");
    sandbox.moat(&["start"]).ok();
    // A new main replaces the old one, and no other container.
    sandbox.rewrite(&format!("{DIND}env: {{A: b}}\n"));
    sandbox.apply();
    untouched("a replacement");
    sandbox.moat(&["destroy", "--yes", "--volumes"]).ok();
    {
        let _alone = owner::exclusive();
        sandbox.moat(&["clean", "--yes"]).run();
    }
    untouched("destroy");
}

#[test]
fn a_container_with_labels_from_its_image_is_not_main() {
    let sandbox = Sandbox::applied(PLAIN);
    let image = Claiming::of(&sandbox, "main");
    engine().docker(&["rm", "-f", &sandbox.main()]);
    let name = format!("{}-foreign", sandbox.agent);
    let foreign = image.run(&name);
    for args in [&["exec", "--", "touch", "/was-here"][..], &["logs"], &["cp", "agent.yaml", ":/was-here"]] {
        let ran = sandbox.moat(args).run();
        assert!(ran.code == 1 && ran.stderr.contains("does not exist"), "{args:?}: {ran}");
    }
    assert_ne!(engine().try_docker(&["exec", &name, "test", "-e", "/was-here"]).code, 0);
    let listed = sandbox.moat(&["list", "--json"]).ok().stdout;
    assert!(!listed.contains(&name), "{listed}");
    // Nor when its image is gone.
    engine().docker(&["stop", "-t", "0", &name]);
    engine().docker(&["rmi", "-f", &image.0]);
    let foreign = Foreign(name.clone(), {
        std::mem::forget(foreign);
        state(&name)
    });
    assert_eq!(
        engine().try_docker(&["image", "inspect", &engine().docker(&["inspect", "-f", "{{.Image}}", &name])]).code,
        1
    );
    sandbox.apply();
    sandbox.moat(&["destroy", "--yes"]).ok();
    foreign.assert_untouched("its image is gone");
}

#[test]
fn an_image_with_moats_labels_is_refused() {
    let sandbox = Sandbox::applied(PLAIN);
    let image = Claiming::of(&sandbox, "main");
    let other = Sandbox::new(&format!("image: {}\n", image.0));
    let ran = other.moat(&["apply"]).run();
    let message = format!("the image `{}` has labels reserved for moat", image.0);
    assert!(ran.code == 1 && ran.stderr.contains(&message) && ran.stderr.contains("docker export"), "{ran}");
    assert_eq!(other.find("main"), None);
    // An image based on it, and one with own labels.
    for dockerfile in [format!("FROM {}\nRUN true\n", image.0), "FROM busybox\nLABEL moat.run=x\n".to_owned()] {
        fs::write(other.path().join("Dockerfile"), &dockerfile).expect("a file");
        other.rewrite("build: .\n");
        let ran = other.moat(&["apply", "--approve-all"]).run();
        assert!(ran.code == 1 && ran.stderr.contains("has labels reserved for moat"), "{dockerfile} {ran}");
    }
    // A running sandbox keeps its containers.
    sandbox.rewrite(&format!("image: {}\n", image.0));
    let before = sandbox.main();
    assert_eq!(sandbox.moat(&["apply", "--approve-all"]).run().code, 1);
    assert_eq!(sandbox.main(), before);
}

#[test]
fn a_renamed_container_stays_owned() {
    let sandbox = Sandbox::applied(PLAIN);
    let id = sandbox.main();
    engine().docker(&["rename", &id, &format!("{}-renamed", sandbox.agent)]);
    assert_eq!(sandbox.sh_ok("echo here"), "here");
    sandbox.apply();
    assert_eq!(sandbox.inspect("main", "{{.Id}} {{.Name}}"), format!("{id} /moat-{}", sandbox.run_id()));
}
