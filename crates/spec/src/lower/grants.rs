//! Lowers the grants, and adds them to the policy of the network.

use std::collections::BTreeMap;

use moat_policy::{GrantName, GrantOptions, InvalidGrant, InvalidPolicy, Policy};

use super::Lowering;
use crate::diagnostic::quoted;
use crate::grants::{self, CustomGrant, Granted, SpecGrant};
use crate::one_of::OneOf;
use crate::raw::Grant as Written;
use crate::secrets;
use crate::shape::Fault;

/// The keys that only a grant of a provider has.
const OF_A_PROVIDER: [&str; 2] = ["repos", "write"];

/// The keys that only a grant of the user's own has.
const OF_A_HOST: [&str; 4] = ["header", "format", "placeholder", "requests"];

impl Lowering<'_> {
    /// The grants of a spec. The policy of the network gets them, if it is valid.
    pub fn grants(
        &mut self,
        written: Vec<OneOf<BTreeMap<String, Written>>>,
        has_policy: bool,
        policy: &mut Option<Policy>,
    ) -> Vec<SpecGrant> {
        if written.is_empty() {
            return Vec::new();
        }
        let mut all = Vec::new();
        let mut places: Vec<(GrantName, String)> = Vec::new();
        for (index, item) in written.into_iter().enumerate() {
            let at = format!("grants.{index}");
            let (name, options, at) = match item {
                OneOf::Text(name) => (name, Written::default(), at),
                OneOf::Parts(parts) => {
                    let mut parts = parts.into_iter();
                    let (Some((name, options)), None) = (parts.next(), parts.next()) else {
                        let hint = "write each grant as an item of its own, starting with `- `";
                        self.fault(&at, Fault::new("a grant must be one name with its options", hint));
                        continue;
                    };
                    let at = format!("{at}.{name}");
                    (name, options, at)
                }
            };
            let Some(grant) = self.grant(&name, options, &at) else { continue };
            if let Some((_, first)) = places.iter().find(|(known, _)| *known == grant.grant.name) {
                let hint = format!("it is already {}; keep one of them", self.line_of(first));
                self.fault(&at, Fault::new(format!("the grant {} is listed twice", quoted(&name)), hint));
                continue;
            }
            places.push((grant.grant.name.clone(), at));
            all.push(grant);
        }
        if !has_policy {
            let hint = "write `policy: learn` or `policy: strict` under `network`: the credential is in the gateway of the network";
            self.fault_at_key("grants", Fault::new("`grants` has no effect without a network policy", hint));
        }
        if let Some(known) = policy.take() {
            match known.clone().with_grants(all.iter().map(|it| it.grant.clone()).collect()) {
                Ok(with) => *policy = Some(with),
                Err(error) => {
                    *policy = Some(known);
                    self.conflicting(&error, &places);
                }
            }
        }
        all
    }

    fn grant(&mut self, name: &str, written: Written, at: &str) -> Option<SpecGrant> {
        let source = written.source.clone();
        let granted = if written.host.is_some() {
            self.own_grant(name, written, at)?
        } else {
            self.provided_grant(name, &written, at)
        };
        let Granted { grant, source: usual, variables, needs } = match granted {
            Ok(granted) => granted,
            Err(error) => {
                self.fault(at, grants::fault(&error));
                return None;
            }
        };
        let source_at = format!("{at}.source");
        let Some(text) = source.or(usual) else {
            let fault = Fault::new(format!("the grant {} has no source", quoted(name)), "add `source: env://NAME`");
            self.fault(at, fault);
            return None;
        };
        let parsed = secrets::source(&text, |path| self.secret_path(&source_at, path));
        Some(SpecGrant { grant, source: self.read(&source_at, parsed)?, place: at.to_owned(), variables, needs })
    }

    /// A grant to a host of the user's own.
    fn own_grant(&mut self, name: &str, written: Written, at: &str) -> Option<Result<Granted, InvalidGrant>> {
        if moat_policy::grant::names().any(|known| known == name) {
            let message = format!("the grant {} has hosts already", quoted(name));
            self.fault(&format!("{at}.host"), Fault::new(message, "choose another name for your own grant"));
            return None;
        }
        for key in OF_A_PROVIDER {
            let hint = "name what is granted under `requests`";
            self.without(at, key, format!("{} cannot be used with `host`", quoted(key)), hint);
        }
        let custom = CustomGrant {
            host: written.host.unwrap_or_default(),
            header: written.header.unwrap_or_else(|| "authorization".to_owned()),
            format: written.format.unwrap_or_else(|| "Bearer {value}".to_owned()),
            placeholder: written.placeholder,
            requests: written.requests.unwrap_or_else(|| vec!["* /**".to_owned()]),
        };
        Some(grants::custom(name, custom))
    }

    fn provided_grant(&mut self, name: &str, written: &Written, at: &str) -> Result<Granted, InvalidGrant> {
        for key in OF_A_HOST {
            let hint = "add `host` for a grant of your own";
            self.without(at, key, format!("{} cannot be used without `host`", quoted(key)), hint);
        }
        // The language has checked them.
        let repos = written.repos.iter().filter_map(|repo| repo.parse().ok()).collect();
        grants::provided(name, &GrantOptions { repos, write: written.write })
    }

    /// Reports a key that does not belong to this kind of grant.
    fn without(&mut self, at: &str, key: &str, message: String, hint: &str) {
        let key_at = format!("{at}.{key}");
        if self.places.has(&key_at) {
            self.fault(&key_at, Fault::new(message, hint));
        }
    }

    fn conflicting(&mut self, error: &InvalidPolicy, places: &[(GrantName, String)]) {
        let InvalidPolicy::TwoGrants { first, second, .. } = error else { return };
        // In the order of the file: the later one is reported.
        let mut both = places.iter().filter(|(name, _)| name == first || name == second).map(|(_, at)| at);
        let (Some(earlier), Some(later)) = (both.next(), both.next()) else { return };
        let hint = format!("the other one is {}; keep one of them", self.line_of(earlier));
        self.fault(later, Fault::new(error.to_string(), hint));
    }
}
