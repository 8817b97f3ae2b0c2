//! Searches for a failing case: first the stored failures, then new ones, on all cores.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The fault of a case, as text for people.
pub type Verdict = Result<(), String>;

/// Enough to find all known bugs, in a few seconds.
pub const CASES: u64 = 500;
/// The cases of one portion. Each portion has its own seed, so the cases do not depend on the number of workers.
const PORTION: u64 = 100;
/// The maximum number of steps to shrink the first failure.
const SHRINKS: u32 = 4000;

/// Runs the stored cases of a property, then new ones, by default `usual` ones; panics with
/// the smallest failure.
pub fn search<S: Strategy>(
    usual: u64,
    property: &str,
    cases: impl Fn() -> S + Sync,
    holds: impl Fn(&S::Value) -> Verdict + Sync,
) where
    S::Value: Serialize + DeserializeOwned + Send,
{
    for (name, case) in stored::<S::Value>(property) {
        if let Err(why) = holds(&case) {
            panic!("{name} fails again: {why}");
        }
    }
    let portions = number("MOAT_SIM_CASES").unwrap_or(usual).div_ceil(PORTION);
    let first = number("MOAT_SIM_SEED").unwrap_or(0);
    let next = AtomicU64::new(0);
    let failure = Mutex::new(None);
    let work = || {
        loop {
            let portion = next.fetch_add(1, Ordering::Relaxed);
            if portion >= portions || failure.lock().expect("no worker panics").is_some() {
                return;
            }
            if let Some(found) = portion_of(first + portion, &cases, &holds) {
                failure.lock().expect("no worker panics").get_or_insert(found);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    if let Some((case, why)) = failure.into_inner().expect("no worker panics") {
        let text = serde_yaml::to_string(&case).expect("plain data");
        let path = store(property, &text);
        panic!("{property} does not hold: {why}\n\n{text}\nstored as {}", path.display());
    }
}

fn portion_of<S: Strategy>(
    seed: u64,
    cases: &impl Fn() -> S,
    holds: &impl Fn(&S::Value) -> Verdict,
) -> Option<(S::Value, String)> {
    let config = Config {
        cases: u32::try_from(PORTION).unwrap_or(u32::MAX),
        failure_persistence: None,
        max_shrink_iters: SHRINKS,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    match runner.run(&cases(), |case| holds(&case).map_err(TestCaseError::fail)) {
        Ok(()) => None,
        Err(TestError::Fail(why, case)) => Some((case, why.message().to_owned())),
        Err(TestError::Abort(why)) => panic!("no cases: {why}"),
    }
}

fn folder() -> PathBuf {
    crate::root().join("tests/regressions")
}

fn stored<C: DeserializeOwned>(property: &str) -> Vec<(String, C)> {
    let Ok(entries) = std::fs::read_dir(folder()) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let is_mine = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&format!("{property}-")) && path.extension().is_some_and(|it| it == "yaml")
    };
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a file that was just listed");
        let case = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.display().to_string(), case)
    };
    files.into_iter().filter(is_mine).map(read).collect()
}

fn store(property: &str, text: &str) -> PathBuf {
    let digest = Sha256::digest(text).iter().take(4).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes everything");
        hex
    });
    let path = folder().join(format!("{property}-{digest}.yaml"));
    // A case that cannot be stored has been printed.
    let _ = std::fs::write(&path, text);
    path
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
