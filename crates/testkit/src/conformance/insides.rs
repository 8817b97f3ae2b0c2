//! E27 to E31: files, commands, logs, and names.

use moat_model::engine::{Engine, Fault};
use moat_model::state::ContainerState;

use super::world::{
    NEEDED_FILE, Program, World, container_create, created, eventually, file, listed, network, reaches, refused,
    started, words,
};
use crate::changes::Changes;

pub async fn e27_uploads_are_present_at_the_start(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let without = started(world, "without", Program::NeedsFile, &net).await;
    let facts = reaches(world, &without, ContainerState::Exited).await;
    assert_eq!(facts.exit_code, Some(78), "the file was not uploaded");

    let id = created(world, "with", Program::NeedsFile, &net).await;
    let files =
        [file(NEEDED_FILE, 0o640, "content\nof two lines\n"), file("/usr/local/bin/tool", 0o755, "#!/bin/sh\n")];
    engine.upload(&id, &files).await.expect("an upload");
    engine.start(&id).await.expect("a start");
    for step in ["started", "restarted"] {
        if step == "restarted" {
            engine.restart(&id).await.expect("a restart");
        }
        for file in &files {
            let cat = engine.exec(&id, &words(&["cat", &file.path])).await.expect("an answer");
            assert_eq!((cat.exit_code, &cat.output), (0, &file.content), "{step}");
            let stat = engine.exec(&id, &words(&["stat", "-c", "%a %u", &file.path])).await.expect("an answer");
            assert_eq!(stat.output.trim(), format!("{:o} 0", file.mode), "{step}");
        }
    }
    engine.upload(&id, &[file(NEEDED_FILE, 0o600, "other")]).await.expect("an upload into what runs");
    let cat = engine.exec(&id, &words(&["cat", NEEDED_FILE])).await.expect("an answer");
    assert_eq!(cat.output, "other");
}

pub async fn e28_commands_return_exit_code_and_output(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = started(world, "main", Program::Idle, &net).await;
    let answer = engine.exec(&id, &words(&["sh", "-c", "echo out; echo err >&2; exit 3"])).await.expect("an answer");
    assert_eq!(answer.exit_code, 3);
    let mut lines: Vec<_> = answer.output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    let answer = engine.exec(&id, &words(&["true"])).await.expect("an answer");
    assert_eq!((answer.exit_code, answer.output.as_str()), (0, ""));
    let answer = engine.exec(&id, &words(&["no-such-command"])).await.expect("an answer, not an error");
    assert!([126, 127].contains(&answer.exit_code), "{answer:?}");
}

pub async fn e29_no_command_without_a_running_container(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let id = created(world, "main", Program::Idle, &net).await;
    refused(engine.exec(&id, &words(&["true"])).await, Fault::Conflict);
    engine.start(&id).await.expect("a start");
    engine.stop(&id, None).await.expect("a stop");
    refused(engine.exec(&id, &words(&["true"])).await, Fault::Conflict);
}

pub async fn e30_the_end_of_a_log(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    for program in [Program::Writes, Program::WritesAndEnds] {
        let name = if program == Program::Writes { "runs" } else { "ends" };
        let id = created(world, name, program, &net).await;
        assert_eq!(engine.log_tail(&id, 5).await.expect("an answer"), Vec::<String>::new(), "{name}");
        engine.start(&id).await.expect("a start");
        let look = async || {
            let tail = engine.log_tail(&id, 2).await.expect("an answer");
            (tail.last().map(String::as_str) == Some("three")).then_some(tail)
        };
        let tail = eventually("the last line is written a moment after the start", look).await;
        assert_eq!(tail, ["two", "three"], "{name}");
        assert_eq!(engine.log_tail(&id, 100).await.expect("an answer"), ["one", "two", "three"], "{name}");
    }
}

pub async fn e31_a_rename_keeps_the_container(world: &impl World) {
    let engine = world.engine();
    let net = network(world).await;
    let create = container_create(world, "main", Program::Idle, &net);
    let id = engine.create_container(&create).await.expect("a container");
    engine.start(&id).await.expect("a start");
    let aside = format!("{}-old", create.name);
    engine.rename(&id, &aside).await.expect("a rename");
    let facts = listed(world, &id).await.expect("the same container");
    assert_eq!((facts.name, facts.state), (aside, ContainerState::Running));
    let second = engine.create_container(&create).await.expect("the old name is free");
    refused(engine.rename(&id, &create.name).await, Fault::Conflict);
    engine.remove_container(&second).await.expect("a removal");
    engine.rename(&id, &create.name).await.expect("the name is free again");
    assert_eq!(listed(world, &id).await.expect("the same container").name, create.name);
}
