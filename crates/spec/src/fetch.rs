//! Fetches the secrets of a spec from their sources, when a configuration is compared or applied.
//!
//! No message contains a secret.

use std::collections::BTreeMap;

use super::Spec;
use super::diagnostic::{Diagnostic, Diagnostics, quoted};
use super::environment::{Environment, FileError, ProgramError};
use super::secrets::{Provider, SecretSource};
use super::shape::Fault;
use moat_model::resource::secret::SecretText;

/// The fetched secrets of a spec, by name.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Of the main container.
    pub main: BTreeMap<String, SecretText>,
    /// Of the build.
    pub build: BTreeMap<String, SecretText>,
}

/// Fetches all secrets of a spec.
///
/// # Errors
/// One for each secret that cannot be fetched.
pub fn secrets(spec: &Spec, env: &dyn Environment) -> Result<Fetched, Diagnostics> {
    let mut found = Fetched::default();
    let mut faults = Vec::new();
    let mut fetch = |at: &str, name: &str, source| match fetch_one(name, source, env) {
        Ok(value) => Some(SecretText::new(value)),
        Err(fault) => {
            let place = spec.place(&format!("{at}.{name}"));
            faults.push(Diagnostic::error(place, fault.message).hint(fault.hint));
            None
        }
    };
    for (name, source) in &spec.secrets {
        found.main.extend(fetch("secrets", name, source).map(|value| (name.clone(), value)));
    }
    for (name, source) in spec.build.iter().flat_map(|build| &build.secrets) {
        let value = match spec.secrets.get(name) {
            // A command is run once.
            Some(same) if same == source => found.main.get(name).cloned(),
            _ => fetch("build.secrets", name, source),
        };
        found.build.extend(value.map(|value| (name.clone(), value)));
    }
    if faults.is_empty() { Ok(found) } else { Err(Diagnostics::new(&spec.source, faults)) }
}

/// Fetches the values of all grants of a spec, by the names of the grants.
///
/// # Errors
/// One for each value that cannot be fetched.
pub fn grants(spec: &Spec, env: &dyn Environment) -> Result<BTreeMap<String, SecretText>, Diagnostics> {
    let mut found = BTreeMap::new();
    let mut faults = Vec::new();
    for it in &spec.grants {
        let name = it.grant.name.to_string();
        match fetch_one(&name, &it.source, env).and_then(|value| usable(&name, value)) {
            Ok(value) => {
                found.insert(name, SecretText::new(value));
            }
            Err(Fault { message, hint }) => {
                let message = message.replacen("the secret", "the value of the grant", 1);
                faults.push(Diagnostic::error(spec.place(&it.place), message).hint(hint));
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Diagnostics::new(&spec.source, faults)) }
}

/// Checks that a value can be a header.
fn usable(name: &str, value: String) -> Result<String, Fault> {
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(value);
    }
    let message = format!("the secret `{name}` has spaces, line breaks or other characters that a header cannot have");
    Err(Fault::new(message, "the source must print the credential and nothing else"))
}

fn fetch_one(name: &str, source: &SecretSource, env: &dyn Environment) -> Result<String, Fault> {
    let value = match source {
        SecretSource::Variable(variable) => env.variable(variable).ok_or_else(|| {
            Fault::new(
                format!("cannot get the secret `{name}`: {} is not set", quoted(variable)),
                "set it in moat's environment",
            )
        })?,
        SecretSource::File(path) => without_line_break(env.read(path).map_err(|error| unread(name, &error))?),
        SecretSource::Command(line) => {
            without_line_break(env.run("sh", &["-c", line]).map_err(|error| not_run(name, "sh", "the shell", &error))?)
        }
        SecretSource::Tool { provider, reference } => {
            let Provider { program, product, .. } = provider;
            let arguments = provider.arguments_for(reference);
            without_line_break(env.run(program, &arguments).map_err(|error| not_run(name, program, product, &error))?)
        }
    };
    if value.is_empty() {
        return Err(Fault::new(format!("the secret `{name}` is empty"), "set a value at its source"));
    }
    if value.contains('\0') {
        return Err(Fault::new(
            format!("the secret `{name}` contains a NUL character"),
            "an environment variable cannot contain it",
        ));
    }
    Ok(value)
}

fn unread(name: &str, error: &FileError) -> Fault {
    let why = match error {
        FileError::Missing => "no such file",
        FileError::Unreadable(why) => why,
    };
    Fault::new(format!("cannot read the secret `{name}`: {why}"), "relative paths start from this file")
}

fn not_run(name: &str, program: &str, product: &str, error: &ProgramError) -> Fault {
    match error {
        ProgramError::Missing => Fault::new(
            format!("cannot get the secret `{name}`: `{program}` ({product}) is not installed"),
            "install it, or use another source: `env://NAME`, `file://PATH`, `cmd://COMMAND`",
        ),
        ProgramError::Failed(why) => {
            let hint = "run the command manually for details";
            Fault::new(format!("cannot get the secret `{name}`: its command {why}"), hint)
        }
    }
}

/// Removes one trailing line break, which editors and commands add.
fn without_line_break(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}
