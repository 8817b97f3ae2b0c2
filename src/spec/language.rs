//! The language of `agent.yaml`: every key, what it may hold, and what it means.
//!
//! A new key is a line here, a field in [`agent`](super::agent), and a row in `specs/agent.md`, which a test
//! holds against this table.

use super::rule;
use super::shape::{Key, Shape};

/// `agent.yaml`.
pub static AGENT: Shape = Shape::Keys(&[
    Key {
        name: "agent",
        shape: Shape::Text(rule::agent_name),
        required: Some("agent: builder"),
        default: "required",
        summary: "the agent's name; with the path of the file it says which sandbox is meant",
        also: &["name"],
    },
    Key {
        name: "image",
        shape: Shape::Text(rule::image),
        required: None,
        default: "what the dependencies bring",
        summary: "the image of the main container",
        also: &["base_image", "from"],
    },
    Key {
        name: "dependencies",
        shape: Shape::List { item: &Shape::Text(rule::dependency), if_empty: None, unique: true },
        required: None,
        default: "none",
        summary: "what the sandbox needs beyond its image: `docker:dind` gives it a Docker of its own",
        also: &["depends_on", "requires", "needs", "deps"],
    },
    Key {
        name: "command",
        shape: COMMAND,
        required: None,
        default: "none: the sandbox stays up, idle",
        summary: "what the main container runs: a shell's command line, or a program with its arguments",
        also: &["cmd", "run"],
    },
    Key {
        name: "env",
        shape: Shape::Map { name: rule::variable, value: &Shape::Scalar(rule::argument) },
        required: None,
        default: "none",
        summary: "environment variables of the main container; values are taken exactly as written",
        also: &["environment", "variables"],
    },
    Key {
        name: "buildkit",
        shape: Shape::Keys(BUILDKIT),
        required: None,
        default: "as `docker:dind` has it",
        summary: "the sidecar that builds images",
        also: &["builder"],
    },
]);

const COMMAND: Shape = Shape::Either(&[
    Shape::Text(rule::argument),
    Shape::List {
        item: &Shape::Scalar(rule::argument),
        if_empty: Some("write a program, or remove the key to keep the sandbox up, idle"),
        unique: false,
    },
]);

const BUILDKIT: &[Key] = &[
    Key {
        name: "image",
        shape: Shape::Text(rule::image),
        required: None,
        default: "a BuildKit of a version that this moat was tested with",
        summary: "the image of the sidecar",
        also: &[],
    },
    Key {
        name: "cache",
        shape: Shape::Choice(&["keep", "discard"]),
        required: None,
        default: "`keep`",
        summary: "whether `moat destroy` keeps the build cache",
        also: &[],
    },
];
