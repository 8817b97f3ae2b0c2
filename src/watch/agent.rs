//! One watched agent: the time of its next step, and the result of the last one.
//!
//! Makes decisions only: the host reads files, and the loop runs rounds. The desired state is kept in
//! [`DesiredSpec`].

use std::collections::BTreeSet;

use tokio::time::{Duration, Instant};

use super::backoff::{Backoff, LOOPING, Until};
use super::debounce::Debounce;
use super::desired::DesiredSpec;
use super::host::{Host, Standing, Work};
use super::reading::{Answer, Query};
use super::round::{End, PolicyProof, Report, RoundRequest, RoundStats};
use super::wakeups::Wakeup;
use super::{Settings, Watched};
use moat_model::resource::{ContainerId, ResourceId, Run};
use moat_model::state::{ContainerState, Observed};
use moat_plan::Options;
use moat_plan::event::{Code, Event, Failure, Trigger};

/// The pause before the lock of another moat process is tried again.
const LOCK_RETRY: Duration = Duration::from_secs(1);
/// The pause before an unreachable engine is tried again, unless the event stream reports it as reachable earlier.
const ENGINE_RETRY: Duration = Duration::from_secs(5);
/// The pause before sessions are counted again, unless an event reports the end of one earlier.
const SESSION_RETRY: Duration = Duration::from_secs(10);

pub(super) struct Agent {
    number: usize,
    pub run: Run,
    desired: DesiredSpec,
    debounce: Debounce,
    retry: Option<Instant>,
    resync: Instant,
    backoff: Backoff,
    policy: PolicyProof,
    /// The pauses between proofs of the policy, apart: they suspend no repair.
    proofs: Backoff,
    /// Resources that have been in sync, so that creating them again is a repair.
    known: BTreeSet<ResourceId>,
    proven: BTreeSet<ContainerId>,
    /// Its spec is being read, or a round is running.
    busy: bool,
    standing: Standing,
    noted: Option<Standing>,
}

/// The next step of an agent.
pub(super) enum NextStep {
    /// Read its spec first, for this reason.
    Read(Wakeup, Box<Query>),
    Round(Box<RoundRequest>),
}

impl Agent {
    pub fn new(number: usize, watched: Watched, resync: Instant) -> Self {
        Self {
            number,
            run: watched.run.clone(),
            desired: DesiredSpec::new(watched),
            debounce: Debounce::default(),
            retry: None,
            resync,
            backoff: Backoff::default(),
            policy: PolicyProof::default(),
            proofs: Backoff::default(),
            known: BTreeSet::new(),
            proven: BTreeSet::new(),
            busy: false,
            standing: Standing::default(),
            noted: None,
        }
    }

    /// Records a reason for a round.
    pub fn wake(&mut self, wakeup: Wakeup, now: Instant) {
        match &wakeup.trigger {
            Trigger::SessionOver if self.standing.sessions == 0 => return,
            // A manual request is tried regardless of earlier failures.
            Trigger::Reload | Trigger::Approval => {
                self.backoff.clear();
                self.proofs.clear();
            }
            // Events may have been missed in the meantime.
            Trigger::Reconnected => self.doubt(),
            _ => {}
        }
        self.proven.retain(|container| !wakeup.touched.contains(container));
        self.debounce.ask(wakeup, now);
    }

    /// When the next step is due; `None` while one is running.
    pub fn due(&self) -> Option<Instant> {
        if self.busy {
            return None;
        }
        let times = [self.debounce.due(), self.retry, Some(self.resync)];
        times.into_iter().flatten().min()
    }

    /// The step that is due now, if any.
    pub fn turn(&mut self, settings: &Settings, now: Instant) -> Option<NextStep> {
        if self.busy {
            return None;
        }
        let wakeup = match self.debounce.take(now) {
            Some(wakeup) => wakeup,
            None if self.retry.is_some_and(|at| at <= now) => Wakeup::of(Trigger::Retry),
            None if self.resync <= now => {
                // Everything is proven again periodically: not every failure causes an event.
                self.doubt();
                Wakeup::of(Trigger::Resync)
            }
            None => return None,
        };
        if !wakeup.reads && !self.desired.is_unknown() {
            return self.order(wakeup, settings, now).map(|order| NextStep::Round(Box::new(order)));
        }
        self.busy = true;
        // An approval changes no file of the spec.
        let is_held = wakeup.reads && !self.desired.held().is_empty();
        let is_asked =
            is_held || matches!(wakeup.trigger, Trigger::Reload | Trigger::Approval | Trigger::Credential { .. });
        let query = self.desired.query(self.number, is_asked);
        Some(NextStep::Read(wakeup, Box::new(query)))
    }

    /// Everything has to be proven again.
    fn doubt(&mut self) {
        self.proven.clear();
        if self.policy == PolicyProof::Holds {
            self.policy = PolicyProof::Unknown;
        }
    }

    /// Applies the result of reading the spec for `wakeup`, and returns the next step.
    pub fn found<D: Host>(
        &mut self,
        wakeup: Wakeup,
        answer: Answer,
        host: &D,
        settings: &Settings,
        now: Instant,
    ) -> Option<RoundRequest> {
        self.busy = false;
        // Whatever the engine reported at the same time: a changed spec is the reason.
        let trigger = match (&wakeup.trigger, &answer.changed) {
            (Trigger::File(_) | Trigger::Engine { .. }, Some(file)) => Trigger::File(self.desired.shown(file)),
            (trigger, _) => trigger.clone(),
        };
        let read = self.desired.found(answer, &trigger, host, settings);
        for resource in &read.changed {
            self.backoff.forget(resource);
        }
        self.standing.problem = self.desired.problem().map(str::to_owned);
        self.standing.held = self.desired.held().to_vec();
        if read.take_unreported {
            let is_reported = read.is_reported && matches!(trigger, Trigger::File(_));
            let order = self
                .order(Wakeup { trigger, ..wakeup }, settings, now)
                .map(|order| RoundRequest { is_reported, ..order });
            return order.or_else(|| self.waits(host));
        }
        // Unchanged files are no reason for a round, and are not reported as one.
        if let Some(trigger) = wakeup.looks.clone() {
            return self.order(Wakeup { trigger, ..wakeup }, settings, now).or_else(|| self.waits(host));
        }
        self.note(host);
        None
    }

    /// No step is due until a spec is approved.
    fn waits<D: Host>(&mut self, host: &D) -> Option<RoundRequest> {
        self.standing.work = Work::Settled;
        self.note(host);
        None
    }

    /// Starts a round; `None` if there is no desired state.
    fn order(&mut self, wakeup: Wakeup, settings: &Settings, now: Instant) -> Option<RoundRequest> {
        self.retry = None;
        self.resync = now + settings.resync;
        let graph = self.desired.graph()?;
        self.busy = true;
        let options = Options {
            leave: self.backoff.left(now),
            proven: self.proven.clone(),
            volumes: self.desired.volumes(),
            ..settings.options.clone()
        };
        Some(RoundRequest {
            agent: self.number,
            graph,
            options,
            trigger: wakeup.trigger,
            policy: self.policy,
            proves: self.policy != PolicyProof::Holds && self.proofs.left(now).is_empty(),
            is_reported: false,
            now: settings.now,
        })
    }

    /// Applies the result of a round.
    pub fn finish<D: Host>(&mut self, report: Report, host: &D, now: Instant) {
        let Report { end, notes, took, .. } = report;
        self.busy = false;
        self.postponed(notes.sessions, host, now);
        match end {
            End::Settled(observed) => {
                let is_news = notes.worked || self.known.is_empty() || self.policy == PolicyProof::Failed;
                self.settled(&observed, &notes, now);
                let is_in_sync = self.standing.work == Work::Settled && notes.withheld.is_empty();
                if is_news && is_in_sync && notes.sessions == 0 {
                    host.report(Some(self.number), Event::Settled { run: &self.run, took });
                }
            }
            End::Failed(failures, restored_containers) => self.failed(&failures, &restored_containers, host, now),
            End::NotConverged => self.retry_at(now + ENGINE_RETRY),
            End::Locked(who) => {
                self.standing.last_error = Some(who);
                self.retry_at(now + LOCK_RETRY);
            }
            End::NoEngine(error) => {
                self.standing.work = Work::NoEngine;
                self.standing.last_error = Some(error.message);
                self.retry_at(now + ENGINE_RETRY);
            }
            End::Interrupted => {}
        }
        self.backs_off(&notes, host, now);
        for at in [self.backoff.next(), self.proofs.next()].into_iter().flatten() {
            self.retry_at(at);
        }
        self.note(host);
    }

    fn settled(&mut self, observed: &Observed, notes: &RoundStats, now: Instant) {
        if notes.proven {
            self.policy = PolicyProof::Holds;
            self.proofs.clear();
        }
        if self.policy == PolicyProof::Failed {
            self.standing.work = Work::BackingOff;
        } else {
            self.standing.work = Work::Settled;
            self.standing.last_error = None;
        }
        let running = observed.containers.iter().filter(|it| it.state == ContainerState::Running);
        self.proven = running.map(|it| it.id.clone()).collect();
        for resource in notes.repaired.intersection(&self.known) {
            self.backoff.repaired(resource, now);
        }
        let as_wanted = self.desired.resources().into_iter().filter(|it| !notes.withheld.contains_key(it));
        self.known.extend(as_wanted);
    }

    fn failed<D: Host>(
        &mut self,
        failures: &[Failure],
        restored_containers: &BTreeSet<ResourceId>,
        host: &D,
        now: Instant,
    ) {
        let mut again: Option<Instant> = None;
        for failure in failures {
            let interrupts = restored_containers.contains(&failure.resource);
            let is_proof = failure.code == Code::PolicyUnproven;
            if is_proof {
                self.policy = PolicyProof::Failed;
            }
            let backoff = if is_proof { &mut self.proofs } else { &mut self.backoff };
            if let Until::Time(at) = backoff.failed(failure, interrupts, now) {
                again = Some(again.map_or(at, |before| before.min(at)));
            }
        }
        self.standing.last_error = failures.first().map(|failure| failure.message.clone());
        self.standing.work = if again.is_some() { Work::BackingOff } else { Work::Stuck };
        let again = again.map(|at| at.saturating_duration_since(now));
        host.report(Some(self.number), Event::Unsettled { run: &self.run, failures, again });
    }

    /// Resources that need a repair and had too many.
    fn backs_off<D: Host>(&mut self, notes: &RoundStats, host: &D, now: Instant) {
        self.standing.left = notes.withheld.keys().map(ToString::to_string).collect();
        for (resource, log) in &notes.withheld {
            let Some((repairs, until)) = self.backoff.of(resource) else { continue };
            self.standing.work = if until == Until::Change { Work::Stuck } else { Work::BackingOff };
            let Until::Time(until) = until else { continue };
            if repairs >= LOOPING && self.backoff.take_unreported(resource) {
                let pause = until.saturating_duration_since(now);
                let run = &self.run;
                host.report(Some(self.number), Event::BackingOff { run, resource, repairs, pause, log });
            }
        }
    }

    fn postponed<D: Host>(&mut self, sessions: usize, host: &D, now: Instant) {
        if sessions > 0 {
            self.retry_at(now + SESSION_RETRY);
            if self.standing.sessions == 0 {
                host.report(Some(self.number), Event::Postponed { run: &self.run, sessions });
            }
        }
        self.standing.sessions = sessions;
    }

    fn retry_at(&mut self, at: Instant) {
        self.retry = Some(self.retry.map_or(at, |before| before.min(at)));
    }

    /// Publishes the agent's state if it has changed.
    fn note<D: Host>(&mut self, host: &D) {
        if self.noted.as_ref() != Some(&self.standing) {
            host.note(&self.run, &self.standing);
            self.noted = Some(self.standing.clone());
        }
    }
}
