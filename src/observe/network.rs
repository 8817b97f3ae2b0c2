//! The proof of a network policy: a test of the hosts that main reaches, in main itself.
//!
//! That a network is internal, and who is on it, is in the lists. This shows that names lead to the gateway, that the
//! gateway has the rules, and that it denies.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use moat_model::engine::{Engine, EngineError, Fault};
use moat_model::graph::Graph;
use moat_model::resource::reach::{self, Attempt, Attempted};
use moat_model::resource::{Config, ContainerId, ResourceId};
use moat_model::state::{ContainerState, Observed};
use moat_policy::{DENIED, READY};

/// The result of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// There is no policy, or it is in force.
    Holds,
    /// It could not be tried, for this reason.
    Untried(String),
    /// It is not in force.
    Fails(Unproven),
    /// The container is no longer as it was observed.
    Outdated,
}

/// How the network differs from its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// In lower case, without a full stop.
    pub message: String,
    pub hint: String,
}

impl Unproven {
    /// The failure, in lower case and without a full stop.
    pub fn failure(&self) -> String {
        format!("the network policy is not in force: {}", self.message)
    }
}

/// The gateway and the engine's name server may just have started.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);

/// The script itself gives up earlier.
const QUESTION: Duration = Duration::from_secs(15);

/// Exit codes of an exec whose program cannot be run.
const NOT_RUN: [i64; 2] = [126, 127];

/// Proves the policy of a graph from main: the reserved names are answered and denied.
///
/// # Errors
/// If the engine is unreachable.
pub async fn prove<E: Engine>(engine: &E, graph: &Graph, observed: &Observed) -> Result<Proof, EngineError> {
    prove_within(PATIENCE, engine, graph, observed).await
}

/// As [`prove`], with a single try: for a look at what runs already.
///
/// # Errors
/// If the engine is unreachable.
pub async fn look<E: Engine>(engine: &E, graph: &Graph, observed: &Observed) -> Result<Proof, EngineError> {
    prove_within(Duration::ZERO, engine, graph, observed).await
}

async fn prove_within<E: Engine>(
    patience: Duration,
    engine: &E,
    graph: &Graph,
    observed: &Observed,
) -> Result<Proof, EngineError> {
    let Some(digest) = digest(graph) else { return Ok(Proof::Holds) };
    let main = ResourceId::main();
    let mut mains = observed.containers_of(&main).filter(|it| it.state == ContainerState::Running);
    let Some(main) = mains.next() else { return Ok(Proof::Untried("it does not run".to_owned())) };
    let attempts = [Attempt::Page(READY.to_owned()), Attempt::Page(DENIED.to_owned())];
    let until = Instant::now() + patience;
    loop {
        let proof = match attempted(engine, &main.id, &attempts).await {
            Ok(Ok(results)) => evaluate(&results, &digest),
            Ok(Err(reason)) => return Ok(Proof::Untried(reason)),
            Err(error) => return failed(error),
        };
        if !matches!(proof, Proof::Fails(_)) || Instant::now() >= until {
            return Ok(proof);
        }
        sleep(PAUSE).await;
    }
}

fn failed(error: EngineError) -> Result<Proof, EngineError> {
    match error.fault {
        Fault::Unreachable => Err(error),
        Fault::Conflict | Fault::NotFound => Ok(Proof::Outdated),
        _ => Ok(Proof::Untried(error.message)),
    }
}

/// Tests what a container reaches. The inner error: the container has no tools for the test.
///
/// # Errors
/// If the engine does not run the command, because the container is not running, or for another reason.
pub async fn attempted<E: Engine>(
    engine: &E,
    container: &ContainerId,
    attempts: &[Attempt],
) -> Result<Result<Vec<Attempted>, String>, EngineError> {
    let answer = timeout(QUESTION, engine.exec(container, &reach::command(attempts))).await;
    let late = |_| EngineError::new(Fault::TimedOut, "the container did not answer in time");
    let output = answer.map_err(late)??;
    if NOT_RUN.contains(&output.exit_code) {
        return Ok(Err("its image has no shell".to_owned()));
    }
    Ok(Ok(reach::read(attempts, &output.output)))
}

/// The digest of the rules that the gateway must have; `None` without a policy.
pub fn digest(graph: &Graph) -> Option<String> {
    graph.nodes().find_map(|node| match &node.config {
        Config::Policy(config) => Some(config.digest()),
        _ => None,
    })
}

fn evaluate(results: &[Attempted], digest: &str) -> Proof {
    match results {
        [ready, denied] => match (is_ready(ready, digest), is_denied(denied)) {
            (Ok(()), Ok(())) => Proof::Holds,
            (Err(proof), _) | (_, Err(proof)) => proof,
        },
        _ => Proof::Untried("the container gave no answer".to_owned()),
    }
}

/// Checks the answer to the reserved allowed name.
pub fn is_ready(result: &Attempted, digest: &str) -> Result<(), Proof> {
    let hint = "`moat net verify` shows what is reached; a proxy or name server of the image may answer instead";
    match result {
        Attempted::Answered(200, text) if text.contains(digest) => Ok(()),
        Attempted::Answered(status, _) => {
            fails(format!("`{READY}` is answered with {status}, and not by the gateway with its rules"), hint)
        }
        Attempted::Untried(text) => Err(Proof::Untried(text.clone())),
        Attempted::Unresolved(_) => fails(
            format!("`{READY}` has no address in the sandbox: the engine does not pass names to the gateway"),
            "Docker 25.0.5 to 26.1.2 pass none on internal networks: use another version (`moat doctor`)",
        ),
        Attempted::Reached | Attempted::Unreachable(_) => {
            fails(format!("the gateway does not answer for `{READY}`"), "`moat logs -c gateway` shows its output")
        }
    }
}

/// Checks the answer to the reserved denied name.
pub fn is_denied(result: &Attempted) -> Result<(), Proof> {
    match result {
        Attempted::Answered(403, _) => Ok(()),
        Attempted::Untried(text) => Err(Proof::Untried(text.clone())),
        Attempted::Answered(status, _) => {
            let hint = "not the gateway but another server answers: `moat net verify` shows what is reached";
            fails(format!("`{DENIED}` is answered with {status} instead of 403"), hint)
        }
        Attempted::Unresolved(_) | Attempted::Reached | Attempted::Unreachable(_) => {
            fails(format!("the gateway does not answer for `{DENIED}`"), "`moat logs -c gateway` shows its output")
        }
    }
}

fn fails(message: String, hint: &str) -> Result<(), Proof> {
    Err(Proof::Fails(Unproven { message, hint: hint.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_needs_both_answers_of_the_gateway() {
        let answered = |status: u16, text: &str| Attempted::Answered(status, text.to_owned());
        let (ready, denied) = (answered(200, "HTTP/1.1 200 OK abc"), answered(403, ""));
        let words = || "words".to_owned();
        assert_eq!(evaluate(&[ready.clone(), denied.clone()], "abc"), Proof::Holds);
        let fails = [
            [answered(200, "HTTP/1.1 200 OK no readable rules"), denied.clone()],
            [answered(403, "abc"), denied.clone()],
            [Attempted::Unresolved(words()), denied.clone()],
            [Attempted::Unreachable(words()), denied.clone()],
            [Attempted::Reached, denied.clone()],
            [ready.clone(), answered(200, "")],
            [ready.clone(), Attempted::Unreachable(words())],
            [ready.clone(), Attempted::Unresolved(words())],
        ];
        for results in fails {
            assert!(matches!(evaluate(&results, "abc"), Proof::Fails(_)), "{results:?}");
        }
        for results in [[Attempted::Untried(words()), denied], [ready, Attempted::Untried(words())]] {
            assert_eq!(evaluate(&results, "abc"), Proof::Untried(words()));
        }
        assert!(matches!(evaluate(&[], "abc"), Proof::Untried(_)));
    }
}
