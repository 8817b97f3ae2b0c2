//! The outcome of a run: the last output of commands such as apply and destroy.

use crate::observe::builds::Builds;
use crate::ui::Colour;
use crate::ui::phrases;
use crate::ui::render::failure;
use crate::ui::terminal::style::{BAD, CARE, GOOD, STRONG, help, notice};
use moat_model::graph::Graph;
use moat_model::resource::{Kind, Role, Run};
use moat_model::state::Observed;
use moat_plan::event::{Code, Failure};
use moat_plan::{Action, Condition, Operation, Plan};

/// The outcome of a run.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    pub run: &'a Run,
    pub how: OutcomeKind<'a>,
    pub exit_code: u8,
    /// The current condition of the run; `None` if the engine cannot be reached.
    pub condition: Option<Condition>,
}

#[derive(Debug, Clone, Copy)]
pub enum OutcomeKind<'a> {
    /// The sandbox matches its spec and is ready.
    Ready {
        graph: &'a Graph,
        changed: bool,
        /// The routing of builds; `None` if the spec has no builder, or nothing changed since the last check.
        builds: Option<&'a Builds>,
        /// The command line prefix that runs a command in the sandbox, for example `moat exec`.
        exec: &'a str,
    },
    /// The command exited with 0, and everything else matches the spec.
    Completed { changed: bool },
    /// The user stopped the sandbox; its resources exist.
    Stopped { changed: bool },
    /// All resources except `kept` (sorted) are removed.
    Gone { changed: bool, kept: &'a [String], of: Command },
    Failed {
        failures: &'a [Failure],
        /// The changes were rolled back.
        undone: bool,
        /// The operations of the rollback.
        undid: &'a [Operation],
        of: Command,
    },
    /// Each round found more changes.
    OutOfBudget { plan: &'a Plan },
    /// The user interrupted the command.
    Interrupted { remaining: &'a Observed },
}

/// A command that changes a sandbox. After a failure it determines the next steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Apply,
    Run,
    Destroy,
    Clean,
    Stop,
    Start,
    Restart,
    Restore,
}

impl Command {
    /// Returns the name of the command.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Run => "run",
            Self::Destroy => "destroy",
            Self::Clean => "clean",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Restore => "restore",
        }
    }
}

impl OutcomeKind<'_> {
    /// Returns the outcome for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ready { .. } | Self::Completed { .. } | Self::Stopped { .. } | Self::Gone { .. } => "converged",
            Self::Failed { .. } => "failed",
            Self::OutOfBudget { .. } => "out-of-budget",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// Returns the code of the first failure; `None` after success.
    pub fn cause(&self) -> Option<Code> {
        match self {
            Self::Ready { .. } | Self::Completed { .. } | Self::Stopped { .. } | Self::Gone { .. } => None,
            Self::Failed { failures, .. } => failures.first().map(|failure| failure.code),
            Self::OutOfBudget { .. } => Some(Code::Unsteady),
            Self::Interrupted { .. } => Some(Code::Interrupted),
        }
    }

    /// Returns commands that resume after a failure, the most likely first; each for the same sandbox.
    pub fn next(&self) -> &'static [&'static str] {
        match self {
            Self::Ready { .. } | Self::Completed { .. } | Self::Stopped { .. } | Self::Gone { .. } => &[],
            Self::Failed { undone: true, undid: [], .. } => &["moat apply"],
            Self::Failed { undone: true, .. } => &["moat apply --keep-on-failure"],
            Self::Failed {
                of: Command::Apply | Command::Run | Command::Start | Command::Restart | Command::Restore,
                ..
            } => &["moat status", "moat apply"],
            Self::Failed { of: Command::Stop, .. } => &["moat status", "moat stop"],
            Self::Failed { of: Command::Clean, .. } => &["moat list", "moat clean"],
            Self::Failed { of: Command::Destroy, .. } => &["moat status", "moat destroy"],
            Self::OutOfBudget { .. } => &["moat events", "moat apply"],
            Self::Interrupted { .. } => &["moat apply", "moat destroy"],
        }
    }
}

impl Ending<'_> {
    /// Whether the command succeeded.
    pub fn is_good(&self) -> bool {
        matches!(
            self.how,
            OutcomeKind::Ready { .. }
                | OutcomeKind::Completed { .. }
                | OutcomeKind::Stopped { .. }
                | OutcomeKind::Gone { .. }
        )
    }

    /// Returns the last output; `did` summarises the work, for example `13 done, 4.2 s`. Ends with a line feed.
    pub fn text(&self, did: &str, colour: Colour) -> String {
        let agent = &self.run.agent;
        match self.how {
            OutcomeKind::Ready { changed: false, .. } => {
                format!("{agent} is {}: nothing to do\n", colour.paint(GOOD, "ready"))
            }
            OutcomeKind::Ready { graph, builds, exec, .. } => {
                format!("{agent} is {} ({did})\n{}", colour.paint(GOOD, "ready"), ready(graph, builds, exec, colour))
            }
            OutcomeKind::Completed { changed } => {
                let did = if changed { format!(" ({did})") } else { ": nothing to do".to_owned() };
                let next = colour.paint(STRONG, if changed { "moat logs" } else { "moat restart" });
                format!("{agent} has {}{did}\nnext: {next}\n", colour.paint(GOOD, "completed"))
            }
            OutcomeKind::Stopped { changed } => {
                let did = if changed { format!(" ({did})") } else { ": nothing to do".to_owned() };
                let next = colour.paint(STRONG, "moat start");
                format!("{agent} is {}{did}\nnext: {next}\n", colour.paint(CARE, "stopped"))
            }
            OutcomeKind::Gone { changed: false, kept, of } => {
                format!("{agent}: nothing to destroy\n{}", kept_text(kept, of, colour))
            }
            OutcomeKind::Gone { kept, of, .. } => {
                format!("{agent} is {} ({did})\n{}", colour.paint(GOOD, "gone"), kept_text(kept, of, colour))
            }
            OutcomeKind::Failed { failures, undone, undid, of } => {
                let failures: String = failures.iter().map(|it| failure::text(it, colour)).collect();
                failures + &state_after(undone, undid, of, colour)
            }
            OutcomeKind::OutOfBudget { plan } => {
                let hint = "another program changes it at the same time; the remaining steps are above";
                let message = format!("{agent} did not converge: each round found more to do");
                format!("{plan}{}", notice("error", BAD, &message, Some(hint), colour))
            }
            OutcomeKind::Interrupted { remaining } => interrupted(self.run, remaining, colour),
        }
    }
}

/// Returns the containers, the routing of builds, and a suggested next command.
fn ready(graph: &Graph, builds: Option<&Builds>, exec: &str, colour: Colour) -> String {
    let containers = graph.nodes().filter(|node| node.id.kind == Kind::Container);
    let mut rows: Vec<(&str, String)> = Vec::new();
    for node in containers {
        let row = (node.id.name.as_str(), graph.run.name_of(&node.id));
        if node.role == Role::Main { rows.insert(0, row) } else { rows.push(row) }
    }
    if let Some(builds) = builds {
        rows.push(("builds", crate::ui::render::status::builds_text(builds, None)));
    }
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (label, value) in &rows {
        text.push_str(&format!("  {label:width$}  {value}\n"));
    }
    let example = if graph.builds.is_some() { "docker build ." } else { "sh" };
    text.push_str(&format!("next: {}\n", colour.paint(STRONG, &format!("{exec} -- {example}"))));
    text
}

fn kept_text(kept: &[String], of: Command, colour: Colour) -> String {
    if kept.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for name in kept {
        text.push_str(&format!("  kept  {}\n", phrases::named(Kind::Volume, name)));
    }
    let again = if of == Command::Clean { "`moat clean --volumes`" } else { "`moat destroy --volumes`" };
    text.push_str(&help(&format!("{again} removes the kept volumes and their data"), colour));
    text
}

/// Returns the rollback, or how to resume.
fn state_after(undone: bool, undid: &[Operation], of: Command, colour: Colour) -> String {
    if undone {
        if undid.is_empty() {
            return "nothing was changed; `moat apply` retries\n".to_owned();
        }
        let text = format!("rolled back: {}\n", summarised(undid));
        return text + &help("`--keep-on-failure` skips the rollback, for inspection", colour);
    }
    match of {
        Command::Apply | Command::Run | Command::Start | Command::Restart | Command::Restore => {
            "the completed steps were kept; `moat status` shows the result, `moat apply` resumes\n"
        }
        Command::Stop => "`moat status` shows the running containers; `moat stop` resumes\n",
        Command::Clean => "`moat list` shows the remaining sandboxes; `moat clean` resumes\n",
        Command::Destroy => "`moat status` shows the remaining resources; `moat destroy` resumes\n",
    }
    .to_owned()
}

/// Returns a text such as `removed container a, network b`. Consecutive operations with the same verb are grouped, and
/// sorted within the group.
fn summarised(operations: &[Operation]) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for operation in operations {
        // A removal implies the stop before it; a wait changes nothing.
        if matches!(operation.action, Action::StopContainer { .. } | Action::AwaitReady { .. }) {
            continue;
        }
        let (verb, object) = phrases::done(operation);
        match groups.last_mut() {
            Some((last, objects)) if *last == verb => objects.push(object),
            _ => groups.push((verb, vec![object])),
        }
    }
    let group = |(verb, mut objects): (&str, Vec<String>)| {
        objects.sort();
        format!("{verb} {}", objects.join(", "))
    };
    groups.into_iter().map(group).collect::<Vec<_>>().join(", ")
}

fn interrupted(run: &Run, remaining: &Observed, colour: Colour) -> String {
    let mut text = format!("{}: {} is incomplete\n", colour.paint(CARE, "interrupted"), run.agent);
    let left = names(remaining);
    if left.is_empty() {
        text.push_str("  no resources remain\n");
    } else {
        text.extend(left.iter().map(|name| format!("  left  {name}\n")));
        text.push_str(&help("`moat apply` resumes, `moat destroy` removes it", colour));
    }
    text
}

/// Returns all resources of a run on the engine, by kind and name.
pub(in crate::ui) fn names(observed: &Observed) -> Vec<String> {
    let containers = observed.containers.iter().map(|it| phrases::named(Kind::Container, &it.name));
    let networks = observed.networks.iter().map(|it| phrases::named(Kind::Network, &it.name));
    let volumes = observed.volumes.iter().map(|it| phrases::named(Kind::Volume, &it.name));
    containers.chain(networks).chain(volumes).collect()
}
