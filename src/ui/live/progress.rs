//! A run as it happens, for a person: one steady line for each thing done. On a terminal the lines at the bottom say what
//! is being done right now, and are rewritten.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::ui::Colour;
use crate::ui::Prefix;
use crate::ui::live::phrases;
use crate::ui::live::rows::{self, Row};
use crate::ui::live::watching;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, STRONG, bytes, harmless, notice};
use crate::ui::terminal::width::shortened;
use moat_model::engine::PullProgress;
use moat_model::resource::ResourceId;
use moat_plan::event::Event;
use moat_plan::{Action, OpId, Operation};

/// What was done in less is not worth a figure.
const NOTEWORTHY: Duration = Duration::from_secs(1);

/// Where lines stay, a pull is told of this often: a long one shows that it lives, a short one leaves no trace.
const PULL_LINE_EVERY: Duration = Duration::from_secs(10);

/// The width of the verbs' column.
const VERB: usize = 9;

/// Tells a person how a run goes.
pub struct Progress<'a> {
    voice: Prefix<'a>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What is in flight, by operation.
    doing: BTreeMap<OpId, Doing>,
    /// When a pull was last told of, by operation.
    told: BTreeMap<OpId, Instant>,
    /// What failed, by operation.
    failed: BTreeMap<OpId, (ResourceId, String)>,
    /// What was not tried.
    skipped: BTreeSet<ResourceId>,
}

struct Doing {
    what: String,
    detail: String,
    began: Instant,
}

impl<'a> Progress<'a> {
    pub fn new(voice: Prefix<'a>) -> Self {
        Self { voice, state: RefCell::default() }
    }

    pub fn tell(&self, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        if let Some((text, must_be_seen)) = watching::text(event, self.voice.colour()) {
            return if must_be_seen { self.voice.alert(&text) } else { self.voice.say(&text) };
        }
        let line = state.note(event, &self.voice);
        match (event, line) {
            // Said even to those who want quiet. A failure is told in full at the end.
            (Event::Warning { .. }, Some(line)) => self.voice.alert(&line),
            (_, Some(line)) => self.voice.say(&line),
            (_, None) => {}
        }
        state.draw(&self.voice);
    }

    /// Tells how it ended.
    pub fn end(&self, text: &str, good: bool) {
        self.finish();
        if good {
            self.voice.say(text);
        } else {
            self.voice.alert(text);
        }
    }

    pub fn colour(&self) -> Colour {
        self.voice.colour()
    }

    /// Shows how long things take by now, where that is shown at all.
    pub fn beat(&self) {
        self.state.borrow().draw(&self.voice);
    }

    /// Leaves the screen with whole lines only.
    pub fn finish(&self) {
        self.state.borrow_mut().forget();
        self.voice.show_live(Vec::new());
    }
}

impl State {
    /// Takes the event in; gives the line that it is worth.
    fn note(&mut self, event: &Event<'_>, voice: &Prefix<'_>) -> Option<String> {
        let colour = voice.colour();
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
                    format!("{agent}: looked again, {count} more to do\n")
                })
            }
            Event::Started { operation } => {
                let doing = Doing { what: phrases::doing(operation), detail: String::new(), began: Instant::now() };
                self.doing.insert(operation.id, doing);
                // It may take minutes. Where lines stay, its end alone would leave them unexplained.
                let is_told = matches!(operation.action, Action::PullImage { .. }) && voice.live_size().is_none();
                is_told.then(|| format!("  {}\n", phrases::doing(operation)))
            }
            Event::Progress { operation, progress } => self.pulling(operation, *progress, voice),
            Event::Step { operation, step } => self.building(operation, step, voice),
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
                // Once for each thing: it is no news that what was not created, or could not be, is not started either.
                let failed = self.failed.get(because);
                let is_itself = failed.is_some_and(|(resource, _)| *resource == operation.resource);
                let is_news = !is_itself && self.skipped.insert(operation.resource.clone());
                let on = failed.map_or("what failed", |(_, object)| object.as_str());
                is_news.then(|| line(CARE, "skipped", format!("{}, which needs {on}", phrases::object(operation))))
            }
            Event::Undoing { run, .. } => {
                self.forget();
                Some(format!("{}: undoing what was done\n", colour.paint(STRONG, run.agent.as_str())))
            }
            Event::Warning { message, hint, .. } => Some(notice("warning", CARE, message, Some(hint), colour)),
            // These have a text of their own.
            Event::Woken { .. }
            | Event::Settled { .. }
            | Event::Unsettled { .. }
            | Event::BackingOff { .. }
            | Event::Reloaded { .. }
            | Event::Rejected { .. }
            | Event::SpecGone { .. }
            | Event::Held { .. }
            | Event::Postponed { .. }
            | Event::EngineLost { .. }
            | Event::EngineBack => None,
        }
    }

    fn pulling(&mut self, operation: &Operation, progress: PullProgress, voice: &Prefix<'_>) -> Option<String> {
        let detail = how_far(progress);
        if voice.live_size().is_some() {
            self.detail(operation, detail);
            return None;
        }
        let now = Instant::now();
        let last = *self.told.entry(operation.id).or_insert(now);
        if now.duration_since(last) < PULL_LINE_EVERY {
            return None;
        }
        self.told.insert(operation.id, now);
        let detail = if detail.is_empty() { detail } else { format!(" ({detail})") };
        Some(format!("  {}{detail}\n", phrases::doing(operation)))
    }

    /// Each step is news: there are few, and each may take its time.
    fn building(&mut self, operation: &Operation, step: &str, voice: &Prefix<'_>) -> Option<String> {
        let step = harmless(step);
        let step = shortened(step.lines().next().unwrap_or_default(), STEP_MAX);
        if voice.live_size().is_some() {
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

    /// The numbers of operations mean others in the next plan.
    fn forget(&mut self) {
        self.doing.clear();
        self.told.clear();
        self.failed.clear();
        self.skipped.clear();
    }

    fn draw(&self, voice: &Prefix<'_>) {
        let Some(size) = voice.live_size() else { return };
        let row = |doing: &Doing| Row {
            doing: doing.what.clone(),
            detail: doing.detail.clone(),
            since: doing.began.elapsed(),
        };
        let rows: Vec<Row> = self.doing.values().map(row).collect();
        let lines = rows::lines(&rows, size);
        voice.show_live(lines.iter().map(|line| voice.colour().paint(FAINT, line)).collect());
    }
}

/// As in `12.3 MB of 90.1 MB, 3 of 8 layers`, as far as it is known.
fn how_far(progress: PullProgress) -> String {
    let PullProgress { current, total, layers_done, layers } = progress;
    let amount = (total > 0).then(|| format!("{} of {}", bytes(current), bytes(total)));
    let layers = (layers > 0).then(|| format!("{layers_done} of {layers} layers"));
    amount.into_iter().chain(layers).collect::<Vec<_>>().join(", ")
}

fn figure(took: Duration) -> String {
    if took < NOTEWORTHY { String::new() } else { format!(" ({:.1} s)", took.as_secs_f64()) }
}

/// A step of a build is as long as the script in it; its beginning tells which one it is. In columns.
const STEP_MAX: usize = 100;
