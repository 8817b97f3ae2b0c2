//! The events of a watch for people: one line each, with details below.

use std::time::Duration;

use crate::ui::Colour;
use crate::ui::render::failure;
use crate::ui::terminal::style::{BAD, CARE, FAINT, GOOD, STRONG, harmless, help, notice};
use moat_plan::event::{Event, Trigger};

/// Returns the text of a watch event and whether it is important; `None` if no watch reports it.
pub(in crate::ui) fn text(event: &Event<'_>, colour: Colour) -> Option<(String, bool)> {
    let line =
        |run: &moat_model::resource::Run, rest: &str| format!("{}: {rest}\n", colour.paint(STRONG, run.agent.as_str()));
    let warning = |message: &str, hint: &str| notice("warning", CARE, message, Some(hint), colour);
    Some(match event {
        Event::Woken { is_reported: true, .. } => return None,
        Event::Woken { run, trigger, .. } => (line(run, &trigger.to_string()), false),
        Event::Settled { run, took } => {
            let good = colour.paint(GOOD, "in sync");
            (line(run, &format!("{good}, {}", seconds(*took))), false)
        }
        Event::Unsettled { failures, again, .. } => {
            let mut text: String = failures.iter().map(|it| failure::text(it, colour)).collect();
            let next = match again {
                Some(pause) => format!("retrying in {}", seconds(*pause)),
                None => "no retry until something changes; SIGHUP retries now".to_owned(),
            };
            text.push_str(&help(&next, colour));
            (text, true)
        }
        Event::BackingOff { resource, repairs, pause, log, .. } => {
            let message = format!("`{resource}` needs another repair, after {repairs} in a short time");
            let mut text = warning(&message, &format!("the next repair is in {}", seconds(*pause)));
            for line in *log {
                text.push_str(&format!("  {}   {}\n", colour.paint(FAINT, "|"), harmless(line)));
            }
            (text, true)
        }
        Event::Reloaded { run, trigger } => match trigger {
            Trigger::File(_) => (line(run, &trigger.to_string()), false),
            _ => (line(run, "the spec changed"), false),
        },
        Event::Rejected { problem, .. } => {
            let mut text = (*problem).to_owned();
            if !text.ends_with('\n') {
                text = format!("{}: {text}\n", colour.paint(BAD, "error"));
            }
            text.push_str(&help("until it is fixed, the watch uses the previous spec", colour));
            (text, true)
        }
        Event::SpecGone { .. } => {
            let hint = "the watch keeps the sandbox as the last spec declared it; `moat clean` removes it";
            (warning("the spec file is missing", hint), true)
        }
        Event::Held { more, .. } => {
            let mut text = notice(
                "held",
                CARE,
                "the spec asks for more than was approved: not fetched (not approved)",
                None,
                colour,
            );
            for line in *more {
                text.push_str(&format!("  {} {}\n", colour.paint(FAINT, "+"), harmless(line)));
            }
            text.push_str(&help("`moat approve` approves it; until then nothing new is fetched or applied", colour));
            (text, true)
        }
        Event::Postponed { run, sessions } => {
            let who = if *sessions == 1 { "a session" } else { &format!("{sessions} sessions") };
            (line(run, &format!("waiting for {who} to end before the next change")), false)
        }
        Event::Denied { run, hosts, others } => {
            let hosts: Vec<String> = hosts.iter().map(|host| harmless(host)).collect();
            let others = if *others == 0 { String::new() } else { format!(" and {others} more") };
            let (word, hosts) = (colour.paint(CARE, "denied"), hosts.join(", "));
            (line(run, &format!("{word} {hosts}{others} (`moat net denied`)")), true)
        }
        Event::EngineLost { error } => (
            warning(&format!("the engine does not answer: {}", harmless(error)), "the watch waits until it answers"),
            true,
        ),
        Event::EngineBack => ("the engine answers again\n".to_owned(), false),
        _ => return None,
    })
}

/// Returns the text to print above a dashboard: important events only, as the dashboard shows the others.
pub(in crate::ui) fn above(event: &Event<'_>, colour: Colour) -> Option<String> {
    if let Event::Warning { message, hint, .. } = event {
        return Some(notice("warning", CARE, message, Some(hint), colour));
    }
    text(event, colour).filter(|(_, is_important)| *is_important).map(|(text, _)| text)
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
    fn a_change_of_the_spec_is_reported_once() {
        let run = Run::derive(AgentName::parse("a").expect("valid"), Path::new("/x/agent.yaml"));
        let (file, other) = (Trigger::File("img/f".to_owned()), Trigger::Reload);
        let said = |event: &Event<'_>| text(event, Colour::Never).map_or_else(String::new, |(text, _)| text);
        let run = &run;
        assert_eq!(said(&Event::Reloaded { run, trigger: &file }), "a: `img/f` changed\n");
        assert_eq!(said(&Event::Woken { run, trigger: &file, is_reported: true }), "");
        // A mounted file is not part of the spec.
        assert_eq!(said(&Event::Woken { run, trigger: &file, is_reported: false }), "a: `img/f` changed\n");
        assert_eq!(said(&Event::Reloaded { run, trigger: &other }), "a: the spec changed\n");
        assert_eq!(said(&Event::Woken { run, trigger: &other, is_reported: false }), "a: reload requested\n");
    }
}
