//! Attempts to bypass the gateway as root in a privileged main: all fail.

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use super::internet::{RESOLVER, SERVERS, internet};
use super::{connect, get, get_at, load_busybox, strict};

/// A line that must fail.
fn fails(sandbox: &Sandbox, script: &str) {
    let ran = sandbox.sh(script);
    assert!(ran.code != 0, "{script}\n{ran}");
}

/// Everything that root in main can reach without a name.
fn reaches_nothing(sandbox: &Sandbox, bridge: &str, others: &[(String, u16)]) {
    for address in [SERVERS, RESOLVER, "169.254.169.254", "1.1.1.1"] {
        fails(sandbox, &connect(address, 80));
    }
    fails(sandbox, &connect(bridge, 80));
    for (address, port) in others {
        fails(sandbox, &connect(address, *port));
    }
    let udp = format!(
        "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => \"{RESOLVER}:53\", Proto => \"udp\") or die; \
         $s->send(pack(\"n6\", 1, 256, 1, 0, 0, 0) . \"\\x06direct\\x07example\\0\\0\\1\\0\\1\") or die; \
         $SIG{{ALRM}} = sub {{ exit 1 }}; alarm 2; $s->recv(my $x, 512); exit 0'"
    );
    fails(sandbox, &udp);
    fails(sandbox, &format!("docker run --rm --privileged --network host busybox ping -c 1 -W 2 {SERVERS}"));
    fails(sandbox, &format!("docker run --rm busybox wget -T 3 -qO- http://{SERVERS}/"));
    assert!(!internet().was_asked("direct.example"), "a query left the sandbox");
}

#[test]
fn addresses_the_host_and_other_agents_are_unreachable_whatever_root_does() {
    let other = Sandbox::applied("image: busybox\ncommand: nc -ll -p 7000 -e echo hi\n");
    let address = other.inspect("main", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    let sandbox = strict("allowed.example");
    let network = format!("moat-{}", sandbox.run_id());
    let subnet = engine().docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", &network]);
    let (base, _) = subnet.split_once('/').expect("a range");
    let (prefix, last) = base.rsplit_once('.').expect("an address");
    let nth = |n: u8| format!("{prefix}.{}", last.parse::<u8>().expect("a number") + n);
    load_busybox(&sandbox);
    // The attacks work where nothing holds them, so they are no accident of the lab.
    assert!(
        other.sh(&format!("nc -w 2 {SERVERS} 80 </dev/null")).code == 0,
        "the servers are reachable without a policy"
    );

    let others = [(address, 7000)];
    reaches_nothing(&sandbox, &nth(1), &others);
    sandbox.sh_ok("iptables -F; iptables -t nat -F; iptables -P FORWARD ACCEPT; sysctl -qw net.ipv4.ip_forward=1");
    for route in [nth(1), nth(2)] {
        sandbox.sh(&format!("ip route del default 2>/dev/null; ip route add default via {route}"));
        reaches_nothing(&sandbox, &nth(1), &others);
    }
    sandbox.sh("ip route del default");
    // Without the rules of the engine, names are not resolved any more; the gateway answers as before.
    let page = sandbox.sh_ok(&get_at(&nth(2), "allowed.example"));
    assert!(page.contains("hello from allowed.example"), "{page}");
}

#[test]
fn nothing_leaves_without_the_gateway() {
    let sandbox = strict("allowed.example");
    engine().docker(&["kill", &sandbox.id("gateway")]);
    fails(&sandbox, &get("allowed.example"));
    fails(&sandbox, &connect(SERVERS, 80));
    assert_eq!(sandbox.status()["state"], "degraded");
    sandbox.apply();
    assert!(sandbox.sh_ok(&get("allowed.example")).contains("hello from allowed.example"));
}

/// The gateway has nothing that a break-in could use.
#[test]
fn the_gateway_is_confined() {
    let sandbox = strict("allowed.example");
    let format = "{{.Config.User}} {{.HostConfig.Privileged}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} \
                  {{.HostConfig.CapAdd}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{len .HostConfig.PortBindings}}";
    assert_eq!(sandbox.inspect("gateway", format), "65532:65532 false true [ALL] [] 268435456 128 0");
    let mounts = sandbox.inspect("gateway", "{{range .Mounts}}{{.Type}}:{{.Destination}} {{end}}");
    assert_eq!(mounts.trim(), "volume:/var/lib/moat");
    let shell = engine().try_docker(&["exec", &sandbox.id("gateway"), "sh", "-c", "true"]);
    assert!(shell.code != 0, "there is no shell in the image");
}

/// A service of the Docker host that listens on `::` of every interface, beside a sandbox.
struct Neighbour {
    name: String,
    /// Its link-local address on the network of the sandbox.
    address: String,
    port: String,
}

impl Neighbour {
    fn of(sandbox: &Sandbox) -> Self {
        let network = format!("moat-{}", sandbox.run_id());
        let id = engine().docker(&["network", "inspect", "-f", "{{slice .Id 0 12}}", &network]);
        let serve = format!(
            "ip -6 -o addr show dev br-{id} scope link | grep -o 'fe80[^/]*'; perl -MIO::Socket::IP -e \
             'my $l = IO::Socket::IP->new(LocalHost => q(::), LocalPort => 0, Listen => 5) or die; $| = 1; \
              print q(ready ), $l->sockport, qq(\\n); while (my $c = $l->accept) {{ print $c qq(of the host\\n); close $c }}'"
        );
        let name = format!("{}-host", sandbox.agent);
        let run =
            ["run", "-d", "--name", &name, "--network", "host", "--entrypoint", "sh", "docker:dind", "-c", &serve];
        engine().docker(&run);
        assert!(testkit::run::until(|| engine().docker(&["logs", &name]).contains("ready")), "the service listens");
        let log = engine().docker(&["logs", &name]);
        let address = log.lines().next().unwrap_or_default().to_owned();
        let port = log.lines().find_map(|line| line.strip_prefix("ready ")).unwrap_or_default().to_owned();
        Self { name, address, port }
    }

    /// Lines for main that turn IPv6 on, and ask the service.
    fn asked(&self) -> String {
        format!(
            "for it in all eth0; do echo 0 >/proc/sys/net/ipv6/conf/$it/disable_ipv6; done; \
             ip link add link eth0 name mv0 type macvlan mode bridge; ip link set mv0 up; for it in eth0 mv0; do perl -MIO::Socket::IP -e \
             'my $s = IO::Socket::IP->new(PeerHost => shift, PeerPort => {}, Timeout => 3) or die; print <$s>' {}%$it; done",
            self.port, self.address
        )
    }

    /// The same for a container in main, by every interface of its network.
    fn asked_inside(&self, flags: &str) -> String {
        let script = format!(
            "mount -o remount,rw /proc/sys; for it in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 0 >$it; done; sleep 2
             for it in /sys/class/net/*; do nc -w 3 {}%${{it##*/}} {} </dev/null; done",
            self.address, self.port
        );
        format!("docker run --rm --network host {flags} busybox sh -c '{script}' 2>/dev/null")
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        engine().try_docker(&["rm", "-fv", &self.name]);
    }
}

/// A stated limit, with its measure: a privileged main turns IPv6 on, one without privileges cannot.
#[test]
fn root_with_net_admin_reaches_the_host_by_ipv6_link_local_addresses() {
    let policy = "network: { policy: strict }\n";
    let cases = [
        ("image: docker:dind\ndependencies: [docker:dind]\n", true),
        ("image: docker:dind\ncap_add: [NET_ADMIN]\n", true),
        ("image: docker:dind\n", false),
        ("isolation: rootless\ndependencies: [docker:dind]\n", false),
    ];
    for (spec, reaches) in cases {
        let spec = format!("{spec}{policy}");
        let sandbox = Sandbox::applied(&spec);
        let host = Neighbour::of(&sandbox);
        // A new address is checked for duplicates first.
        let asked = || sandbox.sh(&host.asked()).stdout.contains("of the host");
        assert_eq!(if reaches { testkit::run::until(asked) } else { asked() }, reaches, "{spec}");
        // Containers inside a privileged main reach it too, by the line that a rootless one is tried with.
        if spec.contains("dependencies") && reaches {
            load_busybox(&sandbox);
            let inside = host.asked_inside("--privileged");
            assert!(testkit::run::until(|| sandbox.sh(&inside).stdout.contains("of the host")), "{inside}");
        }
    }
}

/// What a privileged main can do, a rootless one cannot: in main, in a namespace that it makes, and in containers with all
/// that its daemon can give.
#[test]
fn a_rootless_main_reaches_only_the_gateway() {
    internet();
    let dns = format!("container: {{ dns: [{RESOLVER}] }}\n");
    let sandbox = Sandbox::applied(&format!(
        "isolation: rootless\ndependencies: [docker:dind]\n{dns}network: {{ policy: strict, rules: [allowed.example] }}\n"
    ));
    let host = Neighbour::of(&sandbox);
    load_busybox(&sandbox);
    let all = "--cap-add ALL --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
               --security-opt systempaths=unconfined";
    let namespace = format!("unshare --user --map-root-user --net sh -c {}", quoted(&host.asked()));
    // The scripts run to their end, and none gets an answer.
    for script in [host.asked(), namespace, host.asked_inside(all), host.asked_inside("--privileged")] {
        let ran = sandbox.sh(&format!("{script}; echo end"));
        assert!(ran.stdout.ends_with("end\n") && !ran.stdout.contains("of the host"), "{script}\n{ran}");
    }
    // Containers reach what is allowed, so that the rest fails for no other reason.
    let inside = |flags: &str, url: &str| sandbox.sh(&format!("docker run --rm {flags} busybox wget -T 5 -qO- {url}"));
    let page = inside("", "http://allowed.example/");
    assert!(page.stdout.contains("hello from allowed.example"), "{page}");
    for flags in ["", all, &format!("--network host {all}")] {
        for url in ["http://denied.example/".to_owned(), format!("http://{SERVERS}/"), "http://1.1.1.1/".to_owned()] {
            let ran = inside(flags, &url);
            assert!(ran.code != 0 && !ran.stdout.contains("hello from"), "{flags} {url}\n{ran}");
        }
    }
}

/// As one word of a shell.
fn quoted(script: &str) -> String {
    format!("'{}'", script.replace('\'', r"'\''"))
}
