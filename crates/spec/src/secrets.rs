//! Sources of secrets, and fetching them.
//!
//! A secret is fetched only when a configuration is compared or applied. No message contains a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Spec;
use super::diagnostic::{Diagnostic, Diagnostics, quoted};
use super::environment::{Environment, FileError, ProgramError};
use super::shape::Fault;
use moat_model::resource::secret::SecretText;

/// The source of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of moat's environment.
    Variable(String),
    /// The content of a file without a trailing line break.
    File(PathBuf),
    /// The output of a shell command line without a trailing line break.
    Command(String),
    /// The output of a password manager's tool.
    Tool { provider: &'static Provider, reference: String },
}

/// A password manager with a command-line tool.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The scheme, such as `op` for `op://`.
    pub scheme: &'static str,
    /// The tool.
    program: &'static str,
    /// The arguments before the reference.
    arguments: &'static [&'static str],
    /// Whether the reference includes the scheme.
    whole: bool,
    /// The product's name in messages.
    product: &'static str,
}

impl fmt::Display for SecretSource {
    /// As in a spec, with an absolute path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env://{name}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Command(line) => write!(f, "cmd://{line}"),
            Self::Tool { provider: Provider { whole: true, .. }, reference } => f.write_str(reference),
            Self::Tool { provider, reference } => write!(f, "{}://{reference}", provider.scheme),
        }
    }
}

/// Tools with a documented command that prints one secret.
static PROVIDERS: [Provider; 2] = [
    // 1Password: `op read op://vault/item/field`.
    Provider { scheme: "op", program: "op", arguments: &["read", "--no-newline"], whole: true, product: "1Password" },
    // pass: `pass show name`.
    Provider { scheme: "pass", program: "pass", arguments: &["show"], whole: false, product: "pass" },
];

/// Reads `env://NAME`, `file://PATH`, `cmd://COMMAND` or the reference of a known provider.
pub(super) fn source(text: &str, path: impl Fn(&str) -> PathBuf) -> Result<SecretSource, Fault> {
    let forms = "write `env://NAME`, `file://PATH` or `cmd://COMMAND`";
    let Some((scheme, rest)) = text.split_once("://") else {
        // The message does not repeat the text: it could be the secret itself.
        return Err(Fault::new("expected the source of a secret, not its value", forms));
    };
    if rest.trim().is_empty() {
        return Err(Fault::new(format!("nothing follows `{scheme}://`"), forms));
    }
    match scheme {
        "env" => Ok(SecretSource::Variable(rest.to_owned())),
        "file" => Ok(SecretSource::File(path(rest))),
        "cmd" => Ok(SecretSource::Command(rest.to_owned())),
        other => {
            let Some(provider) = PROVIDERS.iter().find(|provider| provider.scheme == other) else {
                let message = format!("unknown secret source {}", quoted(&format!("{other}://")));
                return Err(Fault::new(message, format!("{forms}; use `cmd://` for any other tool")));
            };
            let reference = if provider.whole { text } else { rest };
            Ok(SecretSource::Tool { provider, reference: reference.to_owned() })
        }
    }
}

/// Checks the source of a secret.
pub(super) fn rule(text: &str) -> Result<(), Fault> {
    source(text, |path| PathBuf::from(path)).map(drop)
}

/// Fetches all secrets of a spec.
///
/// # Errors
/// One for each secret that cannot be fetched.
pub fn fetch(spec: &Spec, env: &dyn Environment) -> Result<BTreeMap<String, SecretText>, Diagnostics> {
    let mut found = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, source) in &spec.secrets {
        match fetch_one(name, source, env) {
            Ok(value) => {
                found.insert(name.clone(), SecretText::new(value));
            }
            Err(fault) => {
                let place = spec.place(&format!("secrets.{name}"));
                faults.push(Diagnostic::error(place, fault.message).hint(fault.hint));
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Diagnostics::new(&spec.source, faults)) }
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
            let arguments: Vec<&str> = provider.arguments.iter().copied().chain([reference.as_str()]).collect();
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
