//! `moat doctor`: checks whether the engine and this host can run a sandbox, and suggests fixes.
//!
//! Read-only: only an apply proves that a privileged container starts.

mod engine;
mod isolation;
mod local;
mod network;
mod sandbox;

pub(in crate::cli) use network::lets_root_reach_the_host;

use clap::Args;
use ipnet::Ipv4Net;

use crate::cli::args::subnets::Addresses;
use crate::cli::default_spec;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::ui::render::doctor::{self, Check, Verdict};
use moat_docker::Docker;
use moat_model::engine::{Engine, Filter};

/// Check Docker and this host, and suggest fixes
#[derive(Debug, Args)]
pub struct Doctor {
    /// Also check this sandbox: agent name, run id, or spec
    #[arg(value_name = "AGENT")]
    agent: Option<String>,
    #[command(flatten)]
    addresses: Addresses,
    /// Print a JSON document
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub async fn run(args: &Doctor, session: &Session) -> Result<Exit, CliError> {
    if args.agent.is_none() {
        default_spec::announce(session);
    }
    let checks = match session.connect().await {
        Ok(docker) => examined(args, &docker).await?,
        Err(error) => {
            let hint = error.shown(|problems| problems.first().and_then(|it| it.hint).unwrap_or_default().to_owned());
            vec![Check::bad("engine", error.to_string(), &hint)]
        }
    };
    let text = if args.json { doctor::json(&checks) } else { doctor::text(&checks, session.screen.data_colour()) };
    session.answer(&text)?;
    Ok(if checks.iter().any(|check| check.verdict == Verdict::Bad) { Exit::Failed } else { Exit::Done })
}

async fn examined(args: &Doctor, docker: &Docker) -> Result<Vec<Check>, CliError> {
    let located = docker.located();
    let (info, version) = (docker.info().await?, docker.version().await?);
    let networks: Vec<Ipv4Net> =
        docker.networks(&Filter::All).await?.into_iter().flat_map(|facts| facts.subnets).collect();
    let (options, host) = (args.addresses.options(docker), local::host(docker));
    let api = docker.api_version().to_string();
    let files = isolation::HostFiles::read(docker, &info);
    let mut checks = vec![
        Check::good("engine", format!("{} ({})", located.endpoint, located.origin)),
        engine::version(&info, &version, &api),
        engine::privileged(&info),
        isolation::kernel(&info),
        isolation::namespaces(&info, &files),
        isolation::ranges(&info, &files),
        isolation::delegation(&info, &files),
        engine::cgroup(&info),
        engine::limits(&info),
        engine::storage(&info),
        engine::logging(&info),
        network::ports(&info, &version),
        network::forwarding(&info, &version, &host),
        network::names(&info, &version, &host),
        network::policy(&info, &version),
        network::addresses(options.range, &networks, &options.avoid),
        network::inner(&options.avoid),
        local::credentials(docker),
        local::disk(&info, docker),
        local::clock(&info),
    ];
    checks.extend(sandbox::checks(args.agent.as_ref(), docker).await?);
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::network::Host;
    use super::*;
    use moat_docker::{Info, Version};

    /// The relevant parts of `GET /info` and `GET /version` of an engine.
    fn engine(info: &str, version: &str) -> (Info, Version) {
        (serde_json::from_str(info).expect("an answer"), serde_json::from_str(version).expect("an answer"))
    }

    const DOCKER_20: (&str, &str) = (
        r#"{"ServerVersion":"20.10.24+dfsg1","Driver":"overlay2","CgroupVersion":"1","MemoryLimit":true,"PidsLimit":true,
            "CpuCfsQuota":true,"LoggingDriver":"json-file","OSType":"linux","IPv4Forwarding":true,
            "OperatingSystem":"Debian GNU/Linux 12 (bookworm)","SecurityOptions":["name=seccomp,profile=default"]}"#,
        r#"{"Version":"20.10.24+dfsg1","Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"}]}"#,
    );
    const DOCKER_28: (&str, &str) = (
        r#"{"ServerVersion":"28.5.2+dfsg4","Driver":"overlayfs","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,
            "CpuCfsQuota":true,"LoggingDriver":"local","OSType":"linux","IPv4Forwarding":true,
            "OperatingSystem":"Debian GNU/Linux forky/sid","SecurityOptions":["name=seccomp,profile=builtin","name=cgroupns"]}"#,
        r#"{"Version":"28.5.2+dfsg4","Components":[{"Name":"Engine","Version":"28.5.2+dfsg4"}]}"#,
    );
    const ROOTLESS_V2: (&str, &str) = (
        r#"{"ServerVersion":"28.5.2","Driver":"overlay2","CgroupVersion":"2","CgroupDriver":"systemd","MemoryLimit":true,
            "PidsLimit":true,"CpuCfsQuota":false,"LoggingDriver":"json-file","OSType":"linux","IPv4Forwarding":true,
            "SecurityOptions":["name=seccomp,profile=builtin","name=rootless","name=cgroupns"]}"#,
        r#"{"Version":"28.5.2","Components":[{"Name":"Engine","Version":"28.5.2"},{"Name":"rootlesskit","Version":"2.0.2"}]}"#,
    );
    const ROOTLESS_V1: (&str, &str) = (
        r#"{"ServerVersion":"26.1.5","Driver":"vfs","CgroupVersion":"1","CgroupDriver":"none","MemoryLimit":false,
            "PidsLimit":false,"CpuCfsQuota":false,"LoggingDriver":"none","OSType":"linux","IPv4Forwarding":true,
            "SecurityOptions":["name=seccomp,profile=builtin","name=rootless"]}"#,
        r#"{"Version":"26.1.5","Components":[{"Name":"Engine","Version":"26.1.5"}]}"#,
    );
    const USERNS: (&str, &str) = (
        r#"{"ServerVersion":"26.1.5","Driver":"overlay2","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,
            "CpuCfsQuota":true,"LoggingDriver":"syslog","OSType":"linux","IPv4Forwarding":false,
            "SecurityOptions":["name=seccomp,profile=builtin","name=userns"]}"#,
        r#"{"Version":"26.1.5","Components":[{"Name":"Engine","Version":"26.1.5"}]}"#,
    );
    const PODMAN: (&str, &str) = (
        r#"{"ServerVersion":"5.4.2","Driver":"overlay","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,
            "CpuCfsQuota":true,"LoggingDriver":"k8s-file","OSType":"linux","IPv4Forwarding":true,
            "SecurityOptions":["name=seccomp,profile=default","name=rootless"]}"#,
        r#"{"Version":"5.4.2","Components":[{"Name":"Podman Engine","Version":"5.4.2"},{"Name":"Conmon","Version":"2.1.12"}]}"#,
    );

    const PODMAN_4: (&str, &str) = (
        r#"{"ServerVersion":"4.3.1","Driver":"overlay","CgroupVersion":"1","MemoryLimit":true,"PidsLimit":true,
            "CpuCfsQuota":true,"LoggingDriver":"journald","OSType":"linux","IPv4Forwarding":true,
            "SecurityOptions":["name=seccomp,profile=default"]}"#,
        r#"{"Version":"4.3.1","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}"#,
    );

    fn verdicts(answers: (&str, &str), host: &Host) -> Vec<(&'static str, &'static str)> {
        let (info, version) = engine(answers.0, answers.1);
        let checks = [
            engine::version(&info, &version, "1.41"),
            engine::privileged(&info),
            engine::cgroup(&info),
            engine::limits(&info),
            engine::storage(&info),
            engine::logging(&info),
            network::ports(&info, &version),
            network::forwarding(&info, &version, host),
            network::names(&info, &version, host),
            network::policy(&info, &version),
        ];
        let word = |check: Check| {
            // Every problem has a hint.
            let must_advise = matches!(check.verdict, Verdict::Care | Verdict::Bad);
            assert_eq!(check.hint.is_some(), must_advise, "{check:?}");
            let word = match check.verdict {
                Verdict::Good => "good",
                Verdict::Care => "care",
                Verdict::Bad => "bad",
                Verdict::Unknown => "?",
            };
            (check.check, word)
        };
        checks.map(word).to_vec()
    }

    const NAMES: [&str; 10] =
        ["version", "privileged", "cgroup", "limits", "storage", "logs", "ports", "forwarding", "names", "policy"];

    #[test]
    fn engine_properties_are_checked() {
        let unknown = Host::default();
        let open = Host { forward_policy: Some("ACCEPT".to_owned()), resolver_is_local: Some(true) };
        let closed = Host { forward_policy: Some("DROP".to_owned()), resolver_is_local: Some(false) };
        let table: [(_, &Host, [&str; 10]); 10] = [
            (DOCKER_20, &unknown, ["care", "good", "care", "good", "good", "good", "care", "?", "care", "care"]),
            (DOCKER_20, &open, ["care", "good", "care", "good", "good", "good", "care", "care", "care", "care"]),
            (DOCKER_20, &closed, ["care", "good", "care", "good", "good", "good", "care", "good", "good", "care"]),
            (DOCKER_28, &open, ["good", "good", "good", "good", "good", "good", "good", "good", "good", "care"]),
            (DOCKER_28, &unknown, ["good", "good", "good", "good", "good", "good", "good", "good", "good", "care"]),
            (ROOTLESS_V2, &open, ["good", "good", "good", "care", "good", "good", "good", "good", "good", "good"]),
            (ROOTLESS_V1, &open, ["good", "bad", "care", "care", "care", "care", "good", "good", "good", "good"]),
            (USERNS, &open, ["good", "care", "good", "good", "good", "good", "care", "care", "good", "care"]),
            (PODMAN, &open, ["good", "good", "good", "good", "good", "good", "good", "good", "good", "care"]),
            (PODMAN_4, &open, ["care", "good", "care", "good", "good", "good", "good", "good", "good", "care"]),
        ];
        for (answers, host, expected) in table {
            let expected: Vec<_> = NAMES.into_iter().zip(expected).collect();
            assert_eq!(verdicts(answers, host), expected, "{} {host:?}", answers.1);
        }
    }

    #[test]
    fn hints_match_the_engine() {
        let advice = |answers: (&str, &str)| {
            let (info, version) = engine(answers.0, answers.1);
            let checks = [engine::version(&info, &version, "1.41"), engine::privileged(&info), engine::limits(&info)];
            checks.map(|check| format!("{} {}", check.found, check.hint.unwrap_or_default())).join("\n")
        };
        assert!(advice(ROOTLESS_V2).contains("root in a sandbox is not root on the Docker host"));
        assert!(advice(ROOTLESS_V2).contains("has no limits of cpus") && advice(ROOTLESS_V2).contains("Delegate="));
        assert!(advice(ROOTLESS_V1).contains("cgroup version 2"));
        assert!(advice(USERNS).contains("write `isolation: mapped` or `auto`"));
        for answers in [ROOTLESS_V1, ROOTLESS_V2, USERNS] {
            assert!(!advice(answers).contains("runs as root"), "no hint suggests more privileges");
        }
        assert!(advice(PODMAN).contains("Podman 5.4.2") && !advice(PODMAN).contains("23.0"));
    }

    #[test]
    fn versions_that_leak_names_are_detected() {
        for (version, is_fixed) in [
            ("20.10.24", false),
            ("23.0.10", false),
            ("23.0.11", true),
            ("24.0.9", false),
            ("25.0.4", false),
            ("25.0.5", true),
            ("26.0.0", true),
            ("29.7.2", true),
        ] {
            let info = Info { server_version: version.to_owned(), ..Info::default() };
            let check = network::names(&info, &Version::default(), &Host::default());
            assert_eq!(check.verdict == Verdict::Good, is_fixed, "{version}");
        }
    }

    #[test]
    fn engines_that_cannot_enforce_a_policy_are_reported() {
        for (version, part) in [
            ("25.0.4", "turn IPv6 on"),
            ("25.0.5", "possibly do not"),
            ("26.1.2", "possibly do not"),
            ("26.1.5", "turn IPv6 on"),
            ("27.5.1", "turn IPv6 on"),
            ("28.0.0", "turn IPv6 on"),
        ] {
            let info = Info { server_version: version.to_owned(), ..Info::default() };
            let check = network::policy(&info, &Version::default());
            assert!(check.found.contains(part), "{version}: {check:?}");
        }
        let (rootless, version) = engine(ROOTLESS_V2.0, ROOTLESS_V2.1);
        assert!(network::policy(&rootless, &version).found.contains("can enforce"));
    }

    #[test]
    fn conflicting_routes_are_reported() {
        let range = moat_model::resource::SubnetRange::default();
        let net = |text: &str| text.parse::<Ipv4Net>().expect("a range");
        let (vpn, lan, ours) = (net("10.83.0.0/16"), net("192.168.1.0/24"), net("10.83.4.0/28"));
        let table = [
            (vec![], vec![], Verdict::Good),
            (vec![], vec![lan], Verdict::Good),
            (vec![ours], vec![lan, ours], Verdict::Good),
            (vec![], vec![vpn], Verdict::Bad),
            (vec![], vec![net("10.0.0.0/8")], Verdict::Bad),
            (vec![ours], vec![ours, net("10.83.128.0/17")], Verdict::Care),
        ];
        for (networks, routes, expected) in table {
            let check = network::addresses(range, &networks, &routes);
            assert_eq!(check.verdict, expected, "{check:?}");
        }
        assert_eq!(network::inner(&[lan]).verdict, Verdict::Good);
        for route in ["10.199.0.0/24", "10.0.0.0/8", "10.199.130.0/24"] {
            assert_eq!(network::inner(&[net(route)]).verdict, Verdict::Care, "{route}");
        }
    }

    #[test]
    fn text_and_json_agree() {
        let (info, version) = engine(ROOTLESS_V1.0, ROOTLESS_V1.1);
        let checks = [engine::version(&info, &version, "1.45"), engine::privileged(&info), engine::logging(&info)];
        let document: serde_json::Value = serde_json::from_str(&doctor::json(&checks)).expect("JSON");
        let text = doctor::text(&checks, crate::ui::Colour::Never);
        for check in document["checks"].as_array().expect("a list") {
            for field in ["check", "found", "hint"] {
                let said = check[field].as_str().unwrap_or_default();
                assert!(text.contains(said), "{said}\n{text}");
            }
        }
        assert!(text.contains("bad   privileged  ") && text.contains("fix 1 problem"), "{text}");
    }

    #[test]
    fn versions_are_compared_by_number() {
        for (found, minimum, expected) in [
            ("26.1.5+dfsg1", "23.0", false),
            ("20.10.24", "23.0", true),
            ("2.20.0-rc1", "2.20", false),
            ("0.13.1", "0.14", true),
        ] {
            assert_eq!(engine::older(found, minimum), expected, "{found} {minimum}");
        }
    }
}
