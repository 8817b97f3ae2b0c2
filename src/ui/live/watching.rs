//! What a watch tells a person: one line for each thing, and what belongs to it below.

use std::time::Duration;

use crate::ui::Colour;
use crate::ui::render::failure;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, STRONG, harmless, help, notice};
use moat_plan::event::{Event, Trigger};

/// The text for an event of a watch, and whether nobody should miss it; `None`: it is not one of a watch.
pub(in crate::ui) fn text(event: &Event<'_>, colour: Colour) -> Option<(String, bool)> {
    let line =
        |run: &moat_model::resource::Run, rest: &str| format!("{}: {rest}\n", colour.paint(STRONG, run.agent.as_str()));
    let warning = |message: &str, hint: &str| notice("warning", CARE, message, Some(hint), colour);
    Some(match event {
        Event::Woken { is_told: true, .. } => return None,
        Event::Woken { run, trigger, .. } => (line(run, &trigger.to_string()), false),
        Event::Settled { run, took } => {
            let good = colour.paint(GOOD, "as wanted");
            (line(run, &format!("{good}, {}", seconds(*took))), false)
        }
        Event::Unsettled { failures, again, .. } => {
            let mut text: String = failures.iter().map(|it| failure::text(it, colour)).collect();
            let next = match again {
                Some(pause) => format!("it is tried again in {}", seconds(*pause)),
                None => "it is not tried again before something changes; SIGHUP asks for another try".to_owned(),
            };
            text.push_str(&help(&next, colour));
            (text, true)
        }
        Event::BackingOff { resource, repairs, pause, log, .. } => {
            let message = format!("`{resource}` has ended again after {repairs} repairs in a short time");
            let mut text = warning(&message, &format!("it is left alone for {}", seconds(*pause)));
            for line in *log {
                text.push_str(&format!("  {}   {}\n", colour.paint(FAINT, "|"), harmless(line)));
            }
            (text, true)
        }
        Event::Reloaded { run, trigger } => match trigger {
            Trigger::File(_) => (line(run, &trigger.to_string()), false),
            _ => (line(run, "the spec has changed"), false),
        },
        Event::Rejected { problem, .. } => {
            let mut text = (*problem).to_owned();
            if !text.ends_with('\n') {
                text = format!("{}: {text}\n", colour.paint(BAD, "error"));
            }
            text.push_str(&help("until that is mended, everything stays as it was wanted before", colour));
            (text, true)
        }
        Event::SpecGone { .. } => {
            let hint = "the sandbox is kept as it was wanted; `moat clean` removes it";
            (warning("the spec file is gone", hint), true)
        }
        Event::Held { more, .. } => {
            let mut text = notice(
                "held",
                CARE,
                "the spec asks for more than the sandbox has: not fetched (not approved)",
                None,
                colour,
            );
            for line in *more {
                text.push_str(&format!("  {} {}\n", colour.paint(FAINT, "+"), harmless(line)));
            }
            text.push_str(&help("`moat approve` lets it through; until then nothing of it is fetched or done", colour));
            (text, true)
        }
        Event::Postponed { run, sessions } => {
            let who = if *sessions == 1 { "a session" } else { &format!("{sessions} sessions") };
            (line(run, &format!("what is to be done would end {who}, and waits for that")), false)
        }
        Event::EngineLost { error } => {
            (warning(&format!("the engine does not answer: {}", harmless(error)), "the watch waits for it"), true)
        }
        Event::EngineBack => ("the engine answers again\n".to_owned(), false),
        _ => return None,
    })
}

/// What is told above a board: what nobody should miss. All else is in the board.
pub(in crate::ui) fn above(event: &Event<'_>, colour: Colour) -> Option<String> {
    if let Event::Warning { message, hint, .. } = event {
        return Some(notice("warning", CARE, message, Some(hint), colour));
    }
    text(event, colour).filter(|(_, must_be_seen)| *must_be_seen).map(|(text, _)| text)
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(60) {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min", time.as_secs().div_ceil(60))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use moat_model::resource::{AgentName, Run};

    #[test]
    fn a_change_of_the_spec_is_told_once() {
        let run = Run::derive(AgentName::parse("a").expect("valid"), Path::new("/x/agent.yaml"));
        let (file, other) = (Trigger::File("img/f".to_owned()), Trigger::Reload);
        let said = |event: &Event<'_>| text(event, Colour::Never).map_or_else(String::new, |(text, _)| text);
        let run = &run;
        assert_eq!(said(&Event::Reloaded { run, trigger: &file }), "a: `img/f` changed\n");
        assert_eq!(said(&Event::Woken { run, trigger: &file, is_told: true }), "");
        // A file that is mounted is no part of the spec.
        assert_eq!(said(&Event::Woken { run, trigger: &file, is_told: false }), "a: `img/f` changed\n");
        assert_eq!(said(&Event::Reloaded { run, trigger: &other }), "a: the spec has changed\n");
        assert_eq!(said(&Event::Woken { run, trigger: &other, is_told: false }), "a: reload requested\n");
    }
}
