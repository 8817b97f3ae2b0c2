//! JSON documents of commands whose output is mainly text.

use expect_test::expect;
use serde_json::Value;
use testkit::hermetic::{Place, prints};

fn document(place: &Place, arguments: &[&str]) -> Value {
    let ran = place.run(arguments);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}");
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

#[test]
fn a_key_and_all_keys() {
    let place = Place::new();
    prints(
        &place,
        &["explain", "--json", "container.memory"],
        &expect![[r#"
            exit 0
            == stdout
            {
              "keys": [
                {
                  "key": "container.memory",
                  "may_be": "single value",
                  "meaning": "its maximum memory: `512m`, `2g`, in powers of 1024; a number without a unit is in MB",
                  "default": "75 % of the Docker host's",
                  "change": "in place; replaces when removed",
                  "example": "512m",
                  "also": [],
                  "keys": []
                }
              ]
            }
        "#]],
    );
    let all = document(&place, &["explain", "--json"]);
    let keys: Vec<&str> = all["keys"].as_array().expect("a list").iter().filter_map(|it| it["key"].as_str()).collect();
    assert!(keys.len() > 50 && keys.contains(&"agent") && keys.contains(&"services.wait.command"), "{keys:?}");
    prints(
        &place,
        &["explain", "--json", "container.memry"],
        &expect![[r#"
            exit 64
            == stdout
            {
              "error": {
                "code": "usage",
                "message": "unknown key `container.memry`",
                "hint": "did you mean `container.memory`?"
              },
              "exit_code": 64
            }
            == stderr
            error: unknown key `container.memry`
              = help: did you mean `container.memory`?
        "#]],
    );
}

#[test]
fn generated_and_existing_images() {
    let place = Place::with("agent: builder\nbase_image: debian:13\ndependencies: [jq]\n");
    let image = document(&place, &["image", "--json"]);
    let text = place.run(&["image"]);
    assert_eq!(image["dockerfile"].as_str(), Some(text.out.as_str()));
    assert_eq!(image["image"].as_str(), Some(text.err.trim_end()));
    prints(
        &Place::with("agent: builder\nimage: busybox\n"),
        &["image", "--json"],
        &expect![[r#"
        exit 0
        == stdout
        {
          "run": "builder-1f2e3d4c",
          "agent": "builder",
          "image": null,
          "dockerfile": null
        }
    "#]],
    );
    // Neither a file nor a recorded name.
    prints(
        &place,
        &["image", "biulder"],
        &expect![[r#"
            exit 1
            == stderr
            error: no record of `biulder`
              = help: `moat history --all` shows all sandboxes
        "#]],
    );
}

#[test]
fn a_first_spec() {
    let place = Place::new();
    prints(
        &place,
        &["init", "--json", "--agent", "builder", "--image", "busybox"],
        &expect![[r#"
        exit 0
        == stdout
        {
          "file": "agent.yaml",
          "agent": "builder",
          "image": "busybox"
        }
    "#]],
    );
    assert_eq!(place.run(&["validate"]).code, Some(0));
    prints(
        &place,
        &["init", "--json"],
        &expect![[r#"
            exit 1
            == stdout
            {
              "error": {
                "code": "local-file",
                "message": "cannot write `agent.yaml`: file exists",
                "hint": "choose another file, or edit the existing one"
              },
              "exit_code": 1
            }
            == stderr
            error: cannot write `agent.yaml`: file exists
              = help: choose another file, or edit the existing one
        "#]],
    );
}

#[test]
fn pages_and_scripts_and_the_schema() {
    let place = Place::new();
    let page = document(&place, &["man", "--json", "apply"]);
    assert_eq!(page["page"].as_str(), Some(place.run(&["man", "apply"]).out.as_str()));
    assert_eq!(page["command"], "apply");
    let script = document(&place, &["completions", "--json", "bash"]);
    assert_eq!(script["script"].as_str(), Some(place.run(&["completions", "bash"]).out.as_str()));
    assert_eq!(document(&place, &["schema", "--json"]), document(&place, &["schema"]));
    prints(
        &place,
        &["man", "aply"],
        &expect![[r#"
            exit 64
            == stderr
            error: no command `aply`
              = help: did you mean `apply`?
        "#]],
    );
}
