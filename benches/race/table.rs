//! The results: medians, their ratios, and the goals.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The measurements by contestant and step.
#[derive(Default)]
pub struct Table(BTreeMap<(&'static str, &'static str), Vec<Duration>>);

/// The maximum ratio of moat's time to another's.
const GOALS: [(&str, &str, f64); 5] = [
    ("apply", "direct", 1.15),
    ("destroy", "direct", 1.15),
    ("apply", "compose", 0.35),
    ("again", "compose", 0.02),
    ("destroy", "compose", 0.3),
];

/// The maximum ratio of `run --rm` to an apply and a destroy.
const RUN_GOAL: f64 = 1.3;

const CONTESTANTS: [&str; 4] = ["moat", "direct", "compose", "compose 1s"];
const STEPS: [&str; 5] = ["apply", "again", "destroy", "status", "run --rm"];

impl Table {
    pub fn add(&mut self, contestant: &'static str, step: &'static str, took: Duration) {
        self.0.entry((contestant, step)).or_default().push(took);
    }

    fn median(&self, contestant: &'static str, step: &'static str) -> Option<f64> {
        self.0.get(&(contestant, step)).map(|times| median(times).as_secs_f64())
    }
}

pub fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The median, with the minimum and the maximum in parentheses.
fn spread(times: &[Duration]) -> String {
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    let (low, high) = (seconds(times.iter().min()), seconds(times.iter().max()));
    format!("{:.3} ({low:.3}-{high:.3})", median(times).as_secs_f64())
}

fn verdict(ratio: f64, goal: f64) -> &'static str {
    if ratio <= goal { "met" } else { "missed" }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10}", "seconds")?;
        for step in STEPS {
            write!(f, " {step:>21}")?;
        }
        writeln!(f)?;
        for contestant in CONTESTANTS {
            write!(f, "{contestant:<10}")?;
            for step in STEPS {
                let times = self.0.get(&(contestant, step)).map(|times| spread(times));
                write!(f, " {:>21}", times.as_deref().unwrap_or("-"))?;
            }
            writeln!(f)?;
        }
        for (step, other, goal) in GOALS {
            let (Some(ours), Some(theirs)) = (self.median("moat", step), self.median(other, step)) else { continue };
            let ratio = ours / theirs;
            writeln!(f, "{step:<8} moat / {other:<15} {ratio:>6.3}   goal {goal}: {}", verdict(ratio, goal))?;
        }
        let ours = |step| self.median("moat", step);
        if let (Some(run), Some(apply), Some(destroy)) = (ours("run --rm"), ours("apply"), ours("destroy")) {
            let ratio = run / (apply + destroy);
            let verdict = verdict(ratio, RUN_GOAL);
            writeln!(f, "run --rm moat / apply + destroy {ratio:>6.3}   goal {RUN_GOAL}: {verdict}")?;
        }
        Ok(())
    }
}
