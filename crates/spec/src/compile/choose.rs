//! Which capabilities a spec depends on.

use crate::diagnostic::{DIAGNOSTICS_MAX, quoted};
use crate::{Capabilities, Capability, Diagnostic, Diagnostics, Located, Spec, Unresolved, agent};

/// Those that the spec asks for, in its order.
///
/// # Errors
/// Every dependency that there is not, and every one that comes in two versions.
pub(super) fn choose(spec: &Spec, capabilities: &Capabilities) -> Result<Vec<Capability>, Diagnostics> {
    let mut chosen: Vec<Capability> = Vec::new();
    let mut faults = Vec::new();
    for dependency in &spec.dependencies {
        match capabilities.resolve(&dependency.value) {
            Ok(capability) if chosen.iter().any(|other| other.capability == capability.capability) => {
                let message = format!("duplicate dependency {}", quoted(&capability.capability));
                faults.push(Diagnostic::error(dependency.span.clone(), message).hint("keep one version"));
            }
            Ok(capability) => chosen.push(capability),
            Err(unresolved) => faults.push(diagnostic(dependency, &unresolved, capabilities)),
        }
    }
    if faults.is_empty() { Ok(chosen) } else { Err(Diagnostics::new(&spec.source, faults)) }
}

/// Whether it takes a vault to compile the spec as it is applied.
pub fn needs_vault(spec: &Spec, capabilities: &Capabilities) -> bool {
    let brings = |name: &Located<String>| capabilities.resolve(&name.value).is_ok_and(|it| it.has_secrets());
    !spec.secrets.is_empty()
        || !spec.concealed.is_empty()
        || spec.services.values().any(|service| !service.concealed.is_empty())
        || spec.dependencies.iter().any(brings)
}

/// Adds to what is wrong with a spec what is wrong with its dependencies, so that all of it is told at once.
pub fn with_unknown_dependencies(mut faults: Diagnostics, capabilities: &Capabilities) -> Diagnostics {
    if faults.items.len() >= DIAGNOSTICS_MAX {
        return faults;
    }
    // A place that has a fault already needs no second one.
    let told = |name: &Located<String>| faults.items.iter().any(|item| item.span == name.span);
    let all = agent::dependencies(&faults.source);
    let unknown = all.into_iter().filter(|name| !told(name)).filter_map(|name| {
        let unresolved = capabilities.resolve(&name.value).err()?;
        Some(diagnostic(&name, &unresolved, capabilities))
    });
    let unknown: Vec<_> = unknown.collect();
    faults.items.extend(unknown);
    Diagnostics::new(&faults.source, faults.items)
}

fn diagnostic(dependency: &Located<String>, unresolved: &Unresolved, capabilities: &Capabilities) -> Diagnostic {
    let message = match unresolved {
        // What was written may have anything in it.
        Unresolved::Name(name) => format!("unknown dependency {}", quoted(name)),
        other => other.to_string(),
    };
    Diagnostic::error(dependency.span.clone(), message).hint(unresolved.hint(capabilities))
}
