//! Whether a host can be reached.

use serde::Serialize;

use crate::ui::encode;
use moat_model::resource::Run;
use moat_policy::{HOST, HostName, Mode, Policy, Port, Rule, Verdict};
use moat_spec::suggest;

/// What the network of a sandbox can reach.
#[derive(Debug)]
pub enum Reach {
    Everything,
    /// Only the sandbox's own containers.
    Nothing,
    Policy(Policy),
}

/// The answer for a host and port.
#[derive(Debug)]
pub struct Checked<'a> {
    pub run: &'a Run,
    pub name: &'a HostName,
    pub port: Port,
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
enum Outcome {
    /// There is no policy.
    Open,
    /// A container of the sandbox.
    Own,
    Allow {
        rule: String,
    },
    Learn,
    /// Only some requests, by the sandbox's proxy.
    Requests {
        requests: Vec<String>,
    },
    Deny {
        why: String,
        /// The rule that would allow it.
        rule: Option<String>,
    },
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    run: &'a str,
    agent: &'a str,
    name: &'a HostName,
    port: Port,
    passes: bool,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl<'a> Checked<'a> {
    /// `own`: the names of the sandbox's containers.
    pub fn of(run: &'a Run, reach: &Reach, own: &[String], name: &'a HostName, port: Port) -> Self {
        let is_own = own.iter().any(|it| it == name.as_str());
        let outcome = match reach {
            _ if is_own => Outcome::Own,
            Reach::Everything => Outcome::Open,
            Reach::Nothing => Outcome::Deny { why: "the network is internal".to_owned(), rule: None },
            Reach::Policy(policy) => decide(policy, name, port),
        };
        Self { run, name, port, outcome }
    }

    pub fn passes(&self) -> bool {
        !matches!(self.outcome, Outcome::Deny { .. })
    }

    /// One line.
    pub fn text(&self) -> String {
        let target = format!("{}:{}", self.name, self.port);
        match &self.outcome {
            Outcome::Open => format!("{target} passes: the network of {} has no policy\n", self.run.agent),
            Outcome::Own => format!("{target} passes: a container of the sandbox\n"),
            Outcome::Allow { rule } => format!("{target} passes by `{rule}`\n"),
            Outcome::Learn => format!("{target} passes and is recorded (policy: {})\n", Mode::Learn),
            Outcome::Requests { requests } => {
                format!("{target} passes for some requests, by the sandbox's proxy only: {}\n", requests.join(", "))
            }
            Outcome::Deny { why, rule: None } => format!("{target} is denied: {why}\n"),
            Outcome::Deny { why, rule: Some(rule) } => format!("{target} is denied: {why}; `{rule}` would allow it\n"),
        }
    }

    /// Ends with a line feed.
    pub fn json(&self) -> String {
        let (run, agent) = (self.run.id.as_str(), self.run.agent.as_str());
        let (name, port, passes, outcome) = (self.name, self.port, self.passes(), &self.outcome);
        encode::json(&Document { run, agent, name, port, passes, outcome })
    }
}

fn decide(policy: &Policy, name: &HostName, port: Port) -> Outcome {
    let deny = |why: &str, rule: Option<String>| Outcome::Deny { why: why.to_owned(), rule };
    if policy.is_limited(name, port) {
        let requests = policy.requests_to(name, port);
        let passes = requests.iter().any(|it| it.starts_with("allow "));
        return if passes { Outcome::Requests { requests } } else { deny("its rules allow no request", None) };
    }
    match policy.decide(name, port) {
        Verdict::Allowed(grant) => return Outcome::Allow { rule: grant.rule.to_owned() },
        Verdict::Learned => return Outcome::Learn,
        Verdict::Denied => {}
    }
    if name.is_reserved() {
        return deny("the name is moat's own", None);
    }
    if name.as_str() == HOST {
        return deny("`network.host` does not have this port", Some(format!("host: [{port}]")));
    }
    if name.is_single_label() {
        return deny("no container of the sandbox has this name", None);
    }
    if port == Port::DNS {
        return deny("names are resolved by the gateway", None);
    }
    if let Some(owner) = policy.named_ports().get(&port).filter(|owner| *owner != name) {
        return deny(&format!("port {port} belongs to `{owner}`"), None);
    }
    let hosts = policy.entries().iter().flat_map(|entry| &entry.hosts);
    let known: Vec<HostName> = hosts.filter_map(|host| host.hosts.single_name()).filter(|it| it != name).collect();
    let why = match suggest(name.as_str(), known.iter().map(HostName::as_str)) {
        Some(meant) => format!("no rule allows it (did you mean `{meant}`?)"),
        None => "no rule allows it".to_owned(),
    };
    deny(&why, Some(Rule::for_host(name, port).to_string()))
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use std::path::Path;

    use expect_test::expect;

    use super::*;
    use moat_model::resource::AgentName;

    #[test]
    fn each_decision_has_its_reason() {
        let run = Run::derive(AgentName::parse("builder").unwrap(), Path::new("/a"));
        let policy = |mode, rules: &[&str], ports: &[u16]| {
            let rules = rules.iter().map(|rule| (&rule.parse::<Rule>().unwrap()).into()).collect();
            let ports = ports.iter().filter_map(|port| Port::new(*port)).collect();
            Reach::Policy(Policy::new(mode, rules, ports).unwrap())
        };
        let limited = |requests: &str| {
            let (rule, hosts) = (format!("api.example.com: {requests}"), vec!["api.example.com".parse().unwrap()]);
            let requests = Rule::requests_of(&rule).unwrap();
            let entry = moat_policy::Entry { rule, hosts, requests };
            Reach::Policy(Policy::new(Mode::Strict, vec![entry], Vec::new()).unwrap())
        };
        let strict = policy(Mode::Strict, &["@npm", "api.example.com", "git.example.com:22"], &[8080]);
        let table = [
            (&Reach::Everything, "a.example", 22),
            (&Reach::Nothing, "a.example", 443),
            (&Reach::Nothing, "postgres", 5432),
            (&policy(Mode::Learn, &[], &[]), "a.example", 443),
            (&policy(Mode::Learn, &[], &[]), "a.example", 5432),
            (&strict, "a.npmjs.org", 443),
            (&strict, "postgres", 5432),
            (&strict, "redis", 6379),
            (&strict, "npmjs.org", 22),
            (&strict, "git.example.com", 22),
            (&strict, "ap.example.com", 443),
            (&strict, "evil.test", 443),
            (&strict, "a.pypi.org", 443),
            (&strict, "evil.test", 53),
            (&strict, "host.docker.internal", 8080),
            (&strict, "host.docker.internal", 80),
            (&strict, "denied.moat.internal", 80),
            (&limited("allow GET /x/**, deny * /**"), "api.example.com", 443),
            (&limited("deny * /**"), "api.example.com", 443),
        ];
        let mut text = String::new();
        for (reach, name, port) in table {
            let (name, port) = (name.parse().unwrap(), Port::new(port).unwrap());
            let checked = Checked::of(&run, reach, &["postgres".to_owned()], &name, port);
            text.push_str(&checked.text());
            assert_eq!(checked.passes(), text.lines().last().is_some_and(|line| line.contains(" passes")));
        }
        expect![[r#"
            a.example:22 passes: the network of builder has no policy
            a.example:443 is denied: the network is internal
            postgres:5432 passes: a container of the sandbox
            a.example:443 passes and is recorded (policy: learn)
            a.example:5432 is denied: no rule allows it; `a.example:5432` would allow it
            a.npmjs.org:443 passes by `@npm`
            postgres:5432 passes: a container of the sandbox
            redis:6379 is denied: no container of the sandbox has this name
            npmjs.org:22 is denied: port 22 belongs to `git.example.com`
            git.example.com:22 passes by `git.example.com:22`
            ap.example.com:443 is denied: no rule allows it (did you mean `api.example.com`?); `ap.example.com` would allow it
            evil.test:443 is denied: no rule allows it; `evil.test` would allow it
            a.pypi.org:443 is denied: no rule allows it; `@pypi` would allow it
            evil.test:53 is denied: names are resolved by the gateway
            host.docker.internal:8080 passes by `network.host`
            host.docker.internal:80 is denied: `network.host` does not have this port; `host: [80]` would allow it
            denied.moat.internal:80 is denied: the name is moat's own
            api.example.com:443 passes for some requests, by the sandbox's proxy only: allow GET /x/**, deny * /**
            api.example.com:443 is denied: its rules allow no request
        "#]].assert_eq(&text);
    }
}
