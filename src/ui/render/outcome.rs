//! How a run ended: the last screen of an apply or a destroy.

use crate::observe::builds::Builds;
use crate::ui::Colour;
use crate::ui::live::phrases;
use crate::ui::render::failure;
use crate::ui::terminal::style::{BAD, CARE, GOOD, STRONG, help, notice};
use moat_model::graph::Graph;
use moat_model::resource::{Kind, Role, Run};
use moat_model::state::Observed;
use moat_plan::event::{Code, Failure};
use moat_plan::{Action, Condition, Operation, Plan};

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    pub run: &'a Run,
    pub how: OutcomeKind<'a>,
    pub exit_code: u8,
    /// How the run stands now; `None`: the engine could not be asked any more.
    pub condition: Option<Condition>,
}

#[derive(Debug, Clone, Copy)]
pub enum OutcomeKind<'a> {
    /// Everything is as the spec says.
    Ready {
        graph: &'a Graph,
        changed: bool,
        /// Where builds go; `None`: the spec wants no builder, or nothing has changed since it was looked at.
        builds: Option<&'a Builds>,
        /// The words with which a command is run in it, as in `moat exec`.
        exec: &'a str,
    },
    /// Its command has ended with 0, and everything else is as the spec says.
    Completed { changed: bool },
    /// It is down, as the user wanted; nothing of it is gone.
    Stopped { changed: bool },
    /// Nothing is left but `kept`, sorted.
    Gone { changed: bool, kept: &'a [String], of: Command },
    Failed {
        failures: &'a [Failure],
        /// What had been done is undone.
        undone: bool,
        /// By these.
        undid: &'a [Operation],
        of: Command,
    },
    /// Each round found something more to do.
    OutOfBudget { plan: &'a Plan },
    /// The user asked to stop.
    Interrupted { remaining: &'a Observed },
}

/// Which command has failed: what to do next depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Apply,
    Destroy,
    Clean,
    Stop,
    Start,
    Restart,
}

impl Command {
    /// As it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Destroy => "destroy",
            Self::Clean => "clean",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
        }
    }
}

impl OutcomeKind<'_> {
    /// The word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ready { .. } | Self::Completed { .. } | Self::Stopped { .. } | Self::Gone { .. } => "converged",
            Self::Failed { .. } => "failed",
            Self::OutOfBudget { .. } => "out-of-budget",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// Why it is not as it was wanted to be; of several reasons the first.
    pub fn cause(&self) -> Option<Code> {
        match self {
            Self::Ready { .. } | Self::Completed { .. } | Self::Stopped { .. } | Self::Gone { .. } => None,
            Self::Failed { failures, .. } => failures.first().map(|failure| failure.code),
            Self::OutOfBudget { .. } => Some(Code::Unsteady),
            Self::Interrupted { .. } => Some(Code::Interrupted),
        }
    }

    /// The commands that go on from a failure, the likeliest first; each for the same sandbox.
    pub fn next(&self) -> &'static [&'static str] {
        match self {
            Self::Ready { .. } | Self::Completed { .. } | Self::Stopped { .. } | Self::Gone { .. } => &[],
            Self::Failed { undone: true, undid: [], .. } => &["moat apply"],
            Self::Failed { undone: true, .. } => &["moat apply --keep-on-failure"],
            Self::Failed { of: Command::Apply | Command::Start | Command::Restart, .. } => {
                &["moat status", "moat apply"]
            }
            Self::Failed { of: Command::Stop, .. } => &["moat status", "moat stop"],
            Self::Failed { of: Command::Clean, .. } => &["moat list", "moat clean"],
            Self::Failed { of: Command::Destroy, .. } => &["moat status", "moat destroy"],
            Self::OutOfBudget { .. } => &["moat events", "moat apply"],
            Self::Interrupted { .. } => &["moat apply", "moat destroy"],
        }
    }
}

impl Ending<'_> {
    /// Whether it is as it was wanted to be.
    pub fn is_good(&self) -> bool {
        matches!(
            self.how,
            OutcomeKind::Ready { .. }
                | OutcomeKind::Completed { .. }
                | OutcomeKind::Stopped { .. }
                | OutcomeKind::Gone { .. }
        )
    }

    /// The last screen; `did` is what was done, as in `13 done, 4.2 s`. Ends with a line feed.
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
                let did = if changed { format!(" ({did})") } else { ", and stays so".to_owned() };
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
                let hint = "something else changes it at the same time; what is left is above";
                let message = format!("{agent} is still not as wanted: each round found more to do");
                format!("{plan}{}", notice("error", BAD, &message, Some(hint), colour))
            }
            OutcomeKind::Interrupted { remaining } => interrupted(self.run, remaining, colour),
        }
    }
}

/// What there is, where builds go, and what to do next.
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
        text.push_str(&format!(
            "  kept  {}
",
            phrases::named(Kind::Volume, name)
        ));
    }
    let again = if of == Command::Clean { "`moat clean --volumes`" } else { "`moat destroy --volumes`" };
    text.push_str(&help(&format!("{again} removes what was kept, with its data"), colour));
    text
}

/// What was undone, or where it can be gone on from.
fn state_after(undone: bool, undid: &[Operation], of: Command, colour: Colour) -> String {
    if undone {
        if undid.is_empty() {
            return "nothing had been changed; `moat apply` tries again\n".to_owned();
        }
        let text = format!("what had been done is undone: {}\n", in_words(undid));
        return text + &help("`--keep-on-failure` would leave it to be looked at", colour);
    }
    match of {
        Command::Apply | Command::Start | Command::Restart => {
            "what was done stays: `moat status` shows it, `moat apply` goes on from there\n"
        }
        Command::Stop => "what is left running is shown by `moat status`; `moat stop` goes on from there\n",
        Command::Clean => "what is left is shown by `moat list`; `moat clean` goes on from there\n",
        Command::Destroy => "what is left is shown by `moat status`; `moat destroy` goes on from there\n",
    }
    .to_owned()
}

/// As in `removed container a, network b`: what each did is said once for all that follow one another, whose own order
/// is of no interest.
fn in_words(operations: &[Operation]) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for operation in operations {
        // A removal tells that it was stopped before; a wait has done nothing.
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
    let mut text = format!("{}: {} was stopped before the end\n", colour.paint(CARE, "interrupted"), run.agent);
    let left = names(remaining);
    if left.is_empty() {
        text.push_str("  nothing of it is left\n");
    } else {
        text.extend(left.iter().map(|name| format!("  left  {name}\n")));
        text.push_str(&help("`moat apply` goes on from here, `moat destroy` removes it", colour));
    }
    text
}

/// Everything of a run that an engine holds, by kind and name.
pub(in crate::ui) fn names(observed: &Observed) -> Vec<String> {
    let containers = observed.containers.iter().map(|it| phrases::named(Kind::Container, &it.name));
    let networks = observed.networks.iter().map(|it| phrases::named(Kind::Network, &it.name));
    let volumes = observed.volumes.iter().map(|it| phrases::named(Kind::Volume, &it.name));
    containers.chain(networks).chain(volumes).collect()
}
