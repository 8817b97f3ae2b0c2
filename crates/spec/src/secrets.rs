//! Sources of secrets. No message contains a secret.

use std::fmt;
use std::path::PathBuf;

use super::diagnostic::quoted;
use super::shape::Fault;

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
    pub(super) program: &'static str,
    /// The arguments before the reference.
    pub(super) arguments: &'static [&'static str],
    /// How the reference is given to the tool.
    pub(super) form: Form,
    /// The product's name in messages.
    pub(super) product: &'static str,
}

/// How a tool takes a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// With the scheme.
    Whole,
    /// Without it.
    Rest,
    /// `[REGION]/NAME`, as two options.
    Region,
}

impl Provider {
    /// All arguments for a reference.
    pub(super) fn arguments_for<'a>(&self, reference: &'a str) -> Vec<&'a str> {
        let mut all = self.arguments.to_vec();
        match (self.form, reference.find('/')) {
            (Form::Region, Some(at)) if at > 0 => {
                all.extend(["--region", &reference[..at], "--name", &reference[at..]]);
            }
            (Form::Region, _) => all.extend(["--name", reference]),
            (Form::Whole | Form::Rest, _) => all.push(reference),
        }
        all
    }

    /// Checks the part after the scheme.
    fn check(&self, rest: &str) -> Result<(), Fault> {
        if self.form != Form::Region {
            return Ok(());
        }
        let scheme = self.scheme;
        let is_region = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && !text.starts_with('-')
        };
        match rest.split_once('/') {
            Some((region, name)) if is_region(region) && !name.is_empty() => Ok(()),
            _ => Err(Fault::new(
                format!("{} is not the name of a parameter", quoted(&format!("{scheme}://{rest}"))),
                format!("write `{scheme}:///NAME`, or `{scheme}://REGION/NAME` for another region"),
            )),
        }
    }
}

impl fmt::Display for SecretSource {
    /// As in a spec, with an absolute path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env://{name}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Command(line) => write!(f, "cmd://{line}"),
            Self::Tool { provider: Provider { form: Form::Whole, .. }, reference } => f.write_str(reference),
            Self::Tool { provider, reference } => write!(f, "{}://{reference}", provider.scheme),
        }
    }
}

/// Tools with a documented command that prints one secret.
static PROVIDERS: [Provider; 3] = [
    // 1Password: `op read op://vault/item/field`.
    Provider {
        scheme: "op",
        program: "op",
        arguments: &["read", "--no-newline"],
        form: Form::Whole,
        product: "1Password",
    },
    // pass: `pass show name`.
    Provider { scheme: "pass", program: "pass", arguments: &["show"], form: Form::Rest, product: "pass" },
    // Parameter Store of AWS: `aws ssm get-parameter --name /name`.
    Provider {
        scheme: "ssm",
        program: "aws",
        arguments: &["ssm", "get-parameter", "--with-decryption", "--query", "Parameter.Value", "--output", "text"],
        form: Form::Region,
        product: "the command line of AWS",
    },
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
            provider.check(rest)?;
            let reference = if provider.form == Form::Whole { text } else { rest };
            Ok(SecretSource::Tool { provider, reference: reference.to_owned() })
        }
    }
}

/// Checks the source of a secret.
pub(super) fn rule(text: &str) -> Result<(), Fault> {
    source(text, |path| PathBuf::from(path)).map(drop)
}
