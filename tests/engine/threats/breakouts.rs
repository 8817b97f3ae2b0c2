//! Known ways from a container with all rights to its host, tried from main, from its containers and from build steps:
//! those of which the security documentation of Docker and of Kubernetes warns. `calls.c` has those that a shell has not.
//!
//! Each of them only shows that it could: it writes a value that is there already, or reads a canary. The same attacks
//! succeed in a privileged sandbox, as far as the test machine's kernel has what they use.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::bait::{Bait, calls};
use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::{DIND, Sandbox};

const ROOTLESS: &str = "isolation: rootless\ndependencies: [docker:dind]\n";

/// Prints the name of each attack that succeeds. The last line shows that it ran to its end.
fn attacks(canary: &Path, bait: &Bait) -> String {
    let (whole, handle, key) = (canary.display().to_string(), &bait.handle, bait.key());
    let device = fs::metadata(canary).expect("the canary").st_dev();
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff);
    let mounted = canary.ancestors().find(|folder| fs::metadata(folder).is_ok_and(|it| it.st_dev() != device));
    let canary = canary.strip_prefix(mounted.unwrap_or(Path::new("/"))).expect("a parent");
    // Below the mount point, whose name is the first part unless it is the root.
    let canary: PathBuf = canary.components().skip(usize::from(mounted.is_some())).collect();
    let canary = canary.display();
    format!(
        r#"
export HANDLE={handle} KEY={key}
same() {{ [ -e "$1" ] && v=$(cat "$1") && printf %s "$v" >"$1"; }}
try() {{ name=$1; shift; rm -rf /tmp/attack; mkdir -p /tmp/attack; ( "$@" ) >/dev/null 2>&1 && echo "$name"; }}
disk() {{ for disk in /dev/attack /tmp/attack/disk; do mknod $disk b {major} {minor}; done; mkdir /tmp/attack/host
    for disk in /dev/attack /tmp/attack/disk; do for type in ext4 xfs btrfs; do
        mount -t $type $disk /tmp/attack/host || continue
        [ -e "/tmp/attack/host/{canary}" ]; found=$?; umount /tmp/attack/host; return $found
    done; done; false; }}
cgroup() {{ mkdir /tmp/attack/group && mount -t cgroup -o perf_event group /tmp/attack/group &&
    {{ same /tmp/attack/group/release_agent; wrote=$?; umount /tmp/attack/group; [ $wrote = 0 ]; }}; }}
log() {{ [ -c /dev/kmsg ] && printf '' >/dev/kmsg; }}
debug() {{ mkdir /tmp/attack/$1 && mount -t $1 $1 /tmp/attack/$1 && umount /tmp/attack/$1; }}
raw_disk() {{ for disk in /dev/attack /tmp/attack/disk; do
        mknod $disk b {major} {minor} && [ "$(head -c 512 $disk | wc -c)" = 512 ] && return
    done; false; }}
system() {{ for file in /sys/kernel/uevent_helper /sys/kernel/mm/transparent_hugepage/enabled /sys/power/state; do
        [ -e $file ] && true >>$file && return
    done; false; }}
host_process() {{ for file in /proc/[0-9]*/cmdline; do
        tr '\0' ' ' <$file | grep -q '[k]ey {key}' && return
    done; false; }}
try disk disk
try core_pattern same /proc/sys/kernel/core_pattern
try overcommit same /proc/sys/vm/overcommit_memory
try modprobe same /proc/sys/kernel/modprobe
try release_agent cgroup
try kernel_log log
try debugfs debug debugfs
try tracefs debug tracefs
try raw_disk raw_disk
try system system
try host_process host_process
try host_file sh -c '[ -e "/host{whole}" ] || [ -e "/proc/1/root{whole}" ]'
try setns nsenter --target 1 --mount --root test -e '{whole}'
try sysrq sh -c '[ -e /proc/sysrq-trigger ] && printf "" >/proc/sysrq-trigger'
try raw_memory sh -c 'mknod /tmp/attack/mem c 1 1 && head -c 1 /tmp/attack/mem'
${{0%/*}}/calls
echo end
"#
    )
}

/// A sandbox with the attacks in `/tmp/attacks`, readable for its builds and containers, and what they look for.
fn armed(spec: &str) -> (Sandbox, Bait) {
    let sandbox = Sandbox::new(spec);
    let canary = sandbox.path().join(format!("canary-{}", sandbox.agent));
    fs::write(&canary, "reached\n").expect("a canary");
    sandbox.apply();
    let user = sandbox.inspect("main", "{{.Config.User}}");
    let bait = Bait::new(&sandbox.agent, if user.is_empty() { "0" } else { &user });
    let script = attacks(&canary, &bait);
    sandbox.sh_ok(&format!("mkdir -p /tmp/attacks && cat >/tmp/attacks/run <<'END'\n{script}END"));
    sandbox.moat(&["cp", &calls().display().to_string(), ":/tmp/attacks/calls"]).ok();
    sandbox.sh_ok("/tmp/attacks/calls");
    (sandbox, bait)
}

const PRIVILEGED: &str = "docker run --rm --privileged -v /tmp/attacks:/a busybox sh /a/run";

/// Like the one before, for daemons that cannot start it.
const ALL_RIGHTS: &str = "docker run --rm --cap-add ALL --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
     --security-opt systempaths=unconfined --pid host --network host -v /:/host busybox sh /host/tmp/attacks/run";

/// The attacks that succeed from each place.
fn succeeding(sandbox: &Sandbox) -> Vec<(&'static str, String)> {
    let build =
        "printf 'FROM busybox\\nCOPY run calls /tmp/\\nRUN sh /tmp/run >/result; true\\n' >/tmp/attacks/Dockerfile
        docker build -q -t attacks /tmp/attacks >/dev/null && docker run --rm attacks cat /result";
    let places = [
        ("main", "sh /tmp/attacks/run"),
        ("a user namespace", "unshare --user --map-root-user --mount --pid --fork sh /tmp/attacks/run"),
        ("a container", "docker run --rm -v /tmp/attacks:/a busybox sh /a/run"),
        ("a privileged container", PRIVILEGED),
        ("a container with all rights", ALL_RIGHTS),
        ("a build step", build),
    ];
    let results = places.map(|(place, script)| {
        let ran = sandbox.sh(script);
        // In a user namespace Docker cannot mount what such a container has.
        if place == "a privileged container" && ran.to_string().contains("error mounting \"sysfs\"") {
            return (place, String::new());
        }
        let all = ran.stdout;
        let found = all.trim_end().strip_suffix("end").unwrap_or_else(|| panic!("{place}: {all}"));
        (place, found.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    results.into()
}

/// Asserts that nothing but main reaches the API of the build sidecar.
fn assert_builder_is_out_of_reach(sandbox: &Sandbox) {
    let address = |container: &str| {
        sandbox.inspect(container, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}").trim().to_owned()
    };
    let (main, sidecar) = (address("main"), address("buildkit"));
    // Shows that build steps and containers reach main at all.
    sandbox.sh_ok("docker run -d --name open -p 8088:80 busybox httpd -f -h /etc");
    let tries = format!(
        "for at in 127.0.0.1:1234 {main}:1234 {sidecar}:1234 buildkit:1234 {main}:8088; do
            echo | nc -w 3 ${{at%:*}} ${{at#*:}} >/dev/null 2>&1 && echo $at
        done; [ ! -e /run/buildkit ] || echo socket; echo end"
    );
    sandbox.sh_ok(&format!("mkdir -p /tmp/builder && cat >/tmp/builder/run <<'END'\n{tries}\nEND"));
    assert!(until(|| sandbox.sh(&format!("bash -c 'exec 3<>/dev/tcp/{main}/8088'")).code == 0));
    let build = "printf 'FROM busybox\\nCOPY run /run.sh\\nRUN sh /run.sh >/result\\n' >/tmp/builder/Dockerfile
        docker build -q -t builder /tmp/builder >/dev/null && docker run --rm builder cat /result";
    let nested = "docker run --rm -v /tmp/builder:/b busybox sh /b/run";
    for (place, script) in [("a build step", build), ("a container", nested)] {
        assert_eq!(sandbox.sh_ok(script), format!("{main}:8088\nend"), "from {place}");
    }
    sandbox.sh_ok("docker rm -f open");
}

#[test]
fn the_build_sidecar_serves_main_only() {
    let sandbox = Sandbox::applied(DIND);
    assert_builder_is_out_of_reach(&sandbox);
    // Another network of the engine's is no way either: nothing listens.
    let listening = sandbox.docker_exec("buildkit", &["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    assert!(!listening.contains(":04D2 "), "{listening}");
}

/// Asserts that no attack succeeds in a sandbox of this spec, and returns the sandbox.
///
/// `filters`: whether the engine takes a filter of system calls; without one, containers of a user share its keys.
pub fn assert_none(spec: &str, filters: bool) -> Sandbox {
    let (sandbox, _bait) = armed(spec);
    for (place, found) in succeeding(&sandbox) {
        let found = if filters { found } else { found.replace("host_key", "") };
        assert_eq!(found, "", "from {place}");
    }
    assert_builder_is_out_of_reach(&sandbox);
    sandbox.sh_ok("docker run -d busybox sleep 60");
    // What the host sees: no process of the sandbox is root's. A rootless engine sees its own user as root.
    if engine().docker(&["info", "--format", "{{.SecurityOptions}}"]).contains("name=rootless") {
        return sandbox;
    }
    for container in [sandbox.main(), sandbox.sidecar()] {
        let users = engine().docker(&["top", &container, "-eo", "uid,pid,comm"]);
        assert!(users.lines().skip(1).count() > 1, "{users}");
        // Podman runs `ps` in the container.
        let roots = users.lines().filter(|line| line.split_whitespace().next() == Some("0"));
        assert!(roots.into_iter().all(|line| line.ends_with(" ps")), "{users}");
    }
    sandbox
}

#[test]
fn no_known_breakout_works_in_a_rootless_sandbox() {
    let sandbox = assert_none(ROOTLESS, true);
    for container in [sandbox.main(), sandbox.sidecar()] {
        let rights = engine().docker(&["exec", &container, "grep", "^Cap[EPI]", "/proc/self/status"]);
        assert!(rights.lines().all(|line| line.ends_with("\t0000000000000000")), "{rights}");
    }
}

/// Those that succeed in a privileged sandbox wherever the tests run.
const SUCCEED: [&str; 10] =
    ["disk", "core_pattern", "overcommit", "kernel_log", "system", "file_handle", "host_key", "bpf", "perf", "clock"];

/// Those that need a namespace of the host's, which no sandbox has.
const FAIL: [&str; 3] = ["host_process", "host_file", "setns"];

// Otherwise the attacks could fail for another reason.
#[test]
fn the_same_breakouts_work_in_a_privileged_sandbox() {
    let (sandbox, _bait) = armed(DIND);
    let found = succeeding(&sandbox);
    let of = |place: &str| found.iter().find(|(it, _)| *it == place).map(|(_, found)| found.clone()).expect("a place");
    for place in ["main", "a privileged container"] {
        let found = of(place);
        for attack in SUCCEED {
            assert!(found.split(' ').any(|it| it == attack), "{attack} from {place}: {found}");
        }
        for attack in FAIL {
            assert!(found.split(' ').all(|it| it != attack), "{attack} from {place}: {found}");
        }
        // Version 1 of control groups alone has it.
        let has_agent = !Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        assert_eq!(found.contains("release_agent"), has_agent, "from {place}: {found}");
    }
    for place in ["a container", "a build step"] {
        assert_eq!(of(place), "", "from {place}");
    }
}
