//! Providers of grants, from `specs/grants/`: the hosts, the header, and which requests read and write.

use std::str::FromStr;

use serde::Deserialize;

use super::super::path::Case;
use super::super::preset_names::similar;
use super::super::request_rule::RequestRule;
use super::files::{FILES, names};
use super::{Grant, GrantedHost, HeaderFormat, InvalidGrant};

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub name: &'static str,
    pub summary: String,
    /// Where the value comes from if the user names no source.
    pub source: String,
    /// The variables that have the placeholder in the sandbox.
    pub variables: Vec<String>,
    pub placeholder: String,
    /// The dependencies that use it: an image that moat makes has them.
    pub needs: Vec<String>,
    hosts: Vec<WrittenHost>,
}

/// What a user asks of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantOptions {
    /// Empty: all that the credential can reach.
    pub repos: Vec<Repository>,
    pub write: bool,
}

/// `OWNER/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[expect(dead_code, reason = "the name of the file, which a test compares")]
    grant: String,
    summary: String,
    source: String,
    variables: Vec<String>,
    placeholder: String,
    #[serde(default)]
    needs: Vec<String>,
    hosts: Vec<WrittenHost>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHost {
    host: String,
    header: String,
    format: String,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    query: Vec<String>,
    #[serde(flatten)]
    all: Access,
    #[serde(default)]
    repos: Option<Access>,
}

/// Requests, each `METHOD PATH`. Who may write may read as well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct Access {
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    write: Vec<String>,
}

/// What stands for a repository in a request.
const REPOSITORY: &str = "{repo}";

const SIGNED: (&str, &str) = (
    "its requests are signed with the key itself, which would have to be in the sandbox",
    "pass credentials that expire soon under `secrets`",
);
const OWN: &str = "write a grant of your own: `- NAME: {host: HOST, source: env://TOKEN}`";

/// Grants of other tools that moat refuses on purpose, with the reason and what to do instead. `:` at the end: any that
/// starts so.
const REFUSED: [(&str, (&str, &str)); 7] = [
    ("aws", SIGNED),
    ("gcloud", SIGNED),
    ("gcp", SIGNED),
    (
        "ssh:",
        (
            "moat gives no SSH agent to a sandbox: who can use one can sign for every host",
            "use git over HTTPS with the grant `github`, or with a grant of your own that names `host`",
        ),
    ),
    ("oauth:", ("moat signs in nowhere", OWN)),
    ("mcp:", ("moat signs in nowhere", OWN)),
    (
        "telegram",
        (
            "its credential is in the path of each request, and the gateway sets headers only",
            "run the program that needs it outside of the sandbox",
        ),
    ),
];

/// A provider by name.
///
/// # Errors
/// If there is none.
pub fn find(name: &str) -> Result<Provider, InvalidGrant> {
    let is_it = |known: &str| known == name || (known.ends_with(':') && name.starts_with(known));
    if let Some((_, (reason, hint))) = REFUSED.into_iter().find(|(known, _)| is_it(known)) {
        return Err(InvalidGrant::Refused { name: name.to_owned(), reason, hint });
    }
    let unknown = || InvalidGrant::Unknown { name: name.to_owned(), similar: similar(name, names()) };
    let (name, text) = FILES.iter().find(|(it, _)| *it == name).ok_or_else(unknown)?;
    // A test parses every file.
    let written: Written = serde_yaml::from_str(text).map_err(|_| unknown())?;
    let Written { summary, source, variables, placeholder, needs, hosts, .. } = written;
    Ok(Provider { name, summary, source, variables, placeholder, needs, hosts })
}

impl Provider {
    /// The grant for the options of a user.
    ///
    /// # Errors
    /// If the provider does not have an option.
    pub fn grant(&self, options: &GrantOptions) -> Result<Grant, InvalidGrant> {
        let has_repos = self.hosts.iter().any(|host| host.repos.is_some());
        if !options.repos.is_empty() && !has_repos {
            return Err(InvalidGrant::NoRepositories(self.name));
        }
        if options.write && self.hosts.iter().all(|host| host.all.write.is_empty()) {
            return Err(InvalidGrant::NoWrite(self.name));
        }
        let hosts = self.hosts.iter().filter_map(|host| host.granted(options).transpose()).collect::<Result<_, _>>()?;
        Grant::new(self.name.parse()?, self.placeholder.clone(), hosts)
    }
}

impl WrittenHost {
    /// The host with the requests that the options allow; `None`: none.
    fn granted(&self, options: &GrantOptions) -> Result<Option<GrantedHost>, InvalidGrant> {
        let access = if options.repos.is_empty() { &self.all } else { self.repos.as_ref().unwrap_or(&NOTHING) };
        let writes = access.write.iter().filter(|_| options.write);
        let mut requests = Vec::new();
        for text in access.read.iter().chain(writes) {
            for text in for_each(text, &options.repos) {
                requests.push(format!("allow {text}").parse::<RequestRule>()?);
            }
        }
        if requests.is_empty() {
            return Ok(None);
        }
        let case = if self.ignore_case { Case::Ignored } else { Case::Exact };
        let format = HeaderFormat::new(&self.header, &self.format)?;
        GrantedHost::new(self.host.parse()?, requests, case, format, self.query.clone()).map(Some)
    }
}

/// A host without repositories grants nothing to them.
static NOTHING: Access = Access { read: Vec::new(), write: Vec::new() };

/// A request for each repository that it is about.
fn for_each(text: &str, repos: &[Repository]) -> Vec<String> {
    if text.contains(REPOSITORY) {
        repos.iter().map(|repo| text.replace(REPOSITORY, &repo.0)).collect()
    } else {
        vec![text.to_owned()]
    }
}

impl FromStr for Repository {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let is_part = |part: &str| {
            let is_plain = part.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
            is_plain && !matches!(part, "" | "." | "..")
        };
        match text.split_once('/') {
            Some((owner, name)) if is_part(owner) && is_part(name) && !name.to_ascii_lowercase().ends_with(".git") => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(InvalidGrant::Repository(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Asked, Mode, Policy, Port, RequestPath};
    use super::*;

    fn options(repos: &[&str], write: bool) -> GrantOptions {
        GrantOptions { repos: repos.iter().map(|repo| repo.parse().unwrap()).collect(), write }
    }

    #[test]
    fn every_provider_can_be_read_and_granted() {
        assert!(names().count() >= 6);
        for (name, text) in FILES {
            let written: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
            assert_eq!(written["grant"].as_str(), Some(*name));
            let provider = find(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(provider.summary.len() < 80 && !provider.variables.is_empty(), "{name}");
            for write in [false, true] {
                let made = provider.grant(&options(&[], write));
                assert!(made.is_ok() || made == Err(InvalidGrant::NoWrite(provider.name)), "{name} {made:?}");
            }
            for host in provider.hosts {
                let keys = host.repos.iter().flat_map(|it| it.read.iter().chain(&it.write));
                assert!(keys.clone().all(|text| text.contains(REPOSITORY)), "{name}: not bound to a repository");
                assert!(!host.all.read.iter().chain(&host.all.write).any(|text| text.contains('{')), "{name}");
            }
        }
    }

    #[test]
    fn a_bound_grant_is_limited_to_its_repositories() {
        let read = find("github").unwrap().grant(&options(&["me/x"], false)).unwrap();
        let write = find("github").unwrap().grant(&options(&["me/x"], true)).unwrap();
        let is_granted = |grant: &Grant, host: &str, method: &str, path: &str| {
            let policy = Policy::new(Mode::Strict, Vec::new(), Vec::new()).unwrap();
            let policy = policy.with_grants(vec![grant.clone()]).unwrap();
            let path = RequestPath::new(path).unwrap();
            policy.grant_for(&host.parse().unwrap(), Port::TLS, &Asked { method, path: &path }).is_some()
        };
        let table = [
            ("api.github.com", "GET", "/repos/me/x", true, true),
            ("api.github.com", "GET", "/repos/Me/X/pulls", true, true),
            ("api.github.com", "POST", "/repos/me/x/pulls", false, true),
            ("api.github.com", "POST", "/repos/me/x/keys", false, false),
            ("api.github.com", "POST", "/repos/me/x/hooks", false, false),
            ("api.github.com", "GET", "/repos/me/other", false, false),
            ("api.github.com", "GET", "/repos/me/x/../other", false, false),
            ("api.github.com", "POST", "/graphql", false, false),
            ("api.github.com", "GET", "/user", false, false),
            ("github.com", "GET", "/me/x.git/info/refs", true, true),
            ("github.com", "POST", "/me/x/git-upload-pack", true, true),
            ("github.com", "POST", "/me/x.git/git-receive-pack", false, true),
            ("github.com", "POST", "/me/other.git/git-receive-pack", false, false),
            ("github.com", "GET", "/me/x", false, false),
            ("uploads.github.com", "POST", "/repos/me/x/releases/1/assets", false, true),
            ("gist.github.com", "GET", "/repos/me/x", false, false),
        ];
        for (host, method, path, reads, writes) in table {
            if RequestPath::new(path).is_ok() {
                assert_eq!(is_granted(&read, host, method, path), reads, "{method} {host}{path}");
                assert_eq!(is_granted(&write, host, method, path), writes, "{method} {host}{path}");
            }
        }
    }

    /// A credential that a program can make for itself would be one inside the sandbox.
    #[test]
    fn no_provider_grants_requests_that_create_credentials() {
        for (name, host, method, path) in [
            ("claude", "api.anthropic.com", "POST", "/api/oauth/claude_cli/create_api_key"),
            ("anthropic", "api.anthropic.com", "POST", "/v1/organizations/api_keys"),
            ("openai", "api.openai.com", "POST", "/v1/realtime/client_secrets"),
            ("openai", "api.openai.com", "POST", "/v1/organization/admin_api_keys"),
            ("gemini", "generativelanguage.googleapis.com", "POST", "/v1alpha/auth_tokens"),
            ("npm", "a.npmjs.org", "POST", "/-/npm/v1/tokens"),
            ("npm", "a.npmjs.org", "PUT", "/-/user/org.couchdb.user:me"),
        ] {
            let provider = find(name).unwrap();
            let grants = [provider.grant(&options(&[], true)), provider.grant(&options(&[], false))];
            for grant in grants.into_iter().flatten() {
                let policy = Policy::new(Mode::Strict, Vec::new(), Vec::new()).unwrap();
                let policy = policy.with_grants(vec![grant]).unwrap();
                let path = RequestPath::new(path).unwrap();
                let asked = Asked { method, path: &path };
                let host = host.parse().unwrap();
                assert!(policy.grant_of(&host).is_some(), "{name}");
                assert!(policy.grant_for(&host, Port::TLS, &asked).is_none(), "{name}: {method} {path:?}");
            }
        }
        // What agents do with them is granted.
        for (name, host, method, path) in [
            ("claude", "api.anthropic.com", "POST", "/v1/messages"),
            ("anthropic", "api.anthropic.com", "POST", "/v1/messages/count_tokens"),
            ("openai", "api.openai.com", "POST", "/v1/responses"),
            ("gemini", "generativelanguage.googleapis.com", "POST", "/v1beta/models/gemini-pro:streamGenerateContent"),
            ("npm", "a.npmjs.org", "GET", "/@scope%2fname"),
        ] {
            let grant = find(name).unwrap().grant(&options(&[], false)).unwrap();
            let policy = Policy::new(Mode::Strict, Vec::new(), Vec::new()).unwrap().with_grants(vec![grant]).unwrap();
            let path = RequestPath::new(path).unwrap();
            let asked = Asked { method, path: &path };
            assert!(policy.grant_for(&host.parse().unwrap(), Port::TLS, &asked).is_some(), "{name}: {path:?}");
        }
    }

    #[test]
    fn each_error_has_a_remedy() {
        let of = |name: &str, repos: &[&str], write| find(name).and_then(|it| it.grant(&options(repos, write)));
        for (made, hint) in [
            (of("githup", &[], false), "did you mean `github`?"),
            (of("jira", &[], false), "`anthropic`, "),
            (of("aws", &[], false), "under `secrets`"),
            (of("ssh:git.example", &[], false), "over HTTPS"),
            (of("oauth:wiki", &[], false), "host: HOST"),
            (of("openai", &["me/x"], false), "remove the option"),
            (of("openai", &[], true), "remove the option"),
        ] {
            let error = made.unwrap_err();
            assert!(error.hint().contains(hint), "{error}: {}", error.hint());
        }
        for text in ["me", "me/", "/x", "me/x.git", "me/x/y", "../x", "me/..", "me/*", "me/x?y"] {
            assert!(text.parse::<Repository>().is_err(), "{text}");
        }
    }
}
