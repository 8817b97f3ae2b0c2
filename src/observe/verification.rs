//! The verification of a network policy: tests from main, from a container inside, and from a step of a build.
//!
//! Tests names and addresses, and evaluates the results. A test that could not run is reported, and never counts as
//! passed.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::network::{Proof, attempted, is_denied, is_ready};
use moat_model::engine::Engine;
use moat_model::resource::ContainerId;
use moat_model::resource::reach::{self, Attempt, Attempted};
use moat_policy::{DENIED, READY};

/// Where something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The main container.
    Main,
    /// A container of the Docker in it.
    Container,
    /// A step of a build.
    Build,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    AllowedName,
    DeniedName,
    PublicAddress,
    Host,
    OtherSandbox,
    Metadata,
}

/// Something to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    pub subject: Subject,
    /// For people: the name, or the address with what it belongs to.
    pub target: String,
    attempt: Attempt,
}

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Passed,
    Failed,
    Untried,
}

/// One result. Without a subject it is about everything from its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub from: Origin,
    pub subject: Option<Subject>,
    pub target: Option<String>,
    pub result: Verdict,
    /// In lower case, without a full stop.
    pub detail: String,
}

const NESTED: &str = include_str!("nested.sh");

/// Containers inside and builds start several processes, and a build its sidecar.
const NESTED_DEADLINE: Duration = Duration::from_secs(120);

/// A public address that accepts connections, so that a way out shows.
const PUBLIC: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(1, 1, 1, 1), 443);

/// Where clouds give credentials to any client.
const METADATA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 169, 254), 80);

/// A port of the host or of another sandbox. Whether something listens does not matter: a refusal is an answer.
const ANY_PORT: u16 = 22;

/// How many other sandboxes are tried. What keeps one away keeps all away.
const OTHERS: usize = 3;

/// What to try. `hosts`: addresses of the Docker host. `others`: addresses in other sandboxes, with their agents.
pub fn trials(hosts: &[Ipv4Addr], others: &[(String, Ipv4Addr)]) -> Vec<Trial> {
    let name =
        |subject, name: &str| Trial { subject, target: name.to_owned(), attempt: Attempt::Page(name.to_owned()) };
    let address = |subject, target: String, address| Trial { subject, target, attempt: Attempt::Connect(address) };
    let at = |ip: &Ipv4Addr| SocketAddrV4::new(*ip, ANY_PORT);
    let mut all = vec![
        name(Subject::AllowedName, READY),
        name(Subject::DeniedName, DENIED),
        address(Subject::PublicAddress, PUBLIC.to_string(), PUBLIC),
        address(Subject::Metadata, METADATA.to_string(), METADATA),
    ];
    all.extend(hosts.iter().map(|ip| address(Subject::Host, at(ip).to_string(), at(ip))));
    let others = others.iter().take(OTHERS);
    all.extend(others.map(|(agent, ip)| address(Subject::OtherSandbox, format!("{} ({agent})", at(ip)), at(ip))));
    all
}

/// Tries everything from main, and then from a container inside and a build, if main has a Docker.
pub async fn verify<E: Engine>(engine: &E, main: &ContainerId, trials: &[Trial], digest: &str) -> Vec<Check> {
    let attempts: Vec<Attempt> = trials.iter().map(|trial| trial.attempt.clone()).collect();
    let mut checks = match attempted(engine, main, &attempts).await {
        Ok(Ok(results)) => evaluated(Origin::Main, trials, &results, digest),
        Ok(Err(reason)) => vec![untried(Origin::Main, reason)],
        Err(error) => vec![untried(Origin::Main, error.message)],
    };
    for origin in [Origin::Container, Origin::Build] {
        match nested(engine, main, origin, &attempts).await {
            Ok(results) => checks.extend(evaluated(origin, trials, &results, digest)),
            Err(reason) => checks.push(untried(origin, reason)),
        }
    }
    checks
}

/// Whether the policy is proven: nothing has failed, and main's names have been tried.
pub fn is_proven(checks: &[Check]) -> bool {
    let names = [Subject::AllowedName, Subject::DeniedName];
    let passed = |subject: &Subject| {
        let is_it = |it: &&Check| it.from == Origin::Main && it.subject.as_ref() == Some(subject);
        checks.iter().find(is_it).is_some_and(|it| it.result == Verdict::Passed)
    };
    names.iter().all(passed) && checks.iter().all(|it| it.result != Verdict::Failed)
}

/// Runs the script inside main's own Docker. An error is why it could not be run.
async fn nested<E: Engine>(
    engine: &E,
    main: &ContainerId,
    origin: Origin,
    attempts: &[Attempt],
) -> Result<Vec<Attempted>, String> {
    let place = if origin == Origin::Build { "build" } else { "container" };
    let mut words = ["sh", "-c", NESTED, "moat", place].map(str::to_owned).to_vec();
    // The script and its arguments, without the shell that runs it.
    let inner = reach::command(attempts);
    words.push(reach::script().to_owned());
    words.extend(reach::arguments(&inner).into_iter().flatten().cloned());
    let output = match timeout(NESTED_DEADLINE, engine.exec(main, &words)).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(error.message),
        Err(_) => return Err(format!("no result within {} s", NESTED_DEADLINE.as_secs())),
    };
    if output.exit_code == 0 {
        return Ok(reach::read(attempts, &without_prefixes(&output.output)));
    }
    let last = output.output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let last: String = last.trim().chars().filter(|it| !it.is_control()).take(200).collect();
    Err(if last.is_empty() { "main has no shell or no tools for it".to_owned() } else { last })
}

/// The lines of a build's steps without their prefixes, as in `#7 0.123 `.
fn without_prefixes(output: &str) -> String {
    let stripped = |line: &str| {
        let (step, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let (time, rest) = rest.split_once(' ')?;
        let is_prefix = step.parse::<u32>().is_ok() && time.parse::<f64>().is_ok();
        is_prefix.then(|| rest.to_owned())
    };
    output.lines().map(|line| stripped(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

fn evaluated(from: Origin, trials: &[Trial], results: &[Attempted], digest: &str) -> Vec<Check> {
    let check = |(trial, result): (&Trial, &Attempted)| {
        let (result, detail) = evaluate(&trial.subject, result, digest);
        let (subject, target) = (Some(trial.subject.clone()), Some(trial.target.clone()));
        Check { from, subject, target, result, detail }
    };
    trials.iter().zip(results).map(check).collect()
}

fn evaluate(subject: &Subject, result: &Attempted, digest: &str) -> (Verdict, String) {
    let named = |outcome: Result<(), Proof>, good: &str| match outcome {
        Ok(()) => (Verdict::Passed, good.to_owned()),
        Err(Proof::Fails(why)) => (Verdict::Failed, why.message),
        Err(Proof::Untried(why)) => (Verdict::Untried, why),
        Err(Proof::Holds | Proof::Outdated) => (Verdict::Untried, "not known".to_owned()),
    };
    match (subject, result) {
        (Subject::AllowedName, result) => named(is_ready(result, digest), "answered by the gateway"),
        (Subject::DeniedName, result) => named(is_denied(result), "denied by the gateway"),
        (_, Attempted::Unreachable(_)) => (Verdict::Passed, "unreachable".to_owned()),
        (_, Attempted::Reached | Attempted::Answered(..)) => (Verdict::Failed, "it answers".to_owned()),
        (_, Attempted::Untried(why) | Attempted::Unresolved(why)) => (Verdict::Untried, why.clone()),
    }
}

/// Everything from an origin could not be tried.
fn untried(from: Origin, detail: String) -> Check {
    Check { from, subject: None, target: None, result: Verdict::Untried, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(results: &[Attempted]) -> Vec<Check> {
        let (hosts, others) = ([Ipv4Addr::new(10, 83, 0, 1)], [("other".to_owned(), Ipv4Addr::new(10, 83, 0, 50))]);
        evaluated(Origin::Main, &trials(&hosts, &others), results, "abc")
    }

    #[test]
    fn every_way_out_fails_a_verification() {
        let answered = |status: u16, text: &str| Attempted::Answered(status, text.to_owned());
        let away = || Attempted::Unreachable("Network is unreachable".to_owned());
        let good = vec![answered(200, "abc"), answered(403, ""), away(), away(), away(), away()];
        assert!(is_proven(&checks(&good)), "{:#?}", checks(&good));
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] = Attempted::Reached;
            assert!(!is_proven(&checks(&bad)), "{place}");
            let mut unknown = good.clone();
            unknown[place] = Attempted::Untried("no tool".to_owned());
            let checks = checks(&unknown);
            assert_eq!((checks[place].result, is_proven(&checks)), (Verdict::Untried, place > 1), "{place}");
        }
        assert!(!is_proven(&[untried(Origin::Main, "no shell".to_owned())]));
    }

    #[test]
    fn the_output_of_a_build_step_is_read() {
        let output = "#6 [3/4] COPY reach.sh /reach.sh\n#7 0.123 1 HTTP/1.1 200 OK\n#7 DONE 0.2s\n2 connected\n";
        let expected = "#6 [3/4] COPY reach.sh /reach.sh\n1 HTTP/1.1 200 OK\n#7 DONE 0.2s\n2 connected\n";
        assert_eq!(without_prefixes(output), expected);
    }
}
