//! Plans as text: one line per operation, followed by the differing fields. People read this form and
//! tests compare it; `docs/reference/plan.md` promises its stability.

use std::collections::BTreeSet;
use std::fmt;

use super::{Action, Cause, Gain, Operation, Plan, privilege};
use moat_model::resource::ResourceId;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Once per resource: its other operations have the same cause.
        let mut printed = BTreeSet::new();
        for operation in &self.operations {
            writeln!(f, "{operation}")?;
            if let Cause::Changed(diffs) = &operation.cause
                && printed.insert(&operation.resource)
            {
                for diff in diffs {
                    writeln!(f, "    {diff}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<3} {} {} {}", format!("{}.", self.id), self.action.verb(), self.resource.kind, self.name)?;
        if let Some(mark) = self.mark() {
            write!(f, " [{mark}]")?;
        }
        for (i, id) in self.after.iter().enumerate() {
            write!(f, "{}{id}", if i == 0 { " after " } else { ", " })?;
        }
        match &self.cause {
            Cause::Changed(_) => f.write_str(": changed"),
            cause => write!(f, ": {cause}"),
        }
    }
}

impl Operation {
    /// The mark that warns people of a risk.
    pub fn mark(&self) -> Option<String> {
        match &self.action {
            Action::CreateContainer { config, .. } => {
                let marks: BTreeSet<_> = privilege::gains(config).iter().filter_map(Gain::mark).collect();
                Some(marks.into_iter().collect::<Vec<_>>().join(", ")).filter(|marks| !marks.is_empty())
            }
            // The stop mark is an empty volume.
            Action::RemoveVolume if self.resource != ResourceId::stop_mark() => Some("destroys data".to_owned()),
            _ => None,
        }
    }
}
