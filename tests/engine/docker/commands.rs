//! Commands in containers, as used by probes.

use moat_model::engine::{Engine, ExecOutput, Fault};
use moat_model::resource::ContainerId;
use testkit::changes::Changes;

use super::lab::Lab;

async fn sh(lab: &Lab, id: &ContainerId, script: &str) -> ExecOutput {
    lab.docker.exec(id, &["sh", "-c", script].map(str::to_owned)).await.expect("it ran")
}

#[tokio::test]
async fn exec_returns_output_and_exit_code() {
    let lab = Lab::new("exec").await;
    let id = lab.idle().await;
    let both = sh(&lab, &id, "echo out; echo err >&2; exit 3").await;
    assert_eq!(both.exit_code, 3);
    assert!(both.output.contains("out\n") && both.output.contains("err\n"), "{both:?}");
    assert_eq!(sh(&lab, &id, "true").await, ExecOutput { exit_code: 0, output: String::new() });
    assert_eq!(sh(&lab, &id, "kill -9 $$").await.exit_code, 137);
    assert_eq!(sh(&lab, &id, "cat").await.exit_code, 0, "its standard input is at its end");
    assert_eq!(sh(&lab, &id, "exec >&- 2>&-; sleep 0.3; exit 4").await.exit_code, 4, "it went on without its streams");

    let long = sh(&lab, &id, "seq 1 100000; echo the end").await.output;
    assert_eq!(long.len(), moat_model::engine::request::EXEC_OUTPUT_MAX);
    assert!(long.ends_with("\n100000\nthe end\n"), "{}", &long[long.len() - 50..]);
}

#[tokio::test]
async fn a_command_that_cannot_be_started_has_an_exit_code() {
    let lab = Lab::new("noexec").await;
    let id = lab.idle().await;
    let gone = lab.docker.exec(&id, &["/no/such/program".to_owned()]).await.expect("an answer");
    assert!(matches!(gone.exit_code, 126 | 127), "{gone:?}");
    assert!(gone.output.contains("/no/such/program"), "{gone:?}");
}

#[tokio::test]
async fn exec_fails_in_a_stopped_container() {
    let lab = Lab::new("stopped").await;
    let id = lab.docker.create_container(&lab.script("main", "exit 5")).await.expect("created");
    let command = ["true".to_owned()];
    assert_eq!(lab.docker.exec(&id, &command).await.map_err(|error| error.fault), Err(Fault::Conflict));
    lab.docker.start(&id).await.expect("started");
    let ended = lab.wait_for("main", "its end", |facts| facts.exit_code.is_some()).await;
    assert_eq!(ended.exit_code, Some(5));
    assert_eq!(lab.docker.exec(&id, &command).await.map_err(|error| error.fault), Err(Fault::Conflict));
    let unknown = ContainerId::new("0123456789ab");
    assert_eq!(lab.docker.exec(&unknown, &command).await.map_err(|error| error.fault), Err(Fault::NotFound));
}

#[tokio::test]
async fn many_commands_run_concurrently() {
    let lab = Lab::new("many").await;
    let id = lab.idle().await;
    let runs = (0..40).map(|number| {
        let (lab, id) = (&lab, &id);
        async move { (number, sh(lab, id, &format!("echo {number}; exit {number}")).await) }
    });
    for (number, output) in futures_util::future::join_all(runs).await {
        assert_eq!(output, ExecOutput { exit_code: number, output: format!("{number}\n") });
    }
}
