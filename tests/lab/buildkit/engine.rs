//! The Docker engine that does the builds: dockerd with its images in containerd, as BuildKit has them.
//!
//! Set up to be ready in a fifth of a second, since the real buildkitd is: containerd is started here (dockerd would ask
//! a second later whether its own one has come up), and one rule for outgoing packets takes the place of some sixty.

use crate::config::Config;
use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

pub const SOCKET: &str = "/run/lab-buildkit/docker.sock";
/// The engine's bridge, for RUN steps: a network that no test uses.
pub const GATEWAY: &str = "10.213.212.1";
/// How often to look whether a socket answers.
pub const POLL: Duration = Duration::from_millis(10);

const CONTAINERD: &str = "/run/lab-buildkit/containerd.sock";

pub struct Engine {
    containerd: Child,
    dockerd: Child,
}

impl Engine {
    pub async fn start(config: &Config) -> Result<Self, Box<dyn Error>> {
        delegate_cgroups()?;
        let _ = fs::remove_dir_all("/run/lab-buildkit"); // sockets and pid files of an earlier start in this container
        fs::create_dir_all("/run/lab-buildkit")?;
        let containerd = start_containerd(&config.root)?;
        let forward = ["-t", "nat", "-I", "POSTROUTING", "-s", "10.213.212.0/24", "-j", "MASQUERADE"];
        Command::new("iptables").args(forward).status().await?;
        while UnixStream::connect(CONTAINERD).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { containerd, dockerd: start_dockerd(config)? })
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

fn start_containerd(root: &Path) -> std::io::Result<Child> {
    let settings = format!(
        "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         root = \"{}\"\nstate = \"/run/lab-buildkit/containerd\"\n[grpc]\naddress = {CONTAINERD:?}\n",
        root.join("containerd").display(),
    );
    fs::write("/run/lab-buildkit/containerd.toml", settings)?;
    Command::new("containerd")
        .args(["--config", "/run/lab-buildkit/containerd.toml", "--log-level", "error"])
        .kill_on_drop(true)
        .spawn()
}

fn start_dockerd(config: &Config) -> Result<Child, Box<dyn Error>> {
    let mut settings: serde_json::Value = serde_json::from_slice(&fs::read("/etc/docker/daemon.json")?)?;
    settings["features"] = serde_json::json!({"containerd-snapshotter": true});
    settings["builder"] =
        serde_json::json!({"Entitlements": {"network-host": config.host_network, "security-insecure": false}});
    settings["dns"] = serde_json::json!([GATEWAY]);
    fs::write("/run/lab-buildkit/daemon.json", settings.to_string())?;
    Ok(Command::new("dockerd")
        .args(["--config-file", "/run/lab-buildkit/daemon.json", "--pidfile", "/run/lab-buildkit/pid"])
        .args(["--host", &format!("unix://{SOCKET}"), "--exec-root", "/run/lab-buildkit/exec"])
        .args(["--containerd", CONTAINERD, "--iptables=false", "--log-level", "warn"])
        .args(["--bip", &format!("{GATEWAY}/24"), "--data-root"])
        .arg(config.root.join("engine"))
        .kill_on_drop(true)
        .spawn()?)
}

async fn terminate(child: &mut Child) -> std::io::Result<()> {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)) {
        kill_process(pid, Signal::TERM)?;
    }
    child.wait().await.map(drop)
}
