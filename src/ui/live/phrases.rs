//! What an operation does, in words: while it does it, when it has, and when it could not.

use jiff::SignedDuration;
use moat_plan::{Action, Operation};

use crate::ui::terminal::style::bytes;
use moat_model::resource::Kind;

/// While it runs, as in `creating network moat-builder-1f2e3d4c`.
pub(in crate::ui) fn doing(operation: &Operation) -> String {
    let verb = match &operation.action {
        Action::AwaitReady { .. } => return format!("waiting for {}", operation.name),
        Action::PullImage { .. } => "pulling",
        Action::BuildImage { .. } => "building",
        Action::CreateNetwork { .. } | Action::CreateVolume { .. } | Action::CreateContainer { .. } => "creating",
        Action::UploadFiles { .. } => "uploading to",
        Action::StartContainer { .. } => "starting",
        Action::UpdateContainer { .. } => "updating",
        Action::UnpauseContainer { .. } => "unpausing",
        Action::RestartContainer { .. } => "restarting",
        Action::StopContainer { .. } => "stopping",
        Action::RenameContainer { .. } => "renaming",
        Action::ConnectNetwork { .. } => "connecting",
        Action::RemoveContainer { .. } | Action::RemoveNetwork { .. } | Action::RemoveVolume => "removing",
    };
    format!("{verb} {}", object(operation))
}

/// When it is done: the verb, and what it was done to.
pub(in crate::ui) fn done(operation: &Operation) -> (&'static str, String) {
    let object = object(operation);
    match &operation.action {
        Action::AwaitReady { .. } => ("ready", object),
        Action::PullImage { .. } => ("pulled", object),
        Action::BuildImage { .. } => ("built", object),
        Action::CreateNetwork { .. } | Action::CreateVolume { .. } | Action::CreateContainer { .. } => {
            ("created", object)
        }
        Action::UploadFiles { files, .. } if files.len() == 1 => ("uploaded", format!("1 file to {object}")),
        Action::UploadFiles { files, .. } => ("uploaded", format!("{} files to {object}", files.len())),
        Action::StartContainer { .. } => ("started", object),
        Action::UpdateContainer { .. } => ("updated", object),
        Action::UnpauseContainer { .. } => ("unpaused", object),
        Action::RestartContainer { .. } => ("restarted", object),
        Action::StopContainer { .. } => ("stopped", object),
        Action::RenameContainer { .. } => ("renamed", object),
        Action::ConnectNetwork { .. } => ("connected", object),
        Action::RemoveContainer { .. } | Action::RemoveNetwork { .. } | Action::RemoveVolume => ("removed", object),
    }
}

/// As an order, as in `create network moat-builder-1f2e3d4c`.
pub(in crate::ui) fn order(operation: &Operation) -> String {
    format!("{} {}", verb(operation.action.verb()), object(operation))
}

/// As in `copied 3 files, 1.2 kB`.
pub fn copied(files: u64, amount: u64) -> String {
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    format!("copied {files}, {}\n", bytes(amount))
}

/// How long ago, in its largest unit, as in `3 h`.
pub(in crate::ui) fn age(age: SignedDuration) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let seconds = age.as_secs().max(0);
    match UNITS.iter().find(|(size, _)| seconds >= *size) {
        Some((size, unit)) => format!("{} {unit}", seconds / size),
        None => format!("{seconds} s"),
    }
}

/// The verb of a plan as a person would say it.
pub(in crate::ui) fn verb(verb: &str) -> &str {
    match verb {
        "await" => "wait for",
        "upload" => "upload files to",
        verb => verb,
    }
}

/// As in `container moat-builder-1f2e3d4c`.
pub(in crate::ui) fn object(operation: &Operation) -> String {
    named(operation.resource.kind, &operation.name)
}

pub(in crate::ui) fn named(kind: Kind, name: &str) -> String {
    format!("{kind} {name}")
}
