//! Generators of cases: small graphs, a few faults, some interference. All shrink towards the empty case.

use std::collections::BTreeMap;

use moat_model::resource::{Kind, ResourceId};
use moat_sim::faulty::{At, Broken, Injection, Planned, Schedule};
use moat_sim::interference::Interference;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::case::{Case, Earlier, MAX_IN_FLIGHT, Part, Program, Wanted, run};

/// Cases that can converge.
pub fn good_case() -> impl Strategy<Value = Case> {
    let before = (option::of(earlier()), prop::bool::weighted(0.3));
    (before, vec(interference(), 0..4), wanted(), schedule(4), any::<bool>()).prop_map(
        |((mut before, same), interference, wanted, faults, old_engine)| {
            // Often only the engine has changed, not the spec.
            if let (Some(earlier), true) = (&mut before, same) {
                earlier.wanted = wanted.clone();
            }
            Case { before, interference, wanted, faults, interrupt: None, old_engine }
        },
    )
}

/// A good state, followed by a desired state that cannot be reached: one of its containers never becomes ready.
pub fn bad_case() -> impl Strategy<Value = Case> {
    let bad = prop_oneof![
        Just(Program::Hangs),
        Just(Program::Broken),
        Just(Program::Dies),
        Just(Program::Crashes),
        Just(Program::Unhealthy),
    ];
    (option::of(wanted()), wanted(), bad, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(before, mut wanted, bad, which, old_engine)| {
            let name = which.get(&wanted.containers.keys().cloned().collect::<Vec<_>>()).clone();
            if let Some(part) = wanted.containers.get_mut(&name) {
                part.program = bad;
            }
            let before = before.map(|wanted| Earlier { wanted, faults: Schedule::default() });
            Case { before, interference: Vec::new(), wanted, faults: Schedule::default(), interrupt: None, old_engine }
        },
    )
}

/// More containers than the maximum of calls in flight, none of them created yet, without faults.
pub fn wide_case() -> impl Strategy<Value = Case> {
    (part(), vec(part(), MAX_IN_FLIGHT..MAX_IN_FLIGHT + 8)).prop_map(|(main, others)| {
        let others = others.into_iter().enumerate().map(|(i, part)| (format!("other-{i:02}"), part));
        let containers = others.chain([("main".to_owned(), main)]).collect();
        let wanted = Wanted { internal: false, gateway: None, foreign: false, containers };
        let faults = Schedule::default();
        Case { before: None, interference: Vec::new(), wanted, faults, interrupt: None, old_engine: false }
    })
}

/// Cases in which the user interrupts.
pub fn interrupted_case() -> impl Strategy<Value = Case> {
    (good_case(), 0..20_usize).prop_map(|(case, after)| {
        let before = case.before.map(|it| Earlier { faults: Schedule::default(), ..it });
        Case { before, faults: Schedule::default(), interrupt: Some(after), ..case }
    })
}

/// An engine on which another user has taken one of the run's names.
pub fn namesake_case() -> impl Strategy<Value = Case> {
    (wanted(), any::<prop::sample::Index>(), any::<bool>()).prop_map(|(wanted, which, old_engine)| {
        let names = wanted.graph().nodes().map(|node| node.id.clone()).collect::<Vec<_>>();
        let takes: Vec<Interference> = names.iter().filter_map(takes_name).collect();
        let interference = vec![which.get(&takes).clone()];
        Case { before: None, interference, wanted, faults: Schedule::default(), interrupt: None, old_engine }
    })
}

fn takes_name(id: &ResourceId) -> Option<Interference> {
    let name = run().name_of(id);
    match id.kind {
        Kind::Image | Kind::Policy | Kind::Grant => None,
        Kind::Network => Some(Interference::AddNetwork { name }),
        Kind::Volume => Some(Interference::AddVolume { name }),
        Kind::Container => Some(Interference::AddContainer { name, image: "quick:1".to_owned() }),
    }
}

fn earlier() -> impl Strategy<Value = Earlier> {
    (wanted(), schedule(2)).prop_map(|(wanted, faults)| Earlier { wanted, faults })
}

pub fn wanted() -> impl Strategy<Value = Wanted> {
    let main = prop_oneof![4 => part(), 1 => a_run()];
    let others = (option::of(part()), option::of(part()));
    let network = (prop::bool::weighted(0.1), option::weighted(0.3, 0..5_u8));
    let foreign = prop::bool::weighted(0.2);
    (network, foreign, main, others).prop_map(|((internal, gateway), foreign, main, (buildkit, db))| {
        let named = [("buildkit", buildkit), ("db", db), ("main", Some(main))];
        let containers: BTreeMap<_, _> =
            named.into_iter().filter_map(|(name, part)| Some((name.to_owned(), part?))).collect();
        Wanted { internal, gateway, foreign, containers }
    })
}

fn part() -> impl Strategy<Value = Part> {
    let program = prop_oneof![
        Just(Program::Quick),
        Just(Program::Slow),
        Just(Program::Privileged),
        Just(Program::Database),
        Just(Program::Silent),
    ];
    (program, 0..3_u8, any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), any::<bool>()).prop_map(
        |(program, version, volume, health, mortal, beside)| Part { program, version, volume, health, mortal, beside },
    )
}

/// A one-shot command.
fn a_run() -> impl Strategy<Value = Part> {
    (0..3_u8, any::<bool>(), any::<bool>()).prop_map(|(version, volume, health)| Part {
        program: Program::Ends,
        version,
        volume,
        health,
        mortal: true,
        beside: false,
    })
}

pub fn schedule(most: usize) -> impl Strategy<Value = Schedule> {
    vec((at(), injection()), 0..=most).prop_map(|mut planned| {
        planned.sort_by_key(|(at, _)| *at);
        Schedule(planned.into_iter().map(|(at, inject)| Planned { at, inject }).collect())
    })
}

fn at() -> impl Strategy<Value = At> {
    prop_oneof![3 => (0..30_u32).prop_map(At::Change), 1 => (0..60_u32).prop_map(At::Look)]
}

fn injection() -> impl Strategy<Value = Injection> {
    let broken = || prop_oneof![Just(Broken::Engine), Just(Broken::Unreachable), Just(Broken::TimedOut)];
    prop_oneof![
        3 => any::<bool>().prop_map(|after| Injection::Crash { after }),
        2 => broken().prop_map(|error| Injection::FailBefore { error }),
        // A busy engine refuses before a call takes effect, never afterwards.
        1 => Just(Injection::FailBefore { error: Broken::Busy }),
        3 => broken().prop_map(|error| Injection::FailAfter { error }),
        1 => prop_oneof![Just(50), Just(3_000), Just(200_000)].prop_map(|ms| Injection::Slow { ms }),
        4 => interference().prop_map(|with| Injection::Interfere { with }),
        1 => prop_oneof![Just(0), Just(700)].prop_map(|down_ms| Injection::EngineRestart { down_ms }),
    ]
}

pub fn container() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["container/buildkit", "container/db", "container/main", "container/gateway"])
        .prop_map(str::to_owned)
}

pub fn interference() -> impl Strategy<Value = Interference> {
    let volume = || prop_oneof![Just("volume/buildkit-data"), Just("volume/db-data"), Just("volume/main-data")];
    let image =
        || prop_oneof![Just("quick:1"), Just("slow:1"), Just("privileged:1"), Just("database:1"), Just("silent:1")];
    prop_oneof![
        container().prop_map(|container| Interference::Kill { container }),
        (container(), 0..3_i64).prop_map(|(container, code)| Interference::Die { container, code }),
        container().prop_map(|container| Interference::Stop { container }),
        container().prop_map(|container| Interference::Start { container }),
        container().prop_map(|container| Interference::Pause { container }),
        container().prop_map(|container| Interference::FailCheck { container }),
        container().prop_map(|container| Interference::RemoveContainer { container }),
        container().prop_map(|container| Interference::RenameContainer { container, to: "renamed".to_owned() }),
        container().prop_map(|container| Interference::Disconnect { container }),
        container().prop_map(|container| Interference::Connect { container, network: "bridge".to_owned() }),
        Just(Interference::RemoveNetwork { network: "network/agent".to_owned() }),
        Just(Interference::RemoveNetwork { network: "network/egress".to_owned() }),
        volume().prop_map(|volume| Interference::RemoveVolume { volume: volume.to_owned() }),
        image().prop_map(|image| Interference::RemoveImage { image: image.to_owned() }),
        image().prop_map(|image| Interference::RetagImage { image: image.to_owned() }),
    ]
}
