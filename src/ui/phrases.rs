//! Phrases for operations: running, done, or failed.

use jiff::SignedDuration;
use moat_plan::{Action, Operation};

use crate::ui::terminal::style::bytes;
use moat_model::resource::Kind;

/// Returns the phrase of a running operation, for example `creating network moat-builder-1f2e3d4c`.
pub(in crate::ui) fn doing(operation: &Operation) -> String {
    let verb = match &operation.action {
        Action::AwaitReady { .. } => return format!("waiting for {}", operation.name),
        Action::PullImage { .. } => "pulling",
        Action::BuildImage { .. } => "building",
        Action::ImportImage { .. } => "importing",
        Action::CreateNetwork { .. } | Action::CreateVolume { .. } | Action::CreateContainer { .. } => "creating",
        Action::UploadFiles { .. } => "uploading to",
        Action::StartContainer { .. } => "starting",
        Action::UpdateContainer { .. } => "updating",
        Action::UnpauseContainer { .. } => "unpausing",
        Action::RestartContainer { .. } => "restarting",
        Action::StopContainer { .. } => "stopping",
        Action::RenameContainer { .. } => "renaming",
        Action::ConnectNetwork { .. } => "connecting",
        Action::DisconnectNetwork { .. } => "disconnecting",
        Action::SetPolicy { .. } => "setting",
        Action::UnlockGrant { .. } => "unlocking",
        Action::RemoveContainer { .. } | Action::RemoveNetwork { .. } | Action::RemoveVolume => "removing",
    };
    format!("{verb} {}", object(operation))
}

/// Returns the verb and the object of a completed operation.
pub(in crate::ui) fn done(operation: &Operation) -> (&'static str, String) {
    let object = object(operation);
    match &operation.action {
        Action::AwaitReady { .. } => ("ready", object),
        Action::PullImage { .. } => ("pulled", object),
        Action::BuildImage { .. } => ("built", object),
        Action::ImportImage { .. } => ("imported", object),
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
        Action::DisconnectNetwork { .. } => ("disconnected", object),
        Action::SetPolicy { .. } => ("set", object),
        Action::UnlockGrant { .. } => ("unlocked", object),
        Action::RemoveContainer { .. } | Action::RemoveNetwork { .. } | Action::RemoveVolume => ("removed", object),
    }
}

/// Returns the imperative phrase, for example `create network moat-builder-1f2e3d4c`.
pub(in crate::ui) fn order(operation: &Operation) -> String {
    format!("{} {}", verb(operation.action.verb()), object(operation))
}

/// Returns a line such as `copied 3 files, 1.2 kB`.
pub fn copied(files: u64, amount: u64) -> String {
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    format!("copied {files}, {}\n", bytes(amount))
}

/// Returns an age in its largest unit, for example `3 h`.
pub(in crate::ui) fn age(age: SignedDuration) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let seconds = age.as_secs().max(0);
    match UNITS.iter().find(|(size, _)| seconds >= *size) {
        Some((size, unit)) => format!("{} {unit}", seconds / size),
        None => format!("{seconds} s"),
    }
}

/// Returns the phrase for a verb of a plan.
pub(in crate::ui) fn verb(verb: &str) -> &str {
    match verb {
        "await" => "wait for",
        "upload" => "upload files to",
        verb => verb,
    }
}

/// Returns kind and name, for example `container moat-builder-1f2e3d4c`.
pub(in crate::ui) fn object(operation: &Operation) -> String {
    named(operation.resource.kind, &operation.name)
}

pub(in crate::ui) fn named(kind: Kind, name: &str) -> String {
    format!("{kind} {name}")
}
