//! The progress of a run for people: one permanent line for each completed operation. On a terminal, live lines below
//! show the running operations.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::ui::Colour;
use crate::ui::Prefix;
use crate::ui::live::rows::{self, Row};
use crate::ui::live::watching;
use crate::ui::phrases;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, STRONG, bytes, harmless, notice};
use crate::ui::terminal::width::shortened;
use moat_model::engine::PullProgress;
use moat_model::resource::ResourceId;
use moat_plan::event::Event;
use moat_plan::{Action, OpId, Operation};

/// Shorter durations are not shown.
const NOTEWORTHY: Duration = Duration::from_secs(1);

/// The interval of lines about a pull if lines cannot be rewritten: a long pull shows that it proceeds, a short one adds
/// no line.
const PULL_LINE_EVERY: Duration = Duration::from_secs(10);

/// The width of the verb column.
const VERB: usize = 9;

/// Reports the progress of a run to a person.
pub struct Progress<'a> {
    prefix: Prefix<'a>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// The running operations.
    doing: BTreeMap<OpId, RunningOperation>,
    /// When each pull was last reported.
    reported: BTreeMap<OpId, Instant>,
    /// The failed operations, with their resource and description.
    failed: BTreeMap<OpId, (ResourceId, String)>,
    /// The resources with skipped operations.
    skipped: BTreeSet<ResourceId>,
}

struct RunningOperation {
    what: String,
    detail: String,
    began: Instant,
}

impl<'a> Progress<'a> {
    pub fn new(prefix: Prefix<'a>) -> Self {
        Self { prefix, state: RefCell::default() }
    }

    pub fn report(&self, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        if let Some((text, is_important)) = watching::text(event, self.prefix.colour()) {
            return if is_important { self.prefix.alert(&text) } else { self.prefix.say(&text) };
        }
        let line = state.note(event, &self.prefix);
        match (event, line) {
            // Printed even with `--quiet`. A failure is described at the end of the run.
            (Event::Warning { .. }, Some(line)) => self.prefix.alert(&line),
            (_, Some(line)) => self.prefix.say(&line),
            (_, None) => {}
        }
        state.draw(&self.prefix);
    }

    /// Prints the outcome.
    pub fn end(&self, text: &str, good: bool) {
        self.finish();
        if good {
            self.prefix.say(text);
        } else {
            self.prefix.alert(text);
        }
    }

    pub fn colour(&self) -> Colour {
        self.prefix.colour()
    }

    /// Updates the elapsed times of live lines.
    pub fn beat(&self) {
        self.state.borrow().draw(&self.prefix);
    }

    /// Removes the live lines.
    pub fn finish(&self) {
        self.state.borrow_mut().forget();
        self.prefix.show_live(Vec::new());
    }
}

impl State {
    /// Updates the state for an event and returns the line to print, if any.
    fn note(&mut self, event: &Event<'_>, prefix: &Prefix<'_>) -> Option<String> {
        let colour = prefix.colour();
        let line = |style, verb: &str, rest: String| {
            format!("  {}{} {rest}\n", colour.paint(style, verb), " ".repeat(VERB.saturating_sub(verb.len())))
        };
        match event {
            Event::Planned { run, round, plan } => {
                self.forget();
                let count = plan.operations.len();
                let agent = colour.paint(STRONG, run.agent.as_str());
                Some(if *round == 1 {
                    format!("{agent}: {count} to do\n")
                } else {
                    format!("{agent}: checked again, {count} more to do\n")
                })
            }
            Event::Started { operation } => {
                let doing =
                    RunningOperation { what: phrases::doing(operation), detail: String::new(), began: Instant::now() };
                self.doing.insert(operation.id, doing);
                // A pull may take minutes. Without live lines, nothing else would explain the silence.
                let is_reported = matches!(operation.action, Action::PullImage { .. }) && prefix.live_size().is_none();
                is_reported.then(|| format!("  {}\n", phrases::doing(operation)))
            }
            Event::Progress { operation, progress } => self.pulling(operation, *progress, prefix),
            Event::Step { operation, step } => self.building(operation, step, prefix),
            Event::Retrying { operation, error, .. } => {
                let rest = format!("to {}: {}", phrases::order(operation), harmless(error));
                Some(line(FAINT, "retrying", rest))
            }
            Event::Succeeded { operation, took } => {
                self.doing.remove(&operation.id);
                let (verb, object) = phrases::done(operation);
                Some(line(GOOD, verb, format!("{object}{}", figure(*took))))
            }
            Event::Failed { operation, took, .. } => {
                self.doing.remove(&operation.id);
                self.failed.insert(operation.id, (operation.resource.clone(), phrases::object(operation)));
                Some(line(BAD, "failed", format!("{}{}", phrases::doing(operation), figure(*took))))
            }
            Event::Skipped { operation, because } => {
                // Once for each resource: the steps after a skipped or failed step of the same resource add nothing.
                let failed = self.failed.get(because);
                let is_same = failed.is_some_and(|(resource, _)| *resource == operation.resource);
                let is_news = !is_same && self.skipped.insert(operation.resource.clone());
                let on = failed.map_or("a failed step", |(_, object)| object.as_str());
                is_news.then(|| line(CARE, "skipped", format!("{}, which needs {on}", phrases::object(operation))))
            }
            Event::Undoing { run, .. } => {
                self.forget();
                Some(format!("{}: rolling back\n", colour.paint(STRONG, run.agent.as_str())))
            }
            Event::Warning { message, hint, .. } => Some(notice("warning", CARE, message, Some(hint), colour)),
            // `watching::text` renders these.
            Event::Woken { .. }
            | Event::Settled { .. }
            | Event::Unsettled { .. }
            | Event::BackingOff { .. }
            | Event::Reloaded { .. }
            | Event::Rejected { .. }
            | Event::SpecGone { .. }
            | Event::Held { .. }
            | Event::Postponed { .. }
            | Event::Denied { .. }
            | Event::EngineLost { .. }
            | Event::EngineBack => None,
        }
    }

    fn pulling(&mut self, operation: &Operation, progress: PullProgress, prefix: &Prefix<'_>) -> Option<String> {
        let detail = progress_text(progress);
        if prefix.live_size().is_some() {
            self.detail(operation, detail);
            return None;
        }
        let now = Instant::now();
        let last = *self.reported.entry(operation.id).or_insert(now);
        if now.duration_since(last) < PULL_LINE_EVERY {
            return None;
        }
        self.reported.insert(operation.id, now);
        let detail = if detail.is_empty() { detail } else { format!(" ({detail})") };
        Some(format!("  {}{detail}\n", phrases::doing(operation)))
    }

    /// Reports every step: there are few, and each may take long.
    fn building(&mut self, operation: &Operation, step: &str, prefix: &Prefix<'_>) -> Option<String> {
        let step = harmless(step);
        let step = shortened(step.lines().next().unwrap_or_default(), STEP_MAX);
        if prefix.live_size().is_some() {
            self.detail(operation, step);
            return None;
        }
        Some(format!("  {}: {step}\n", phrases::doing(operation)))
    }

    fn detail(&mut self, operation: &Operation, detail: String) {
        if let Some(doing) = self.doing.get_mut(&operation.id) {
            doing.detail = detail;
        }
    }

    /// Drops all state: the next plan numbers its operations independently.
    fn forget(&mut self) {
        self.doing.clear();
        self.reported.clear();
        self.failed.clear();
        self.skipped.clear();
    }

    fn draw(&self, prefix: &Prefix<'_>) {
        let Some(size) = prefix.live_size() else { return };
        let row = |doing: &RunningOperation| Row {
            doing: doing.what.clone(),
            detail: doing.detail.clone(),
            since: doing.began.elapsed(),
        };
        let rows: Vec<Row> = self.doing.values().map(row).collect();
        let lines = rows::lines(&rows, size);
        prefix.show_live(lines.iter().map(|line| prefix.colour().paint(FAINT, line)).collect());
    }
}

/// Returns the known parts of a text such as `12.3 MB of 90.1 MB, 3 of 8 layers`.
fn progress_text(progress: PullProgress) -> String {
    let PullProgress { current, total, layers_done, layers } = progress;
    let amount = (total > 0).then(|| format!("{} of {}", bytes(current), bytes(total)));
    let layers = (layers > 0).then(|| format!("{layers_done} of {layers} layers"));
    amount.into_iter().chain(layers).collect::<Vec<_>>().join(", ")
}

fn figure(took: Duration) -> String {
    if took < NOTEWORTHY { String::new() } else { format!(" ({:.1} s)", took.as_secs_f64()) }
}

/// The maximum width of a build step, in columns: a step can contain a whole script, and its start identifies it.
const STEP_MAX: usize = 100;
