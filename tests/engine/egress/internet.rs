//! An internet in the lab: a name server that notes every query, an HTTP server and a TLS server, on public addresses of
//! the engine's host.

use std::sync::OnceLock;

use testkit::engine::engine;
use testkit::run::until;

/// Where names are asked for. Documentation ranges (RFC 5737), which no real server has.
pub const RESOLVER: &str = "198.51.100.7";
/// Where the servers are.
pub const SERVERS: &str = "198.51.100.8";

const PROGRAM: &str = include_str!("internet.pl");

/// Names with the addresses that they lead to.
const NAMES: &str = "allowed.example=198.51.100.8,www.allowed.example=198.51.100.8,denied.example=198.51.100.8,\
                     drip.example=198.51.100.8,metadata.example=169.254.169.254,private.example=10.213.213.1,\
                     loopback.example=127.0.0.1,api.github.com=198.51.100.9,github.com=198.51.100.9,other.github.com=198.51.100.9,\
                     api.anthropic.com=198.51.100.10,api.openai.com=198.51.100.10,git.example=198.51.100.10,\
                     registry.example=198.51.100.11,files.example=198.51.100.12";

/// The name of the container with the servers.
const CONTAINER: &str = "moat-lab-internet";

/// Where the provider is, and its names in [`NAMES`].
const PROVIDER: &str = "198.51.100.9";
const PROVIDED: [&str; 2] = ["api.github.com", "github.com"];
const PROVIDER_CONTAINER: &str = "moat-lab-provider";

/// The HTTPS servers of a provider, started once for all tests.
pub fn provider() -> &'static Provider {
    static PROVIDER: OnceLock<Provider> = OnceLock::new();
    PROVIDER.get_or_init(Provider::start)
}

/// A provider of an API, with certificates of an authority that only it has.
pub struct Provider {
    /// The certificate of its authority, in PEM.
    pub root: String,
}

impl Provider {
    fn start() -> Self {
        internet();
        engine().try_docker(&["rm", "-fv", PROVIDER_CONTAINER]);
        let mut args = vec!["run", "-d", "--name", PROVIDER_CONTAINER, "--network", "host", "--cap-add", "NET_ADMIN"];
        args.extend(["--entrypoint", "sh", "docker:dind", "-c", include_str!("provider.sh"), "provider", PROVIDER]);
        args.extend(PROVIDED);
        engine().docker(&args);
        assert!(until(|| engine().docker(&["logs", PROVIDER_CONTAINER]).contains("ready")), "the provider is up");
        Self { root: engine().docker(&["exec", PROVIDER_CONTAINER, "cat", "/root.crt"]) }
    }

    /// The heads of the requests so far that contain a text.
    #[expect(clippy::unused_self, reason = "only a server that was started can be asked")]
    pub fn seen(&self, part: &str) -> Vec<String> {
        let log = engine().try_docker(&["logs", PROVIDER_CONTAINER]).stderr;
        log.lines().filter(|line| line.starts_with("request ") && line.contains(part)).map(str::to_owned).collect()
    }
}

/// Starts the internet, once for all tests.
pub fn internet() -> &'static Internet {
    static INTERNET: OnceLock<Internet> = OnceLock::new();
    INTERNET.get_or_init(Internet::start)
}

pub struct Internet {
    /// The SHA-256 fingerprint of the TLS server's certificate.
    pub fingerprint: String,
}

impl Internet {
    fn start() -> Self {
        engine().try_docker(&["rm", "-fv", CONTAINER]);
        let script = format!(
            "for address in {RESOLVER} {SERVERS}; do ip addr add $address/32 dev lo 2>/dev/null || true; done\n\
             openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=allowed.example -keyout /k -out /c 2>/dev/null\n\
             openssl s_server -accept {SERVERS}:443 -key /k -cert /c -www >/dev/null 2>&1 &\n\
             exec perl -e \"$PROGRAM\" {RESOLVER} {SERVERS} {NAMES}"
        );
        let program = format!("PROGRAM={PROGRAM}");
        let mut args = vec!["run", "-d", "--name", CONTAINER, "--network", "host", "--cap-add", "NET_ADMIN"];
        args.extend(["--entrypoint", "sh", "-e", &program, "docker:dind", "-c", &script]);
        engine().docker(&args);
        assert!(until(|| engine().docker(&["logs", CONTAINER]).contains("ready")), "the internet is up");
        let fingerprint =
            engine().docker(&["exec", CONTAINER, "sh", "-c", "openssl x509 -in /c -noout -fingerprint -sha256"]);
        Self { fingerprint }
    }

    /// Whether the name server was asked for a name, in any letter case.
    #[expect(clippy::unused_self, reason = "only a server that was started can be asked")]
    pub fn was_asked(&self, name: &str) -> bool {
        let asked = format!("query {name}");
        engine().docker(&["logs", CONTAINER]).lines().any(|line| line == asked)
    }
}
