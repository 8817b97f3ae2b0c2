//! The Docker engine that does the builds: dockerd with its images in containerd, as BuildKit has them.
//!
//! Set up to be ready in a fifth of a second, since the real buildkitd is: containerd is started here (dockerd would ask
//! a second later whether its own one has come up), and one rule for outgoing packets takes the place of some sixty.
//! In a user namespace it has a network of its own, through slirp4netns.

use crate::config::Config;
use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A folder that the users of both images can write.
const STATE: &str = "/tmp/lab-buildkit";
pub const SOCKET: &str = "/tmp/lab-buildkit/docker.sock";
/// The engine's bridge, for RUN steps: a network that no test uses.
pub const GATEWAY: &str = "10.213.212.1";
/// How often to look whether a socket answers.
pub const POLL: Duration = Duration::from_millis(10);

const CONTAINERD: &str = "/tmp/lab-buildkit/containerd.sock";

pub struct Engine {
    containerd: Child,
    dockerd: Child,
    _network: Option<Network>,
}

impl Engine {
    pub async fn start(config: &Config) -> Result<Self, Box<dyn Error>> {
        let _ = fs::remove_dir_all(STATE); // sockets and pid files of an earlier start in this container
        fs::create_dir_all(STATE)?;
        let network = if rootless() { Some(Network::start().await?) } else { None };
        let cgroups = if network.is_none() { delegate_cgroups() } else { Ok(()) };
        let is_apart = network.is_some() || is_mapped() && (!has_cgroup2() || cgroups.is_err());
        if !is_apart {
            cgroups?;
        }
        let inside = |program: &str| network.as_ref().map_or_else(|| Command::new(program), |it| it.command(program));
        let containerd = start_containerd(inside("containerd"), &config.root)?;
        let forward = ["-t", "nat", "-I", "POSTROUTING", "-s", "10.213.212.0/24", "-j", "MASQUERADE"];
        inside("iptables").args(forward).status().await?;
        while UnixStream::connect(CONTAINERD).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
        let dockerd = start_dockerd(inside("dockerd"), config, is_apart)?;
        Ok(Self { containerd, dockerd, _network: network })
    }

    /// Returns only when one of the two is gone, and says which.
    pub async fn ended(&mut self) -> String {
        tokio::select! {
            status = self.containerd.wait() => format!("containerd ended: {status:?}"),
            status = self.dockerd.wait() => format!("dockerd ended: {status:?}"),
        }
    }

    pub async fn stop(&mut self) -> std::io::Result<()> {
        terminate(&mut self.dockerd).await?;
        terminate(&mut self.containerd).await
    }
}

/// Succeeds when the engine has set up its network and serves: its socket is there long before.
pub async fn ping() -> std::io::Result<()> {
    let mut engine = UnixStream::connect(SOCKET).await?;
    engine.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await?;
    engine.read_u8().await.map(drop)
}

/// cgroup v2 gives controllers only to children of a group without processes, so ours move one down first.
fn delegate_cgroups() -> std::io::Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    let Ok(controllers) = fs::read_to_string(root.join("cgroup.controllers")) else { return Ok(()) };
    fs::create_dir_all(root.join("init"))?;
    for pid in fs::read_to_string(root.join("cgroup.procs"))?.lines() {
        let _ = fs::write(root.join("init/cgroup.procs"), pid); // it may have ended meanwhile
    }
    let wanted: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
    fs::write(root.join("cgroup.subtree_control"), wanted.join(" "))
}

fn start_containerd(mut command: Command, root: &Path) -> std::io::Result<Child> {
    let settings = format!(
        "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         root = \"{}\"\nstate = \"/tmp/lab-buildkit/containerd\"\n[grpc]\naddress = {CONTAINERD:?}\n",
        root.join("containerd").display(),
    );
    fs::write("/tmp/lab-buildkit/containerd.toml", settings)?;
    command.args(["--config", "/tmp/lab-buildkit/containerd.toml", "--log-level", "error"]).kill_on_drop(true).spawn()
}

/// `is_apart`: it must not write control groups.
fn start_dockerd(mut command: Command, config: &Config, is_apart: bool) -> Result<Child, Box<dyn Error>> {
    let mut settings: serde_json::Value = serde_json::from_slice(&fs::read("/etc/docker/daemon.json")?)?;
    settings["features"] = serde_json::json!({"containerd-snapshotter": true});
    settings["builder"] =
        serde_json::json!({"Entitlements": {"network-host": config.host_network, "security-insecure": false}});
    settings["dns"] = serde_json::json!([if rootless() { RESOLVER } else { GATEWAY }]);
    fs::write("/tmp/lab-buildkit/daemon.json", settings.to_string())?;
    if is_apart {
        command.arg("--rootless");
    }
    Ok(command
        .args(["--config-file", "/tmp/lab-buildkit/daemon.json", "--pidfile", "/tmp/lab-buildkit/pid"])
        .args(["--host", &format!("unix://{SOCKET}"), "--exec-root", "/tmp/lab-buildkit/exec"])
        .args(["--containerd", CONTAINERD, "--iptables=false", "--log-level", "warn"])
        .args(["--bip", &format!("{GATEWAY}/24"), "--data-root"])
        .arg(config.root.join("engine"))
        .kill_on_drop(true)
        .spawn()?)
}

/// Whether rootlesskit has started this in a user namespace. An engine that runs in one itself is no reason.
pub fn rootless() -> bool {
    std::env::var_os("ROOTLESSKIT_STATE_DIR").is_some()
}

/// Whether the engine outside maps users.
fn is_mapped() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !map.trim_end().ends_with("4294967295"))
}

fn has_cgroup2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The resolver of slirp4netns, which passes names on to that of the container.
const RESOLVER: &str = "10.0.2.3";

/// A network for the engine, where it may make its bridge: that of the container belongs to the real root. The real
/// buildkitd needs none, since its RUN steps share the container's.
struct Network {
    holder: Child,
    _uplink: Child,
}

impl Network {
    async fn start() -> std::io::Result<Self> {
        let resolver = format!("{STATE}/resolv.conf");
        fs::write(&resolver, format!("nameserver {RESOLVER}\n"))?;
        let script = format!(
            "mount -t tmpfs run /run && mount --bind {resolver} /etc/resolv.conf && : >{STATE}/network && exec sleep infinity"
        );
        let holder =
            Command::new("unshare").args(["--net", "--mount", "sh", "-c", &script]).kill_on_drop(true).spawn()?;
        while !Path::new(STATE).join("network").exists() {
            tokio::time::sleep(POLL).await;
        }
        let mut uplink = Command::new("slirp4netns");
        uplink.args(["--configure", "--mtu=1500", "--disable-host-loopback", "--ready-fd=1", &pid(&holder), "tap0"]);
        let mut uplink = uplink.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        if let Some(ready) = &mut uplink.stdout {
            ready.read_u8().await?;
        }
        Ok(Self { holder, _uplink: uplink })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid(&self.holder), "--net", "--mount", "--", program]);
        command
    }
}

fn pid(child: &Child) -> String {
    child.id().map(|pid| pid.to_string()).unwrap_or_default()
}

async fn terminate(child: &mut Child) -> std::io::Result<()> {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)) {
        kill_process(pid, Signal::TERM)?;
    }
    child.wait().await.map(drop)
}
