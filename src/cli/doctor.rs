//! `moat doctor`: whether this engine and this machine can carry a sandbox, and what to do where they cannot.
//!
//! Only looks. That a privileged container really starts is proven by an apply.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use rustix::fs::statvfs;

use super::addresses::Addresses;
use super::error::CliError;
use super::exit::Exit;
use super::nearest;
use super::session::Session;
use super::target::named;
use crate::clock::Clock;
use crate::engine::docker::{Docker, Endpoint, Info};
use crate::engine::{Engine, Filter};
use crate::resource::ContainerId;
use crate::ui::doctor::{self, Check, Verdict};

/// Check the engine and this machine, and say what to do about what is wrong
#[derive(Debug, Args)]
pub struct Doctor {
    /// Look into this sandbox too: its agent's name, the id of its run, or its spec
    #[arg(value_name = "AGENT")]
    agent: Option<String>,
    #[command(flatten)]
    addresses: Addresses,
    /// One JSON document in place of text
    #[arg(long)]
    pub(super) json: bool,
}

/// In bytes. An image of a development environment is a few gigabytes, and an engine without room fails in odd ways.
const DISK_LOW: u64 = 5_000_000_000;
const DISK_OUT: u64 = 1_000_000_000;

/// In seconds. Logs `--since` a time, and certificates, go by both clocks.
const SKEW: f64 = 2.0;

/// Runs that could still be made before somebody should look.
const POOL_LOW: u32 = 16;

/// The oldest buildx that loads what it builds by itself, and the oldest compose that heeds `BUILDX_BUILDER`.
const BUILDX: &str = "0.14";
const COMPOSE: &str = "2.20";

pub async fn run(args: &Doctor, session: &Session) -> Result<Exit, CliError> {
    if args.agent.is_none() {
        nearest::say_of_default(session);
    }
    let mut checks = Vec::new();
    match session.connect().await {
        Ok(engine) => {
            checks.push(Check::good("engine", format!("{} ({})", engine.located().endpoint, engine.located().origin)));
            let info = engine.info().await?;
            checks.extend([version(&info, &engine), privileged(&info), cgroup(&info), storage(&info)]);
            checks.push(logs(&info));
            checks.extend([pools(args, &engine).await?, disk(&info, &engine), clock(&info)]);
            checks.extend(inside(args, &engine).await?);
        }
        Err(error) => {
            let hint = error.shown(|problems| problems.first().and_then(|it| it.hint).unwrap_or_default().to_owned());
            checks.push(Check::bad("engine", error.to_string(), &hint));
        }
    }
    let text = if args.json { doctor::json(&checks) } else { doctor::text(&checks, session.screen.data_colour()) };
    session.answer(&text)?;
    Ok(if checks.iter().any(|check| check.verdict == Verdict::Bad) { Exit::Failed } else { Exit::Done })
}

fn version(info: &Info, engine: &Docker) -> Check {
    let found = format!("{} (API {})", info.server_version, engine.api_version());
    if older(&info.server_version, "23.0") {
        return Check::care("version", found, "23.0 or newer starts privileged containers on more machines");
    }
    Check::good("version", found)
}

fn privileged(info: &Info) -> Check {
    let has = |option: &str| info.security_options.iter().any(|it| it.contains(option));
    if has("name=rootless") {
        let hint = "use an engine that runs as root, in a virtual machine if need be; sandboxes without `docker:dind` \
                    work here";
        return Check::bad("privileged", "the engine is rootless".to_owned(), hint);
    }
    if has("name=userns") {
        let hint = "an engine without `userns-remap` in its daemon.json starts them";
        return Check::bad("privileged", "the engine maps users, and starts no privileged containers".to_owned(), hint);
    }
    Check::good("privileged", "nothing speaks against it".to_owned())
}

fn cgroup(info: &Info) -> Check {
    match info.cgroup_version.as_str() {
        "2" => Check::good("cgroup", "version 2".to_owned()),
        "1" => Check::care("cgroup", "version 1".to_owned(), "works; version 2 has limits that nest"),
        _ => Check::unknown("cgroup", "the engine does not say".to_owned()),
    }
}

fn storage(info: &Info) -> Check {
    let driver = info.driver.clone();
    match driver.as_str() {
        "" => Check::unknown("storage", "the engine does not say".to_owned()),
        "vfs" => Check::care("storage", driver, "every layer is a full copy: use `overlay2`"),
        "aufs" | "devicemapper" => Check::care("storage", driver, "engines have dropped it: use `overlay2`"),
        _ => Check::good("storage", driver),
    }
}

fn logs(info: &Info) -> Check {
    let driver = info.logging_driver.clone();
    match driver.as_str() {
        "" => Check::unknown("logs", "the engine does not say".to_owned()),
        "none" => {
            let hint =
                "the engine keeps no output: `\"log-driver\": \"local\"` in its daemon.json lets `moat logs` work";
            Check::care("logs", driver, hint)
        }
        _ => Check::good("logs", driver),
    }
}

async fn pools(args: &Doctor, engine: &Docker) -> Result<Check, CliError> {
    let options = args.addresses.options(engine);
    let networks = engine.networks(&Filter::All).await?;
    let taken: Vec<_> = networks.into_iter().flat_map(|facts| facts.subnets).chain(options.avoid).collect();
    let (all, free) = options.range.left(&taken);
    let found = format!("{free} of {all} networks in {} are free", options.range);
    let hint = "remove networks that are not used (`docker network prune`), or name another range with `--subnets`";
    Ok(match free {
        0 => Check::bad("addresses", found, hint),
        _ if free < POOL_LOW.min(all) => Check::care("addresses", found, hint),
        _ => Check::good("addresses", found),
    })
}

/// What is left where the engine keeps its data, as far as this machine can look there.
fn disk(info: &Info, engine: &Docker) -> Check {
    let root = Path::new(&info.docker_root_dir);
    let is_here = matches!(engine.located().endpoint, Endpoint::Unix(_)) && root.is_absolute();
    let Some(found) = is_here.then(|| statvfs(root).ok()).flatten() else {
        return Check::unknown("disk", format!("`{}` cannot be looked at from here", info.docker_root_dir));
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} left at {}", doctor::amount(free), info.docker_root_dir);
    let hint = "`docker system df` shows what takes it, `moat cache --prune` empties a build cache";
    match free {
        _ if free < DISK_OUT => Check::bad("disk", text, hint),
        _ if free < DISK_LOW => Check::care("disk", text, hint),
        _ => Check::good("disk", text),
    }
}

fn clock(info: &Info) -> Check {
    let Ok(theirs) = info.system_time.parse::<Timestamp>() else {
        return Check::unknown("clock", "the engine does not say".to_owned());
    };
    let skew = Clock::System.now().duration_since(theirs).as_secs_f64().abs();
    if skew > SKEW {
        let found = format!("the engine's differs by {skew:.0} s");
        return Check::care("clock", found, "set both by NTP: times in logs and certificates go by them");
    }
    Check::good("clock", "the engine's is as this machine's".to_owned())
}

/// What is in a sandbox that runs: the one that was asked for, or that of the spec here, if there is one.
async fn inside(args: &Doctor, engine: &Docker) -> Result<Vec<Check>, CliError> {
    let nearest = || Path::new(nearest::spec()).is_file().then(|| nearest::spec().to_owned());
    let given = args.agent.clone().or_else(nearest);
    let Some(given) = &given else {
        let why = "no sandbox to look into: name one, or go where its spec is";
        return Ok(["buildx", "compose"].map(|name| Check::unknown(name, why.to_owned())).to_vec());
    };
    let sandbox = named(given)?.find(engine).await?;
    let Ok(main) = sandbox.running("main") else {
        let why = format!("{} does not run", sandbox.run.agent);
        return Ok(["buildx", "compose"].map(|name| Check::unknown(name, why.clone())).to_vec());
    };
    let mut checks = Vec::new();
    for (name, minimum) in [("buildx", BUILDX), ("compose", COMPOSE)] {
        checks.push(plugin(engine, &main.id, name, minimum).await);
    }
    Ok(checks)
}

async fn plugin(engine: &Docker, main: &ContainerId, name: &'static str, minimum: &str) -> Check {
    let command = ["docker", name, "version"].map(str::to_owned);
    let answer = engine.exec(main, &command).await.ok().filter(|answer| answer.exit_code == 0);
    let hint = format!("builds there need {name} {minimum} or newer in the image to use the sidecar");
    let Some(found) = answer.and_then(|answer| first_version(&answer.output)) else {
        return Check::care(name, "not in the sandbox".to_owned(), &hint);
    };
    if older(&found, minimum) { Check::care(name, found, &hint) } else { Check::good(name, found) }
}

/// The first word that is a version, as in `github.com/docker/buildx v0.29.1 abc`, without its `v`.
fn first_version(text: &str) -> Option<String> {
    let words = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    words.into_iter().find(is_version).map(str::to_owned)
}

/// Compares dotted numbers; what follows a number in its part is left out.
fn older(found: &str, minimum: &str) -> bool {
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let numbers = |text: &str| -> Vec<u64> { text.split('.').map(number).collect() };
    numbers(found) < numbers(minimum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(change: impl FnOnce(&mut Info)) -> Info {
        let mut info = Info { server_version: "26.1.5+dfsg1".to_owned(), ..Info::default() };
        change(&mut info);
        info
    }

    #[test]
    fn versions_are_found_and_compared() {
        let table = [
            ("github.com/docker/buildx v0.29.1 6c7a3c9", Some("0.29.1")),
            ("Docker Compose version 2.32.4-1", Some("2.32.4-1")),
            ("no version", None),
        ];
        for (text, version) in table {
            assert_eq!(first_version(text).as_deref(), version, "{text}");
        }
        for (found, minimum, expected) in [
            ("26.1.5+dfsg1", "23.0", false),
            ("20.10.24", "23.0", true),
            ("2.20.0-rc1", "2.20", false),
            ("0.13.1", "0.14", true),
        ] {
            assert_eq!(older(found, minimum), expected, "{found} {minimum}");
        }
    }

    #[test]
    fn what_an_engine_says_of_itself_is_judged() {
        let table: [(Check, Verdict); 9] = [
            (logs(&info(|it| it.logging_driver = "none".to_owned())), Verdict::Care),
            (logs(&info(|it| it.logging_driver = "json-file".to_owned())), Verdict::Good),
            (privileged(&info(|it| it.security_options = vec!["name=rootless".to_owned()])), Verdict::Bad),
            (privileged(&info(|it| it.security_options = vec!["name=userns".to_owned()])), Verdict::Bad),
            (privileged(&info(|it| it.security_options = vec!["name=seccomp".to_owned()])), Verdict::Good),
            (cgroup(&info(|it| it.cgroup_version = "1".to_owned())), Verdict::Care),
            (cgroup(&info(|_| {})), Verdict::Unknown),
            (storage(&info(|it| it.driver = "vfs".to_owned())), Verdict::Care),
            (clock(&info(|it| it.system_time = "2020-01-01T00:00:00Z".to_owned())), Verdict::Care),
        ];
        for (check, verdict) in table {
            assert_eq!(check.verdict, verdict, "{check:?}");
        }
    }
}
