//! A grant as it is in the JSON of a policy.

use serde::{Deserialize, Serialize};

use super::super::path::Case;
use super::{Grant, GrantName, GrantedHost, HeaderFormat, InvalidGrant};

/// A grant, without its value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRow {
    name: GrantName,
    placeholder: String,
    hosts: Vec<HostRow>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostRow {
    host: String,
    header: String,
    format: String,
    requests: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ignore_case: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    query: Vec<String>,
}

impl GrantRow {
    /// One line of JSON, as in a policy.
    ///
    /// # Panics
    /// Never: every string can be written as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings")
    }
}

impl From<&Grant> for GrantRow {
    fn from(grant: &Grant) -> Self {
        let hosts = grant.hosts.iter().map(|it| HostRow {
            host: it.host.to_string(),
            header: it.format.header().to_owned(),
            format: it.format.to_string(),
            requests: it.requests.iter().map(ToString::to_string).collect(),
            ignore_case: it.case == Case::Ignored,
            query: it.query.clone(),
        });
        Self { name: grant.name.clone(), placeholder: grant.placeholder.clone(), hosts: hosts.collect() }
    }
}

impl TryFrom<GrantRow> for Grant {
    type Error = InvalidGrant;

    fn try_from(row: GrantRow) -> Result<Self, InvalidGrant> {
        let host = |row: HostRow| {
            let requests = row.requests.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
            let case = if row.ignore_case { Case::Ignored } else { Case::Exact };
            GrantedHost::new(row.host.parse()?, requests, case, HeaderFormat::new(&row.header, &row.format)?, row.query)
        };
        Self::new(row.name, row.placeholder, row.hosts.into_iter().map(host).collect::<Result<_, _>>()?)
    }
}
