//! A gateway under load: more connections than it can open files for, and its end in the middle of them.

use testkit::engine::engine;
use testkit::run::until;
use testkit::watched::Watched;

use super::internet::SERVERS;
use super::{connect, get, strict};

#[test]
fn a_thousand_connections_with_few_files_are_refused() {
    let sandbox = strict("allowed.example, 'drip.example:9000'");
    let started = || sandbox.inspect("gateway", "{{.State.Pid}} {{.State.StartedAt}}");
    let before = started();
    let pid = before.split(' ').next().expect("a process");
    // As the gateway's own user, who may lower its limits.
    let user = moat_model::resource::gateway::USER;
    let limit = ["run", "--rm", "--pid", "host", "--user", user, "--entrypoint", "prlimit", "docker:dind"];
    engine().docker(&[&limit[..], &["--pid", pid, "--nofile=128:128"]].concat());
    // Prints how many of the connections get data, and how many there are.
    let open = "use IO::Socket::INET; use IO::Select; my ($all, %flows) = IO::Select->new; \
                for (1 .. 1000) { my $s = IO::Socket::INET->new(PeerAddr => q(drip.example), PeerPort => 9000, Blocking => 0) or next; $all->add($s) } \
                my ($count, $end) = ($all->count, time + 8); \
                while (time < $end) { for ($all->can_read(1)) { if (sysread $_, my $x, 99) { $flows{$_} = 1 } else { $all->remove($_) } } } \
                print scalar(keys %flows), q( ), $count";
    let counts = sandbox.sh_ok(&format!("ulimit -n 4096; perl -e '{open}'"));
    let counts: Vec<u32> = counts.split(' ').map(|it| it.parse().expect("a number")).collect();
    assert!(counts[1] > 900 && (1..=64).contains(&counts[0]), "a connection needs two files: {counts:?}");
    assert!(sandbox.sh(&connect(SERVERS, 80)).code != 0, "a full gateway opens nothing");
    let is_served = || sandbox.sh(&get("allowed.example")).stdout.contains("hello from allowed.example");
    assert!(until(is_served), "the gateway serves again");
    assert_eq!(started(), before, "it has not been restarted");
}

/// While the gateway is down, main reaches nothing. The watch restarts the gateway.
#[test]
fn a_gateway_killed_under_load_restarts_and_leaks_nothing() {
    let sandbox = strict("allowed.example, 'drip.example:9000'");
    let mut watch = Watched::new(&sandbox, &[]);
    let load = format!(
        "use IO::Socket::INET; $SIG{{PIPE}} = q(IGNORE); open my $out, q(>>), q(/load); $out->autoflush; \
         my @open = map {{ IO::Socket::INET->new(q(drip.example:9000)) }} 1 .. 50; \
         while (1) {{ \
           my $past = IO::Socket::INET->new(PeerAddr => q({SERVERS}), PeerPort => 80, Timeout => 1); \
           print $out qq(LEAK\\n) if $past; \
           my $s = IO::Socket::INET->new(PeerAddr => q(allowed.example), PeerPort => 80, Timeout => 1); \
           if ($s) {{ print $s qq(GET / HTTP/1.1\\r\\nHost: allowed.example\\r\\nConnection: close\\r\\n\\r\\n); \
             my $page = join q(), <$s>; print $out $page =~ /hello from/ ? qq(served\\n) : qq(ended\\n) }} else {{ print $out qq(gone\\n) }} \
           select undef, undef, undef, 0.02; }}"
    );
    sandbox.sh_ok(&format!("setsid perl -e '{load}' </dev/null >/dev/null 2>&1 &"));
    let count = |word: &str| sandbox.sh(&format!("grep -c {word} /load")).stdout.trim().parse::<u32>().unwrap_or(0);
    for _ in 0..2 {
        let before = count("served");
        assert!(until(|| count("served") > before), "the load is served");
        engine().docker(&["kill", &sandbox.id("gateway")]);
        watch.settles();
        let before = count("served");
        assert!(until(|| count("served") > before), "the load is served again");
    }
    assert_eq!(count("LEAK"), 0);
    watch.end();
}
