//! The setting of a story: a simulated engine, a host, and a watch that runs while others act.

use std::path::{Path, PathBuf};
use std::time::Duration;

use moat::observe::observe;
use moat::watch::{Fingerprint, Host, Settings, Wakeups, Watched, watch};
use moat_model::engine::Engine;
use moat_model::graph::Graph;
use moat_model::resource::Run;
use moat_model::state::Observed;
use moat_plan::event::Trigger;
use moat_plan::{Options, compute};
use moat_sim::interference::Interference;
use moat_sim::sim::{Latencies, Settings as Engines, Sim};
use testkit::simulator::case::{PROGRAMS, Part, Program, Wanted};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::host::{FakeHost, File};

pub struct Harness {
    pub sim: Sim,
    pub host: FakeHost,
    pub wakeups: Wakeups,
    pub settings: Settings,
    pub spec: PathBuf,
}

/// Longer than any debounce, shorter than any retry that a test waits for.
pub const MOMENT: Duration = Duration::from_secs(4);

impl Harness {
    pub fn new() -> Self {
        let sim = Sim::new(&Engines { latencies: Latencies::default(), ..Engines::default() });
        for program in PROGRAMS {
            sim.provide(&program.image(), program.behaviour());
        }
        Self {
            sim,
            host: FakeHost::default(),
            wakeups: Wakeups::default(),
            settings: Settings::default(),
            spec: PathBuf::from("/home/me/agent.yaml"),
        }
    }

    /// Watches `desired` while `act` runs.
    pub async fn play<T>(&self, wanted: &Wanted, act: impl Future<Output = T>) -> T {
        self.play_on(&self.sim, wanted, act).await
    }

    /// As [`Harness::play`], on an engine that wraps the simulated one.
    pub async fn play_on<E: Engine, T>(&self, engine: &E, wanted: &Wanted, act: impl Future<Output = T>) -> T {
        self.play_all(engine, &[(&self.spec, wanted.graph())], act).await
    }

    /// Watches several agents, each with its spec, while `act` runs.
    pub async fn play_all<E: Engine, T>(
        &self,
        engine: &E,
        agents: &[(&Path, Graph)],
        act: impl Future<Output = T>,
    ) -> T {
        let mut watched = Vec::new();
        for (spec, graph) in agents {
            self.host.write(spec, File::good(graph.clone()));
            let inputs = vec![spec.to_path_buf()];
            let fingerprint = self.host.fingerprint(0, &inputs).await;
            let (run, spec, desired) = (graph.run.clone(), spec.to_path_buf(), Some(graph.clone()));
            watched.push(Watched { run, spec, desired, inputs, fingerprint });
        }
        self.watch_while(engine, watched, act).await
    }

    async fn watch_while<E: Engine, T>(&self, engine: &E, watched: Vec<Watched>, act: impl Future<Output = T>) -> T {
        let stop = CancellationToken::new();
        let act = async {
            let done = act.await;
            stop.cancel();
            done
        };
        let watch = watch(engine, &self.host, watched, &self.settings, &self.wakeups, &stop);
        let (done, ()) = tokio::join!(act, watch);
        assert!(!self.host.overlapped.get(), "two rounds of one agent at one time");
        done
    }

    /// Watches the run of a spec that was not read yet, while `act` runs.
    pub async fn play_unread<T>(&self, run: &Run, file: File, act: impl Future<Output = T>) -> T {
        self.host.write(&self.spec, file);
        let watched = Watched {
            run: run.clone(),
            spec: self.spec.clone(),
            desired: None,
            inputs: vec![self.spec.clone()],
            fingerprint: Fingerprint::default(),
        };
        self.watch_while(&self.sim, vec![watched], act).await
    }

    /// Writes the spec as an editor does, which is noticed.
    pub fn edit(&self, file: File) {
        self.host.write(&self.spec, file);
        self.touch();
    }

    /// A notification about the file without a change of its text.
    pub fn touch(&self) {
        self.wakeups.wake(0, Trigger::File("agent.yaml".to_owned()));
    }

    pub fn interfere(&self, interference: &Interference) {
        assert!(self.sim.interfere(interference), "{interference}: nothing to do");
    }

    /// The events reported while `time` passes.
    pub async fn after(&self, time: Duration) -> Vec<String> {
        sleep(time).await;
        self.host.take_reported()
    }

    /// Waits until the initial desired state is in sync.
    pub async fn begin(&self) {
        let reported = self.after(MOMENT).await;
        assert_eq!(reported.last().map(String::as_str), Some("settled"), "{reported:#?}");
        self.sim.forget();
    }

    pub async fn observed(&self, graph: &Graph) -> Observed {
        observe(&self.sim, graph).await.expect("an engine that answers")
    }

    /// Whether the current spec is `desired`, so that the watch must have taken it up.
    pub fn says(&self, wanted: &Wanted) -> bool {
        let files = self.host.files.borrow();
        matches!(files.get(&self.spec), Some((_, File::Good(graph))) if graph.digest() == wanted.graph().digest())
    }

    /// The remaining operations for `desired`, as text; empty if it is in sync.
    pub async fn left(&self, wanted: &Wanted) -> String {
        self.left_of(&wanted.graph()).await
    }

    /// As [`Harness::left`], of any agent.
    pub async fn left_of(&self, graph: &Graph) -> String {
        let observed = self.observed(graph).await;
        let mut options = Options::default();
        let ready = observed.containers.iter().filter(|it| self.sim.is_ready(&it.id));
        options.proven = ready.map(|it| it.id.clone()).collect();
        compute(graph, &observed, &options).to_string()
    }
}

pub fn part(program: Program) -> Part {
    Part { program, version: 0, volume: false, health: false, mortal: false, beside: false }
}

/// A sidecar that boots for a while, and a main container.
pub fn pair() -> Wanted {
    let named = [("buildkit", part(Program::Slow)), ("main", part(Program::Quick))];
    Wanted {
        internal: false,
        gateway: None,
        foreign: false,
        containers: named.map(|(name, part)| (name.to_owned(), part)).into(),
    }
}

/// The same with one thing about the main container changed.
pub fn edited(mut wanted: Wanted, edit: impl FnOnce(&mut Part)) -> Wanted {
    edit(wanted.containers.get_mut("main").expect("it has one"));
    wanted
}
