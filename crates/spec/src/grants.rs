//! Grants of a spec: credentials that the gateway puts into requests, with their sources. No message contains a value.

use moat_policy::grant::find;
use moat_policy::{
    Case, Grant, GrantName, GrantOptions, GrantedHost, HeaderFormat, InvalidGrant, Repository, RequestRule,
};

use super::secrets::SecretSource;
use super::shape::Fault;

/// A grant of a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecGrant {
    pub grant: Grant,
    /// Where the value comes from.
    pub source: SecretSource,
    /// Where it is in the spec.
    pub place: String,
    /// The variables of the main container that have the placeholder.
    pub variables: Vec<String>,
    /// The dependencies that use it.
    pub needs: Vec<String>,
}

/// A grant to a host of the user's own.
pub(crate) struct CustomGrant {
    pub host: String,
    pub header: String,
    pub format: String,
    pub placeholder: Option<String>,
    pub requests: Vec<String>,
}

/// A grant without its source.
pub(crate) struct Granted {
    pub grant: Grant,
    /// The source if the spec names none.
    pub source: Option<String>,
    pub variables: Vec<String>,
    pub needs: Vec<String>,
}

/// Whether the credential of a provider is in a variable of this machine: a grant of it would have a value.
pub fn is_available(provider: &str, is_set: impl Fn(&str) -> bool) -> bool {
    let source = find(provider).ok().map(|provider| provider.source);
    source.is_some_and(|source| source.strip_prefix("env://").is_some_and(is_set))
}

/// The grant of a provider.
pub(crate) fn provided(name: &str, options: &GrantOptions) -> Result<Granted, InvalidGrant> {
    let provider = find(name)?;
    let grant = provider.grant(options)?;
    Ok(Granted { grant, source: Some(provider.source), variables: provider.variables, needs: provider.needs })
}

/// A grant of the user's own.
pub(crate) fn custom(name: &str, written: CustomGrant) -> Result<Granted, InvalidGrant> {
    let CustomGrant { host, header, format, placeholder, requests } = written;
    let name: GrantName = name.parse()?;
    let requests = requests.iter().map(|text| request(text)).collect::<Result<_, _>>()?;
    let format = HeaderFormat::new(&header, &format)?;
    let host = GrantedHost::new(host.parse()?, requests, Case::Exact, format, Vec::new())?;
    let placeholder = placeholder.unwrap_or_else(|| format!("moat-placeholder-{name}"));
    Ok(Granted {
        grant: Grant::new(name, placeholder, vec![host])?,
        source: None,
        variables: Vec::new(),
        needs: Vec::new(),
    })
}

fn request(text: &str) -> Result<RequestRule, InvalidGrant> {
    Ok(format!("allow {text}").parse::<RequestRule>()?)
}

/// Checks the name of a provider.
pub(super) fn provider_rule(text: &str) -> Result<(), Fault> {
    find(text).map(drop).map_err(|error| fault(&error))
}

/// Checks the name of a grant.
pub(super) fn name_rule(text: &str) -> Result<(), Fault> {
    text.parse::<GrantName>().map(drop).map_err(|error| fault(&error))
}

/// Checks a repository.
pub(super) fn repository_rule(text: &str) -> Result<(), Fault> {
    text.parse::<Repository>().map(drop).map_err(|error| fault(&error))
}

/// Checks a request that is allowed, such as `GET /v1/**`.
pub(super) fn request_rule(text: &str) -> Result<(), Fault> {
    match request(text) {
        Ok(_) => Ok(()),
        Err(InvalidGrant::Request(moat_policy::InvalidRequest::Form(_))) => {
            let message = format!("{} is not a request", super::diagnostic::quoted(text));
            Err(Fault::new(message, "expected `METHOD PATH`, such as `GET /v1/**` or `* /**`"))
        }
        Err(error) => Err(fault(&error)),
    }
}

pub(crate) fn fault(error: &InvalidGrant) -> Fault {
    Fault::new(error.to_string(), error.hint())
}
