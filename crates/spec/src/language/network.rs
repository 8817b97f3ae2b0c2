//! The keys of the network.

use crate::rule;
use crate::shape::{Effect, Key, Shape};

pub(super) const NETWORK: &[Key] = &[
    Key::new("subnet", Shape::Text(rule::subnet), Effect::Network)
        .default("a free one from moat's range")
        .summary("its address range")
        .example("10.99.0.0/24"),
    Key::new("internal", Shape::Bool, Effect::Network)
        .default("`false`")
        .summary("whether the network has no access to the outside; not with a `policy`")
        .example("true"),
    Key::new("policy", Shape::Choice(&["open", "learn", "strict", "permissive"]), Effect::Network)
        .default("`open`; with `grants`, `learn`")
        .summary(
            "what the network can reach: `open`, everything; `strict`, only what `rules` and `host` name, through a \
             gateway; `learn`, every public host on ports 80 and 443, and the gateway records it (`permissive` is the \
             same)",
        )
        .example("strict"),
    Key::new("rules", RULES, Effect::Gateway)
        .summary(
            "hosts that can be reached, on ports 80 and 443 unless a port is given: `HOST`, `*.DOMAIN` (one label), \
             `**.DOMAIN` (any number), `HOST:PORT`, `HOST in RANGE` (a host with private addresses), \
             `registry HOST` (pulls of images) or `@PRESET`; `HOST: [allow METHOD PATH, deny METHOD PATH]` limits the \
             requests, the first match decides",
        )
        .example("['@npm', 'api.example.com']")
        .also(&["allow"]),
    Key::new("host", HOST_PORTS, Effect::Gateway)
        .summary(
            "TCP ports of the Docker host that can be reached, at `host.docker.internal`; the first one replaces the \
             gateway",
        )
        .example("[8080]"),
    Key::new("roots", Shape::Text(rule::certificates), Effect::Gateway)
        .summary(
            "certificates of private authorities, in PEM, for servers of hosts with grants or rules for requests; \
             programs in the main container trust them, too; replaces the gateway",
        )
        .example("'-----BEGIN CERTIFICATE-----…'"),
    Key::new("gateway_image", Shape::Text(rule::image), Effect::Gateway)
        .default("made from moat's own program")
        .summary(
            "the image of the gateway, which contains moat's program; needed if this moat is not a Linux program for \
             the engine's architecture; replaces the gateway",
        )
        .example("registry.example.com/moat-helper:2"),
    Key::new("build", Shape::Choice(&["default", "none"]), Effect::Nothing)
        .default("`none` if `internal` or `policy: strict` is set and a Dockerfile or hooks run, otherwise `default`")
        .summary(
            "the network of build steps: `default`, that of the Docker host; `none`, no network; the engine fetches \
             images and the sources of `ADD` in either case",
        )
        .example("default"),
    Key::new("extra_hosts", Shape::Map { name: rule::host_name, value: &Shape::Text(rule::host) }, Effect::Replace)
        .summary("host names for the main container, each with an address, or `host-gateway` for the Docker host")
        .example("{db.test: 10.0.0.7}")
        .also(&["hosts", "add_host"]),
];

/// A list of hosts, and of mappings from a host to rules for requests.
const RULES: Shape = Shape::List {
    item: &Shape::Either(&[Shape::Text(rule::network_rule), Shape::Map { name: rule::limited_host, value: &REQUESTS }]),
    if_empty: None,
    unique: true,
};

const REQUESTS: Shape = Shape::List {
    item: &Shape::Text(rule::network_request),
    if_empty: Some("write the host alone to allow all requests"),
    unique: true,
};

const HOST_PORTS: Shape = Shape::List { item: &Shape::Scalar(rule::host_port), if_empty: None, unique: true };
