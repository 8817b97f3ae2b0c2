//! The keys of a grant.

use crate::rule;
use crate::shape::{Effect, Key, Shape};

/// A list of names, and of mappings from a name to options.
pub(super) const GRANTS: Shape = Shape::List {
    item: &Shape::Either(&[
        Shape::Text(rule::grant),
        Shape::Map { name: rule::grant_name, value: &Shape::Keys(GRANT) },
    ]),
    if_empty: None,
    unique: true,
};

const GRANT: &[Key] = &[
    Key::new("source", Shape::Text(rule::secret), Effect::Gateway)
        .default("the provider's: a variable or the login of its tool on this machine")
        .summary("where the value comes from, as under `secrets`")
        .example("env://TOKEN"),
    Key::new("repos", REPOSITORIES, Effect::Gateway)
        .default("all that the credential can reach")
        .summary("the repositories that are granted; only for `github`")
        .example("[me/app]"),
    Key::new("write", Shape::Bool, Effect::Gateway)
        .default("`false`")
        .summary("whether requests that change something are granted; only for `github` and `npm`")
        .example("true"),
    Key::new("host", Shape::Text(rule::network_rule), Effect::Gateway)
        .default("those of the provider")
        .summary("for a grant of your own: the host that gets the credential, over TLS")
        .example("api.example.com"),
    Key::new("header", Shape::Text(rule::argument), Effect::Gateway)
        .default("`authorization`")
        .summary("the header that contains the credential; only with `host`")
        .example("x-api-key"),
    Key::new("format", Shape::Text(rule::argument), Effect::Gateway)
        .default("`Bearer {value}`")
        .summary("the text of the header; after `Basic ` the rest is encoded in base64; only with `host`")
        .example("'{value}'"),
    Key::new("placeholder", Shape::Text(rule::argument), Effect::Gateway)
        .default("`moat-placeholder-NAME`")
        .summary("the text that programs in the sandbox have in place of the value; only with `host`")
        .example("sk-placeholder-0"),
    Key::new("requests", REQUESTS, Effect::Gateway)
        .default("`['* /**']`, all")
        .summary("the requests that are granted, each `METHOD PATH`; only with `host`")
        .example("['GET /v1/**']"),
];

const REPOSITORIES: Shape = Shape::List {
    item: &Shape::Text(rule::repository),
    if_empty: Some("name a repository, or remove the key to grant all"),
    unique: true,
};

const REQUESTS: Shape = Shape::List {
    item: &Shape::Text(rule::granted_request),
    if_empty: Some("name a request, or remove the key to grant all"),
    unique: true,
};
