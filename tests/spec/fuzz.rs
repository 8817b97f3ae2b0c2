//! Fuzzes parser, compiler and diagnostics with any text: no panic, bounded time and bounded memory.
//!
//! Runs a few seconds by default. For an hour: `MOAT_FUZZ_SECONDS=3600 cargo test --release --test spec fuzz::`. A
//! failure shows its seed; `MOAT_FUZZ_SEED` repeats it.

#![expect(clippy::print_stdout, reason = "the figures are what a long run is for")]

use std::path::Path;
use std::time::{Duration, Instant};

use moat::ui::Colour;
use moat::ui::render::diagnostic;
use moat_spec::compile::{compile, with_unknown_dependencies};
use moat_spec::environment::{FileError, ProgramError};
use moat_spec::{Capabilities, Environment, Source, agent};

/// The default.
const DEFAULT_DURATION: Duration = Duration::from_secs(3);

/// The limit on the peak memory for one file, in bytes. A file has at most 1 MiB; trees, copies and messages take a few
/// dozen times that.
const MEMORY_MAX: u64 = 300 << 20;

/// An environment with files that extend each other, and large values.
struct World;

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "A" => Some("x".to_owned()),
            "LONG" => Some("y".repeat(100_000)),
            "YAML" => Some("{a: [b, *c]}".to_owned()),
            _ => None,
        }
    }

    fn read(&self, path: &Path) -> Result<String, FileError> {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("base.yaml") => Ok("agent: base\nimage: x\nextends: ${A}.yaml\nenv: {A: '${LONG}'}\n".to_owned()),
            Some("x.yaml") => Ok("extends: [y.yaml, base.yaml]\nmounts: ['./a:/b']\n".to_owned()),
            Some("y.yaml") => Ok("ports: {web: 80}\ncontainer: {memory: 1g}\n".to_owned()),
            Some("a.env") => Ok("A=1\nB='2\n".to_owned()),
            _ => Err(FileError::Missing),
        }
    }

    fn run(&self, _: &str, _: &[&str]) -> Result<String, ProgramError> {
        Err(ProgramError::Missing)
    }
}

/// Parses, compiles and renders diagnostics.
fn read(text: &str) {
    let capabilities = Capabilities::builtin();
    let reading = agent::parse_all(Source::new("agent.yaml", "/p/agent.yaml", text), &World);
    let shown = match reading.specs {
        Ok(specs) => specs
            .iter()
            .filter_map(|spec| compile(spec, &capabilities).err())
            .map(|faults| diagnostic::text(&faults, Colour::Never))
            .collect(),
        Err(faults) => diagnostic::text(&with_unknown_dependencies(faults, &capabilities), Colour::Never),
    };
    // Up to a hundred diagnostics, each with a line of the source.
    assert!(shown.len() < 1 << 20, "{} bytes of messages", shown.len());
}

/// xorshift64*: small and portable.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).expect("small")).expect("small")
    }
}

const PIECES: &[&str] = &[
    "agent: a\n",
    "name: b\n",
    "---\n",
    "extends: base.yaml\n",
    "include: [x.yaml]\n",
    "image: ",
    "env:\n  A: ",
    "${A}",
    "${LONG}",
    "${YAML}",
    "${B:-${A}}",
    "${B:?m}",
    "$$",
    "${",
    "}",
    "mounts: ['./a:/b:ro']\n",
    "ports: {web: 80}\n",
    "ports: ['1:2', 3]\n",
    "container: {memory: 1g, cpus: 1.5}\n",
    "workspace: {exclude: [a]}\n",
    "volumes: ['aa:/a']\n",
    "secrets: {S: 'env://A'}\n",
    "env_file: a.env\n",
    "healthcheck: {command: a, interval: 1s}\n",
    "network: {subnet: 10.0.0.0/24}\n",
    "grants: x\n",
    "dependencies: [docker:dind]\n",
    "buildkit: {cache_limit: 9g}\n",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    "? ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\n",
    "  ",
    "\t",
    "\"",
    "'",
    "|\n  ",
    ">-\n",
    "!t ",
    "#",
    "~",
    "null",
    "é",
    "\u{feff}",
    "\u{85}",
    "\0",
    "\r\n",
    "99999999999999999999",
];

fn some_text(dice: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..dice.below(60) {
        let piece = PIECES[dice.below(PIECES.len())];
        // Sometimes a piece many times: depth and width break parsers.
        let times = if dice.below(40) == 0 { dice.below(3000) } else { 1 };
        text.push_str(&piece.repeat(times));
    }
    text
}

#[test]
fn any_text_is_accepted_or_rejected() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let time = number("MOAT_FUZZ_SECONDS").map_or(DEFAULT_DURATION, Duration::from_secs);
    let mut seed = number("MOAT_FUZZ_SEED").unwrap_or(1);
    let begin = Instant::now();
    let mut count: u64 = 0;
    while begin.elapsed() < time {
        let text = some_text(&mut Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1));
        let done = std::panic::catch_unwind(|| read(&text));
        assert!(done.is_ok(), "MOAT_FUZZ_SEED={seed} fails on {:?}", text.get(..2000).unwrap_or(&text));
        (seed, count) = (seed.wrapping_add(1), count + 1);
    }
    println!("{count} texts, up to the seed {seed}");
    assert!(count > 10, "{count}");
}

/// The peak memory of the process, in bytes: `VmHWM` of proc(5).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn bombs_stay_within_the_memory_limit() {
    let aliases = |times: usize| {
        let line = |i: usize| format!("a{}: &a{} [{}]\n", i + 1, i + 1, format!("*a{i},").repeat(times));
        format!("a0: &a0 x\n{}", (0..40).map(line).collect::<String>())
    };
    let bombs = [
        "x".repeat(10 << 20),
        "[".repeat(10 << 20),
        "agent: a\n".repeat(1 << 20),
        format!("agent: a\ncommand: [{}]\n", "'${LONG}',".repeat(50_000)),
        format!("agent: a\ncommand: '{}'\n", "${LONG}".repeat(100_000)),
        format!("agent: a\ncommand: '{}'\n", "${".repeat(400_000)),
        format!("agent: a\nextends: [{}]\n", "base.yaml,".repeat(10_000)),
        format!("agent: a\nmounts: [{}]\n", "'./a:/b',".repeat(9_000)),
        format!("{}agent: a\n", "agent: a\n---\n".repeat(50_000)),
        // Few values in each of many documents.
        format!(
            "# {}\n{}",
            "x".repeat(900_000),
            (0..6_000).fold(String::new(), |text, i| text + &format!("agent: a{i}\n---\n"))
        ),
        aliases(9),
        aliases(2),
    ];
    let before = peak();
    for bomb in &bombs {
        let begin = Instant::now();
        read(bomb);
        println!("{:?} of {} bytes in {:?}", bomb.get(..30), bomb.len(), begin.elapsed());
    }
    // The limit includes the bombs themselves.
    let more = peak() - before;
    assert!(more < MEMORY_MAX, "{} MiB", more >> 20);
}
