//! The figures: medians, and how they stand to each other and to the goals.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What was measured, by contestant and step.
#[derive(Default)]
pub struct Table(BTreeMap<(&'static str, &'static str), Vec<Duration>>);

/// What moat's time may be of another's.
const GOALS: [(&str, &str, f64); 5] = [
    ("apply", "direct", 1.15),
    ("apply", "compose", 0.25),
    ("again", "compose", 0.05),
    ("destroy", "direct", 1.1),
    ("destroy", "compose", f64::INFINITY),
];

const CONTESTANTS: [&str; 3] = ["moat", "direct", "compose"];
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

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seconds  {:>8} {:>8} {:>8}   (median; lowest and highest)", STEPS[0], STEPS[1], STEPS[2])?;
        for contestant in CONTESTANTS {
            write!(f, "{contestant:<8}")?;
            for step in STEPS {
                match self.median(contestant, step) {
                    Some(seconds) => write!(f, " {seconds:>8.3}")?,
                    None => write!(f, " {:>8}", "-")?,
                }
            }
            write!(f, "   ")?;
            for step in STEPS {
                if let Some(times) = self.0.get(&(contestant, step)) {
                    let (low, high) = (times.iter().min(), times.iter().max());
                    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
                    write!(f, "  {:.3}-{:.3}", seconds(low), seconds(high))?;
                }
            }
            writeln!(f)?;
        }
        for (step, other, goal) in GOALS {
            let (Some(ours), Some(theirs)) = (self.median("moat", step), self.median(other, step)) else { continue };
            write!(f, "{step:<8} moat / {other:<8} {:>6.3}", ours / theirs)?;
            if goal.is_finite() {
                let met = if ours / theirs <= goal { "met" } else { "missed" };
                write!(f, "   goal {goal}: {met}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
