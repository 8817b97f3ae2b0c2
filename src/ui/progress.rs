//! A run as it happens, for a person: one steady line for each thing done. On a terminal a last line that is
//! rewritten says what is being done right now.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::style::{BAD, CARE, FAINT, GOOD, STRONG, bytes, harmless, notice};
use super::{Colour, Voice, watching, words};
use crate::engine::PullProgress;
use crate::event::Event;
use crate::plan::{OpId, Operation};
use crate::resource::ResourceId;

/// What was done in less is not worth a figure.
const NOTEWORTHY: Duration = Duration::from_secs(1);

/// Where lines stay, a pull is told of this often: a long one shows that it lives, a short one leaves no trace.
const PULL_LINE_EVERY: Duration = Duration::from_secs(10);

/// A terminal need not be written more often than an eye sees.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// The width of the verbs' column.
const VERB: usize = 9;

/// Tells a person how a run goes.
pub struct Progress<'a> {
    voice: Voice<'a>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What is in flight, by operation.
    doing: BTreeMap<OpId, String>,
    /// When a pull was last told of, by operation.
    told: BTreeMap<OpId, Instant>,
    /// What failed, by operation.
    failed: BTreeMap<OpId, String>,
    /// What was not tried.
    skipped: BTreeSet<ResourceId>,
    /// The last line of the screen is one to be rewritten.
    drawn: bool,
    last_draw: Option<Instant>,
}

impl<'a> Progress<'a> {
    pub fn new(voice: Voice<'a>) -> Self {
        Self { voice, state: RefCell::default() }
    }

    pub fn tell(&self, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        if let Some((text, must_be_seen)) = watching::text(event, self.voice.colour()) {
            state.clear(&self.voice);
            return if must_be_seen { self.voice.alert(&text) } else { self.voice.say(&text) };
        }
        let line = state.note(event, &self.voice);
        if matches!(event, Event::Progress { .. }) && line.is_none() && state.is_fresh() {
            return;
        }
        state.clear(&self.voice);
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

    /// Leaves the screen with whole lines only.
    pub fn finish(&self) {
        self.state.borrow_mut().clear(&self.voice);
    }
}

impl State {
    /// Takes the event in; gives the line that it is worth.
    fn note(&mut self, event: &Event<'_>, voice: &Voice<'_>) -> Option<String> {
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
                self.doing.insert(operation.id, words::doing(operation));
                None
            }
            Event::Progress { operation, progress } => self.pulling(operation, *progress, voice),
            Event::Retrying { operation, error, .. } => {
                let rest = format!("to {}: {}", words::order(operation), harmless(error));
                Some(line(FAINT, "retrying", rest))
            }
            Event::Succeeded { operation, took } => {
                self.doing.remove(&operation.id);
                let (verb, object) = words::done(operation);
                Some(line(GOOD, verb, format!("{object}{}", figure(*took))))
            }
            Event::Failed { operation, took, .. } => {
                self.doing.remove(&operation.id);
                self.failed.insert(operation.id, words::object(operation));
                Some(line(BAD, "failed", format!("{}{}", words::doing(operation), figure(*took))))
            }
            Event::Skipped { operation, because } => {
                // Once for each thing: it is no news that what was not created is not started either.
                let is_news = self.skipped.insert(operation.resource.clone());
                let on = self.failed.get(because).map_or("what failed", String::as_str);
                is_news.then(|| line(CARE, "skipped", format!("{}, which needs {on}", words::object(operation))))
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

    fn pulling(&mut self, operation: &Operation, progress: PullProgress, voice: &Voice<'_>) -> Option<String> {
        let mut text = words::doing(operation);
        if progress.total > 0 {
            text.push_str(&format!(" ({} of {})", bytes(progress.current), bytes(progress.total)));
        }
        if voice.live_width().is_some() {
            self.doing.insert(operation.id, text);
            return None;
        }
        let now = Instant::now();
        let last = *self.told.entry(operation.id).or_insert(now);
        if now.duration_since(last) < PULL_LINE_EVERY {
            return None;
        }
        self.told.insert(operation.id, now);
        Some(format!("  {text}\n"))
    }

    /// The numbers of operations mean others in the next plan.
    fn forget(&mut self) {
        self.doing.clear();
        self.told.clear();
        self.failed.clear();
        self.skipped.clear();
    }

    fn clear(&mut self, voice: &Voice<'_>) {
        if self.drawn {
            voice.say("\r\u{1b}[K");
            self.drawn = false;
        }
    }

    /// Whether the last line has just been drawn, so that a newer figure can wait.
    fn is_fresh(&self) -> bool {
        self.drawn && self.last_draw.is_some_and(|last| last.elapsed() < REDRAW_EVERY)
    }

    fn draw(&mut self, voice: &Voice<'_>) {
        let Some(width) = voice.live_width() else { return };
        if self.doing.is_empty() {
            return;
        }
        let all: Vec<&str> = self.doing.values().map(String::as_str).collect();
        // A line that reaches the last column would wrap, and could not be rewritten.
        let text: String = format!("  {} …", all.join(", ")).chars().take(width.saturating_sub(1)).collect();
        voice.say(&voice.colour().paint(FAINT, &text));
        self.drawn = true;
        self.last_draw = Some(Instant::now());
    }
}

fn figure(took: Duration) -> String {
    if took < NOTEWORTHY { String::new() } else { format!(" ({:.1} s)", took.as_secs_f64()) }
}
