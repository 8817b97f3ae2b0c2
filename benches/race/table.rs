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
    ("apply", "compose", 0.25),
    ("apply", "compose 1s", 0.25),
    ("again", "compose", 0.05),
    ("destroy", "direct", 1.1),
];

const CONTESTANTS: [&str; 4] = ["moat", "direct", "compose", "compose 1s"];
const STEPS: [&str; 3] = ["apply", "again", "destroy"];

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

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {:>24} {:>24} {:>24}", "seconds", STEPS[0], STEPS[1], STEPS[2])?;
        for contestant in CONTESTANTS {
            write!(f, "{contestant:<10}")?;
            for step in STEPS {
                let times = self.0.get(&(contestant, step)).map(|times| spread(times));
                write!(f, " {:>24}", times.as_deref().unwrap_or("-"))?;
            }
            writeln!(f)?;
        }
        for (step, other, goal) in GOALS {
            let (Some(ours), Some(theirs)) = (self.median("moat", step), self.median(other, step)) else { continue };
            let ratio = ours / theirs;
            let met = if ratio <= goal { "met" } else { "missed" };
            writeln!(f, "{step:<8} moat / {other:<10} {ratio:>6.3}   goal {goal}: {met}")?;
        }
        Ok(())
    }
}
