//! The output of a run for people: lines, outcome and live lines.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use expect_test::{Expect, expect};
use moat::observe::builds::Builds;
use moat::observe::isolation::{Isolation, Wall};
use moat::ui::Colour;
use moat::ui::Reporter;
use moat::ui::Screen;
use moat::ui::render::outcome::{Command, Ending, OutcomeKind};
use moat::ui::render::status::View;
use moat::ui::terminal::screen::Sink;
use moat_model::engine::{Fault, PullProgress};
use moat_model::resource::{ContainerId, ImageId, Kind, NetworkId, ResourceId, label};
use moat_model::state::{ContainerFacts, ContainerState, Endpoint, Health, NetworkFacts, Observed, VolumeFacts};
use moat_plan::event::{Code, Event, Failure};
use moat_plan::{Cause, Condition, FieldDiff, OpId, Operation, Options, Plan, compute, status};

use super::sample;

/// A captured stream.
#[derive(Clone, Default)]
struct Seen(Rc<RefCell<Vec<u8>>>);

impl Seen {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("UTF-8")
    }
}

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn screen(colour: Colour, width: Option<usize>, quiet: bool) -> (Screen, Seen) {
    let seen = Seen::default();
    let sink = |to: &Seen, width| Sink::new(Box::new(to.clone()), colour, width);
    (Screen::of(sink(&Seen::default(), None), sink(&seen, width), quiet), seen)
}

fn operation<'a>(plan: &'a Plan, verb: &str, name: &str) -> &'a Operation {
    let mut found = plan.operations.iter().filter(|it| it.action.verb() == verb);
    found.find(|it| it.name.contains(name)).expect("in the plan")
}

fn failure(operation: &Operation, message: &str) -> Failure {
    Failure {
        resource: operation.resource.clone(),
        name: operation.name.clone(),
        verb: operation.action.verb(),
        code: Code::EngineFailed,
        exit_code: None,
        probe: None,
        fault: Some(Fault::Engine),
        message: message.to_owned(),
        hint: None,
        log: Vec::new(),
    }
}

/// Reports a run in which the sidecar does not start.
fn report_a_failing_run(reporter: &Reporter<'_>) {
    let graph = sample::graph();
    let plan = sample::plan(&graph);
    let run = &graph.run;
    let pull = operation(&plan, "pull", "docker:dind");
    let network = operation(&plan, "create", "moat-builder");
    let upload = operation(&plan, "upload", "buildkit");
    let wait = operation(&plan, "await", "buildkit");
    let start = plan.operations.iter().rfind(|it| it.action.verb() == "start").expect("in the plan");
    let last = plan.operations.last().expect("in the plan");
    let failure = failure(wait, "it ended");
    let (quick, slow) = (Duration::from_millis(7), Duration::from_millis(1234));
    let events = [
        Event::Planned { run, round: 1, plan: &plan },
        Event::Started { operation: pull },
        Event::Started { operation: network },
        Event::Succeeded { operation: network, took: quick },
        Event::Progress {
            operation: pull,
            progress: PullProgress { current: 1_500_000, total: 30_000_000, layers_done: 1, layers: 3 },
        },
        Event::Succeeded { operation: pull, took: slow },
        Event::Retrying { operation: network, error: "busy\u{1b}[2J", attempt: 1, pause: quick },
        Event::Succeeded { operation: upload, took: quick },
        Event::Started { operation: wait },
        Event::Failed { operation: wait, failure: &failure, took: slow },
        Event::Skipped { operation: start, because: wait.id },
        Event::Skipped { operation: last, because: wait.id },
        Event::Undoing { run, plan: &plan },
        Event::Planned { run, round: 2, plan: &plan },
        Event::Warning { run, message: "builds are not routed", hint: "install buildx" },
    ];
    for event in &events {
        reporter.report(event);
    }
}

#[test]
fn a_run_in_permanent_lines() {
    let (screen, seen) = screen(Colour::Never, None, false);
    report_a_failing_run(&Reporter::person(&screen));
    expect![[r#"
        builder: 14 to do
          pulling image docker:dind
          created   network moat-builder-1f2e3d4c
          pulled    image docker:dind (1.2 s)
          retrying  to create network moat-builder-1f2e3d4c: busy�[2J
          uploaded  1 file to container moat-buildkit-builder-1f2e3d4c
          failed    waiting for moat-buildkit-builder-1f2e3d4c (1.2 s)
          skipped   container moat-builder-1f2e3d4c, which needs container moat-buildkit-builder-1f2e3d4c
        builder: rolling back
        builder: checked again, 14 more to do
        warning: builds are not routed
          = help: install buildx
    "#]]
    .assert_eq(&sample::anonymous(&seen.text(), &sample::graph()));
}

#[test]
fn a_failed_resource_is_not_reported_as_skipped() {
    let (screen, seen) = screen(Colour::Never, None, false);
    let reporter = Reporter::person(&screen);
    let plan = sample::plan(&sample::graph());
    let last = plan.operations.last().expect("in the plan");
    let start = plan.operations.iter().rfind(|it| it.action.verb() == "start").expect("in the plan");
    let failure = failure(start, "it did not start");
    reporter.report(&Event::Failed { operation: start, failure: &failure, took: Duration::ZERO });
    reporter.report(&Event::Skipped { operation: last, because: start.id });
    assert_eq!(start.resource, last.resource, "the start, and the wait for it");
    assert_eq!(
        sample::anonymous(&seen.text(), &sample::graph()),
        "  failed    starting container moat-builder-1f2e3d4c\n"
    );
}

#[test]
fn quiet_output_has_warnings_only() {
    let (screen, seen) = screen(Colour::Never, Some(80), true);
    report_a_failing_run(&Reporter::person(&screen));
    expect![[r#"
        warning: builds are not routed
          = help: install buildx
    "#]]
    .assert_eq(&seen.text());
}

/// A minimal terminal: its content, and the longest rewritten line.
struct Terminal {
    rows: Vec<String>,
    row: usize,
    longest: usize,
    writes: usize,
    /// The final character of the last sequence.
    last: char,
}

impl Terminal {
    fn after(text: &str) -> Self {
        let mut terminal = Self { rows: vec![String::new()], row: 0, longest: 0, writes: 0, last: ' ' };
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\n' => {
                    terminal.row += 1;
                    terminal.rows.resize(terminal.rows.len().max(terminal.row + 1), String::new());
                }
                // Always followed by an erasure here.
                '\r' => {}
                '\u{1b}' => terminal.sequence(&mut chars),
                c => terminal.rows[terminal.row].push(c),
            }
        }
        terminal
    }

    fn sequence(&mut self, chars: &mut std::str::Chars<'_>) {
        let number: String = chars
            .by_ref()
            .skip(1)
            .take_while(|c| {
                self.last = *c;
                c.is_ascii_digit()
            })
            .collect();
        let lines = || number.parse::<usize>().expect("a number of lines");
        match self.last {
            'A' => self.row -= lines(),
            'B' => self.row += lines(),
            last => {
                let live = self.rows[self.row..].iter().map(|row| row.chars().count());
                self.longest = self.longest.max(live.max().unwrap_or(0));
                // `J` erases to the end of the screen, `K` the line.
                if last == 'J' {
                    self.rows.truncate(self.row + 1);
                }
                self.rows[self.row].clear();
                self.writes += 1;
            }
        }
    }
}

/// The final content of a terminal equals the permanent lines; live lines are only visible during the run.
#[test]
fn live_lines_leave_no_trace() {
    let (steady_screen, steady) = screen(Colour::Never, None, false);
    report_a_failing_run(&Reporter::person(&steady_screen));
    let (live_screen, live) = screen(Colour::Never, Some(46), false);
    let reporter = Reporter::person(&live_screen);
    report_a_failing_run(&reporter);
    drop(reporter);
    let live = live.text();
    let shown = Terminal::after(&live);
    // Without live lines, the start of a pull has a line.
    assert_eq!(shown.rows.join("\n"), steady.text().replace("  pulling image docker:dind\n", ""));
    assert!((20..46).contains(&shown.longest), "live lines exist and do not wrap: {}", shown.longest);
    assert!(live.contains("pulling   image docker:dind  1.5 MB of 30.…"), "{live}");
    assert!(shown.writes > 5, "{}", shown.writes);
}

/// Completed operations are above, running ones below, and a warning is in between.
#[test]
fn live_lines_are_below_completed_operations() {
    let graph = sample::graph();
    let plan = sample::plan(&graph);
    let run = &graph.run;
    let (pull, network) = (operation(&plan, "pull", "docker:dind"), operation(&plan, "create", "moat-builder"));
    let volume = operation(&plan, "create", "docker");
    let (screen, seen) = screen(Colour::Never, Some(80), false);
    let reporter = Reporter::person(&screen);
    let progress = PullProgress { current: 12_300_000, total: 90_100_000, layers_done: 3, layers: 8 };
    for event in [
        Event::Planned { run, round: 1, plan: &plan },
        Event::Started { operation: pull },
        Event::Started { operation: network },
        Event::Started { operation: volume },
        Event::Progress { operation: pull, progress },
        Event::Succeeded { operation: network, took: Duration::from_millis(1200) },
        Event::Warning { run, message: "look", hint: "here" },
    ] {
        reporter.report(&event);
    }
    expect![[r#"
        builder: 14 to do
          created   network moat-builder-1f2e3d4c (1.2 s)
        warning: look
          = help: here
          pulling   image docker:dind  12.3 MB of 90.1 MB, 3 of 8 layers
          creating  volume moat-builder-1f2e3d4c-docker"#]]
    .assert_eq(&sample::anonymous(&Terminal::after(&seen.text()).rows.join("\n"), &graph));
}

#[test]
fn colours_do_not_change_the_text() {
    let (plain_screen, plain) = screen(Colour::Never, None, false);
    report_a_failing_run(&Reporter::person(&plain_screen));
    let (coloured_screen, coloured) = screen(Colour::Always, None, false);
    report_a_failing_run(&Reporter::person(&coloured_screen));
    assert_ne!(plain.text(), coloured.text());
    let stripped: String = coloured
        .text()
        .split('\u{1b}')
        .enumerate()
        .map(|(i, part)| if i == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) }.to_owned())
        .collect();
    assert_eq!(stripped, plain.text());
}

#[track_caller]
fn ends(how: OutcomeKind<'_>, expected: &Expect) {
    let graph = sample::graph();
    let ending = Ending { run: &graph.run, how, exit_code: 0, condition: Some(Condition::Ready) };
    expected.assert_eq(&sample::anonymous(&ending.text("13 done, 4.2 s", Colour::Never), &graph));
}

#[test]
fn the_outcome_of_an_apply() {
    let graph = sample::graph();
    let builds = Builds { routed: true, builder: "moat".to_owned(), reason: None, hint: None };
    let ready = |changed, builds| OutcomeKind::Ready { graph: &graph, changed, builds, exec: "moat exec" };
    ends(
        ready(true, Some(&builds)),
        &expect![[r#"
        builder is ready (13 done, 4.2 s)
          main      moat-builder-1f2e3d4c
          buildkit  moat-buildkit-builder-1f2e3d4c
          builds    routed to moat
        next: moat exec -- docker build .
    "#]],
    );
    ends(
        ready(false, None),
        &expect![[r#"
        builder is ready: nothing to do
    "#]],
    );
}

#[test]
fn the_outcome_of_a_destroy() {
    let kept = ["moat-builder-1f2e3d4c-buildkit-cache".to_owned()];
    ends(
        OutcomeKind::Gone { changed: true, kept: &kept, of: Command::Destroy },
        &expect![[r#"
        builder is gone (13 done, 4.2 s)
          kept  volume moat-builder-1f2e3d4c-buildkit-cache
          = help: `moat destroy --volumes` removes the kept volumes and their data
    "#]],
    );
    ends(
        OutcomeKind::Gone { changed: false, kept: &[], of: Command::Destroy },
        &expect![[r#"
        builder: nothing to destroy
    "#]],
    );
}

#[test]
fn a_failure_has_operation_reason_log_and_hint() {
    let graph = sample::graph();
    let plan = sample::plan(&graph);
    let wait = failure(operation(&plan, "await", "buildkit"), "`moat-buildkit-builder` exited with code 3");
    let wait = Failure {
        log: vec!["starting".to_owned(), "no\u{1b}[31m good".to_owned()],
        hint: Some("look".to_owned()),
        ..wait
    };
    let create = failure(operation(&plan, "create", "moat-builder"), "the engine is full");
    let failures = [wait, create];
    ends(
        OutcomeKind::Failed { failures: &failures, undone: true, undid: &plan.operations[..4], of: Command::Apply },
        &expect![[r#"
            error: `moat-buildkit-builder` exited with code 3
              | the last lines of container moat-buildkit-builder-1f2e3d4c
              |   starting
              |   no�[31m good
              = help: look
            error: cannot create network `moat-builder-1f2e3d4c`: the engine is full
            rolled back: pulled image docker:dind, image moby/buildkit:v0.32.2, created network moat-builder-1f2e3d4c, volume moat-builder-1f2e3d4c-buildkit-cache
              = help: `--keep-on-failure` skips the rollback, for inspection
        "#]],
    );
    ends(
        OutcomeKind::Failed { failures: &failures[1..], undone: false, undid: &[], of: Command::Apply },
        &expect![[r#"
        error: cannot create network `moat-builder-1f2e3d4c`: the engine is full
        the completed steps were kept; `moat status` shows the result, `moat apply` resumes
    "#]],
    );
    ends(
        OutcomeKind::Failed { failures: &failures[1..], undone: false, undid: &[], of: Command::Destroy },
        &expect![[r#"
        error: cannot create network `moat-builder-1f2e3d4c`: the engine is full
        `moat status` shows the remaining resources; `moat destroy` resumes
    "#]],
    );
}

#[test]
fn the_outcome_without_convergence_and_after_an_interrupt() {
    let graph = sample::graph();
    let mut plan = sample::plan(&graph);
    plan.operations.truncate(2);
    ends(
        OutcomeKind::OutOfBudget { plan: &plan },
        &expect![[r#"
        1.  pull image docker:dind: missing
        2.  pull image moby/buildkit:v0.32.2: missing
        error: builder did not converge: each round found more to do
          = help: another program changes it at the same time; the remaining steps are above
    "#]],
    );
    ends(
        OutcomeKind::Interrupted { remaining: &Observed::default() },
        &expect![[r#"
        interrupted: builder is incomplete
          no resources remain
    "#]],
    );
    ends(
        OutcomeKind::Interrupted { remaining: &sidecar_down() },
        &expect![[r#"
            interrupted: builder is incomplete
              left  container moat-buildkit-builder-1f2e3d4c
              left  container moat-builder-1f2e3d4c
              left  container moat-old-builder-1f2e3d4c
              left  network moat-builder-1f2e3d4c
              left  volume moat-builder-1f2e3d4c-buildkit-cache
              left  volume moat-builder-1f2e3d4c-buildkit-socket
              left  volume moat-builder-1f2e3d4c-docker
              = help: `moat apply` resumes, `moat destroy` removes it
        "#]],
    );
}

/// An exited sidecar, a running main container, and a container that is not in the spec.
fn sidecar_down() -> Observed {
    let graph = sample::graph();
    let owner = |id: &ResourceId| {
        let node = graph.node(id).or_else(|| graph.node(&ResourceId::main())).expect("in the graph");
        label::Ownership::read(&label::labels(&graph.run, id, &node.config)).expect("ours")
    };
    let network = ResourceId::network("agent");
    let on_it = Endpoint { network: graph.run.name_of(&network), id: Some(NetworkId::new("n1")) };
    let container = |id: ResourceId, engine_id: &str, state, exit_code, health| ContainerFacts {
        id: ContainerId::new(engine_id),
        name: graph.run.name_of(&id),
        owner: Some(owner(&id)),
        image: ImageId::new("sha256:1"),
        state,
        up_seconds: None,
        health,
        exit_code,
        networks: vec![on_it.clone()],
        home: Some(NetworkId::new("n1")),
        volumes: Vec::new(),
        published: Vec::new(),
        created: 1,
    };
    let volumes = graph.nodes().filter(|node| node.id.kind == Kind::Volume);
    let volumes = volumes.map(|node| VolumeFacts { name: graph.run.name_of(&node.id), owner: Some(owner(&node.id)) });
    Observed {
        containers: vec![
            container(ResourceId::container("buildkit"), "c1", ContainerState::Exited, Some(1), Health::None),
            container(ResourceId::main(), "c2", ContainerState::Running, None, Health::Healthy),
            container(ResourceId::container("old"), "c3", ContainerState::Running, None, Health::None),
        ],
        networks: vec![NetworkFacts {
            id: NetworkId::new("n1"),
            name: graph.run.name_of(&network),
            owner: Some(owner(&network)),
            created: String::new(),
            subnets: Vec::new(),
            internal: false,
            without_host: false,
        }],
        volumes: volumes.collect(),
        ..sample::nothing()
    }
}

#[test]
fn the_status_of_a_degraded_sandbox() {
    let (graph, observed) = (sample::graph(), sidecar_down());
    let plan = compute(&graph, &observed, &Options::default());
    let mut status = status(&graph, &observed, &plan);
    let reason = Some("buildx 0.13.1 < 0.14".to_owned());
    let builds = Builds { routed: false, builder: "moat".to_owned(), reason, hint: None };
    let (run, builds) = (&graph.run, Some(&builds));
    let is = |wall, runtime: Option<&str>| Isolation { wall, runtime: runtime.map(str::to_owned) };
    let isolation = BTreeMap::from([(ContainerId::new("c2"), is(Wall::Privileged, None))]);
    let view = View {
        run,
        context: None,
        status: &status,
        isolation: &isolation,
        builds,
        cache_bytes: None,
        watch: None,
        denied: &[],
        refused: &[],
        log: &[],
        last_error: None,
    };
    expect![[r#"
        builder: degraded
        isolation: privileged
        builds: local (buildx 0.13.1 < 0.14)

        RESOURCE                NAME                                   STATE    READY
        image                   docker:dind                            missing  no
        image                   moby/buildkit:v0.32.2                  missing  no
        network/agent           moat-builder-1f2e3d4c                  present  yes
        volume/buildkit-cache   moat-builder-1f2e3d4c-buildkit-cache   present  yes
        volume/buildkit-socket  moat-builder-1f2e3d4c-buildkit-socket  present  yes
        volume/docker           moat-builder-1f2e3d4c-docker           present  yes
        container/buildkit      moat-buildkit-builder-1f2e3d4c         exited   no (exited with code 1)
        container/main          moat-builder-1f2e3d4c                  running  yes
        container/old           moat-old-builder-1f2e3d4c              running  no (no longer needed)
    "#]]
    .assert_eq(&sample::anonymous(&view.text(Colour::Never), &graph));

    for (main, sidecar, expected) in [
        (is(Wall::Rootless, None), is(Wall::Rootless, None), "\nisolation: rootless\n"),
        (is(Wall::Rootless, None), is(Wall::Privileged, None), "\nisolation: rootless, buildkit privileged\n"),
        (is(Wall::Default, Some("runsc")), is(Wall::Default, None), "\nisolation: default (runtime runsc)\n"),
        (is(Wall::Default, None), is(Wall::Mapped, None), "\nisolation: default, buildkit mapped\n"),
        (is(Wall::Default, None), is(Wall::Default, None), "degraded\nbuilds:"),
    ] {
        let isolation = BTreeMap::from([(ContainerId::new("c2"), main), (ContainerId::new("c1"), sidecar)]);
        let view = View { isolation: &isolation, ..view };
        assert!(view.text(Colour::Never).contains(expected), "{expected}");
        let document: serde_json::Value = serde_json::from_str(&view.json()).expect("JSON");
        let of = |name: &str| {
            let all = document["resources"].as_array().expect("a list");
            all.iter().find(|it| it["resource"] == format!("container/{name}")).expect("there").clone()
        };
        assert_eq!(of("main")["isolation"], isolation[&ContainerId::new("c2")].wall.as_str());
        assert_eq!(of("main")["runtime"].as_str(), isolation[&ContainerId::new("c2")].runtime.as_deref());
        assert_eq!(of("buildkit")["isolation"], isolation[&ContainerId::new("c1")].wall.as_str());
    }

    let main = status.resources.iter_mut().find(|it| it.resource == ResourceId::main()).expect("there");
    let diff = |field: &str| FieldDiff { field: field.to_owned(), old: None, new: None };
    (main.ready, main.cause) = (false, Some(Cause::Changed(vec![diff("command"), diff("env.A")])));
    let view = View {
        context: None,
        run: &graph.run,
        status: &status,
        isolation: &isolation,
        builds: None,
        cache_bytes: None,
        watch: None,
        denied: &[],
        refused: &[],
        log: &[],
        last_error: None,
    };
    assert!(view.text(Colour::Never).contains("no (changed: command, env.A)\n"));
}

#[test]
fn the_condition_summarises_all_resources() {
    let graph = sample::graph();
    let condition = |observed: &Observed| {
        let plan = compute(&graph, observed, &Options::default());
        status(&graph, observed, &plan).condition
    };
    assert_eq!(condition(&sample::nothing()), Condition::Absent);
    let down = sidecar_down();
    assert_eq!(condition(&down), Condition::Degraded);

    // Images of running containers are not inspected.
    let mut fine = Observed { images: std::collections::BTreeMap::new(), ..down.clone() };
    fine.containers.pop();
    fine.containers[0] =
        ContainerFacts { state: ContainerState::Running, health: Health::Healthy, ..fine.containers[0].clone() };
    assert_eq!(condition(&fine), Condition::Ready);

    let mut starting = fine.clone();
    starting.containers[1].health = Health::Starting;
    assert_eq!(condition(&starting), Condition::Converging);

    // A destroy keeps the cache, but not the data of the inner daemon, which remains to be destroyed.
    let (containers, networks, images) = (Vec::new(), Vec::new(), sample::nothing().images);
    let mut kept = Observed { containers, networks, images, ..fine };
    assert_eq!(condition(&kept), Condition::Degraded);
    kept.volumes.retain(|volume| volume.name.ends_with("buildkit-cache"));
    assert_eq!(condition(&kept), Condition::Absent);
}

/// Each plan numbers its operations independently.
#[test]
fn a_failure_does_not_affect_messages_of_the_next_plan() {
    let (screen, seen) = screen(Colour::Never, None, false);
    let graph = sample::graph();
    let plan = sample::plan(&graph);
    let reporter = Reporter::person(&screen);
    let (first, last) = (&plan.operations[0], plan.operations.last().expect("in the plan"));
    reporter.report(&Event::Failed { operation: first, failure: &failure(first, "m"), took: Duration::ZERO });
    reporter.report(&Event::Planned { run: &graph.run, round: 2, plan: &plan });
    reporter.report(&Event::Skipped { operation: last, because: OpId(0) });
    assert!(!seen.text().lines().last().expect("a line").contains("docker:dind"), "{}", seen.text());
}
