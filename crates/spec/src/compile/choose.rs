//! Resolves the dependencies of a spec to capabilities.

use crate::diagnostic::{DIAGNOSTICS_MAX, quoted};
use crate::{Capabilities, Capability, Diagnostic, Diagnostics, Located, Spec, Unresolved, agent};

/// The capabilities that a spec depends on, in its order.
///
/// # Errors
/// One for each unknown dependency, and for each that is listed in two versions.
pub(super) fn choose(spec: &Spec, capabilities: &Capabilities) -> Result<Vec<Capability>, Diagnostics> {
    let mut chosen: Vec<Capability> = Vec::new();
    let mut faults = Vec::new();
    for dependency in &spec.dependencies {
        match capabilities.resolve_for(&dependency.value, spec.isolation) {
            Ok(capability) if chosen.iter().any(|other| other.capability == capability.capability) => {
                let message = format!("duplicate dependency {}", quoted(&capability.capability));
                faults.push(Diagnostic::error(dependency.span.clone(), message).hint("keep one version"));
            }
            Ok(capability) => chosen.push(capability),
            Err(unresolved) => faults.push(diagnostic(dependency, &unresolved, capabilities)),
        }
    }
    if !faults.is_empty() {
        return Err(Diagnostics::new(&spec.source, faults));
    }
    add_needs(spec, capabilities, &mut chosen)?;
    if spec.image.is_none() && spec.build.is_none() {
        for need in spec.grants.iter().flat_map(|grant| &grant.needs) {
            add(spec, capabilities, &mut chosen, need, "grants")?;
        }
        add_needs(spec, capabilities, &mut chosen)?;
    }
    Ok(chosen)
}

/// Adds what the chosen capabilities need, in the order in which it is needed.
fn add_needs(spec: &Spec, capabilities: &Capabilities, chosen: &mut Vec<Capability>) -> Result<(), Diagnostics> {
    let mut at = 0;
    while let Some(capability) = chosen.get(at) {
        let by = capability.capability.clone();
        for need in capability.needs.clone() {
            add(spec, capabilities, chosen, &need, &by)?;
        }
        at += 1;
    }
    Ok(())
}

/// Adds a dependency that another one or a grant needs, unless a version of it is there.
fn add(
    spec: &Spec,
    capabilities: &Capabilities,
    chosen: &mut Vec<Capability>,
    need: &str,
    by: &str,
) -> Result<(), Diagnostics> {
    let needed = capabilities.resolve_for(need, spec.isolation).map_err(|why| {
        let message = format!("{} needs {}: {why}", quoted(by), quoted(need));
        Diagnostics::at(&spec.source, spec.place("dependencies"), message, why.hint(capabilities))
    })?;
    if chosen.iter().all(|other| other.capability != needed.capability) {
        chosen.push(needed);
    }
    Ok(())
}

/// Whether compiling the spec for an apply needs a vault.
pub fn needs_vault(spec: &Spec, capabilities: &Capabilities) -> bool {
    let brings = || capabilities.closure(&spec.dependencies, spec.isolation).iter().any(Capability::has_secrets);
    !spec.secrets.is_empty()
        || spec.build.as_ref().is_some_and(|build| !build.secrets.is_empty())
        || !spec.concealed.is_empty()
        || !spec.grants.is_empty()
        || !spec.buildkit.concealed.is_empty()
        || spec.services.values().any(|service| !service.concealed.is_empty())
        || brings()
}

/// Adds the errors of a spec's dependencies to its other errors, so that all are reported together.
pub fn with_unknown_dependencies(mut faults: Diagnostics, capabilities: &Capabilities) -> Diagnostics {
    if faults.items.len() >= DIAGNOSTICS_MAX {
        return faults;
    }
    // One error per location is enough.
    let is_reported = |name: &Located<String>| faults.items.iter().any(|item| item.span == name.span);
    let all = agent::dependencies(&faults.source);
    let unknown = all.into_iter().filter(|name| !is_reported(name)).filter_map(|name| {
        let unresolved = capabilities.resolve(&name.value).err()?;
        Some(diagnostic(&name, &unresolved, capabilities))
    });
    let unknown: Vec<_> = unknown.collect();
    faults.items.extend(unknown);
    Diagnostics::new(&faults.source, faults.items)
}

fn diagnostic(dependency: &Located<String>, unresolved: &Unresolved, capabilities: &Capabilities) -> Diagnostic {
    let message = match unresolved {
        // The name is arbitrary user input.
        Unresolved::Name(name) => format!("unknown dependency {}", quoted(name)),
        other => other.to_string(),
    };
    Diagnostic::error(dependency.span.clone(), message).hint(unresolved.hint(capabilities))
}
