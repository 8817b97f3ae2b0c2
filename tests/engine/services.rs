//! Services on the agent's network: reachable by name and password, probed, and their passwords kept secret.

use std::fs;

use testkit::engine::engine;
use testkit::sandbox::Sandbox;

use crate::language::{example, walk};

/// A main container with clients of all three databases.
const DATABASES: &str = "image: postgres:17\ncommand: sleep infinity\ndependencies: [postgres@17, redis@7, mysql@8]\n";

/// Connections as from a user's program.
const QUERIES: [(&str, &str); 3] = [
    ("psql \"$MOAT_POSTGRES_URL\" -Atqc 'select current_user'", "agent"),
    ("redis-cli --no-auth-warning -u \"$MOAT_REDIS_URL\" ping", "PONG"),
    (
        "MYSQL_PWD=$MOAT_MYSQL_PASSWORD mysql -h $MOAT_MYSQL_HOST -u $MOAT_MYSQL_USER -Ne 'select database()' agent",
        "agent",
    ),
];

/// Connections with a missing or wrong password.
const REFUSED: [(&str, &str); 3] = [
    ("psql postgres://agent:wrong@postgres/agent -c 'select 1'", "password authentication failed"),
    ("redis-cli -h redis ping", "NOAUTH"),
    ("MYSQL_PWD=wrong mysql -h mysql -u agent agent", "Access denied"),
];

fn answers(sandbox: &Sandbox) {
    for (query, answer) in QUERIES {
        assert_eq!(sandbox.sh_ok(query), answer, "{query}");
    }
}

#[test]
fn databases_are_reached_by_name_with_unique_passwords() {
    let sandbox = Sandbox::new(DATABASES);
    let mut reported = sandbox.moat(&["plan"]).ok().to_string();
    let mut moat = |args: &[&str]| {
        let mut moat = sandbox.moat(args);
        moat.command.env("MOAT_LOG", "trace");
        reported.push_str(&moat.ok().to_string());
    };
    moat(&["plan", "--json"]);
    moat(&["apply", "-vv"]);
    // Apply has waited for the services: the test does not.
    answers(&sandbox);
    for (query, why) in REFUSED {
        let ran = sandbox.sh(query);
        assert!(ran.to_string().contains(why), "{query}\n{ran}");
    }
    moat(&["apply", "--json"]);
    moat(&["status", "--json"]);
    moat(&["graph"]);
    for command in ["stop", "start", "restart"] {
        let before = sandbox.main();
        moat(&[command]);
        assert_eq!(sandbox.main(), before, "with its passwords it is the same one after `{command}`");
    }
    assert!(sandbox.moat(&["graph"]).ok().stdout.contains(": ready\n"), "nothing is wanted otherwise");
    answers(&sandbox);
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0, "a second apply changes nothing");

    let passwords: Vec<String> =
        ["POSTGRES", "REDIS", "MYSQL"].map(|of| sandbox.sh_ok(&format!("echo $MOAT_{of}_PASSWORD"))).into();
    assert!(passwords.iter().all(|password| password.len() == 32), "{passwords:?}");
    let of_agent = format!("label=moat.agent={}", sandbox.agent);
    for container in ["main", "postgres", "redis", "mysql"] {
        let format = "{{json .Config.Labels}} {{json .HostConfig}} {{json .State}} {{json .Path}} {{json .Args}}";
        reported.push_str(&sandbox.inspect(container, format));
        reported.push_str(&engine().try_docker(&["logs", &sandbox.id(container)]).to_string());
        reported.push_str(&engine().docker(&["top", &sandbox.id(container), "-eo", "pid,args"]));
    }
    reported.push_str(&engine().docker(&["volume", "ls", "--filter", &of_agent, "--format", "{{.Name}} {{.Labels}}"]));
    for file in walk(&sandbox.home().join(".local")) {
        reported.push_str(&String::from_utf8_lossy(&fs::read(file).expect("a file")));
    }
    assert!(reported.contains("moat.config") && reported.contains("redis-server"), "labels and processes are covered");
    for password in passwords {
        let line = reported.lines().find(|line| line.contains(&password));
        assert_eq!(line, None);
    }
}

#[test]
fn data_survives_the_sandbox_and_its_key() {
    let sandbox = Sandbox::applied(DATABASES);
    let write = [
        "psql \"$MOAT_POSTGRES_URL\" -qc 'create table kept (id int); insert into kept values (7)'",
        "redis-cli --no-auth-warning -u \"$MOAT_REDIS_URL\" set kept 7",
        "MYSQL_PWD=$MOAT_MYSQL_PASSWORD mysql -h mysql -u agent -e 'create table kept (id int); insert into kept values (7)' agent",
    ];
    let read = [
        "psql \"$MOAT_POSTGRES_URL\" -Atqc 'select id from kept'",
        "redis-cli --no-auth-warning -u \"$MOAT_REDIS_URL\" get kept",
        "MYSQL_PWD=$MOAT_MYSQL_PASSWORD mysql -h mysql -u agent -Ne 'select id from kept' agent",
    ];
    for script in write {
        sandbox.sh_ok(script);
    }
    let kept = |when: &str| {
        for script in read {
            assert_eq!(sandbox.sh_ok(script), "7", "{when}: {script}");
        }
    };
    let password = sandbox.sh_ok("echo $MOAT_POSTGRES_PASSWORD");
    sandbox.moat(&["destroy", "--yes"]).ok();
    sandbox.apply();
    kept("after a destroy");
    assert_eq!(sandbox.sh_ok("echo $MOAT_POSTGRES_PASSWORD"), password);

    // Another host, or a lost key: new passwords, the same data.
    fs::remove_dir_all(sandbox.home().join(".local")).expect("the state");
    // This alone does not replace anything.
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("echo $MOAT_POSTGRES_PASSWORD"), password);
    kept("with another key");
    // A recreated container causes the replacement of all that share its password.
    sandbox.rewrite(&format!("{DATABASES}env: {{ANOTHER: '1'}}\n"));
    sandbox.apply();
    sandbox.moat(&["plan", "--detailed-exitcode"]).ok();
    assert_ne!(sandbox.sh_ok("echo $MOAT_POSTGRES_PASSWORD"), password);
    kept("with another password");
    let old = format!("psql postgres://agent:{password}@postgres/agent -c 'select 1'");
    assert!(sandbox.sh(&old).code != 0, "the old password still opens it");
    sandbox.moat(&["destroy", "--volumes", "--yes"]).ok();
    assert_eq!(sandbox.volumes(), Vec::<String>::new());
}

#[test]
fn the_example_has_custom_services_and_a_capability() {
    let sandbox = example("services", str::to_owned);
    let mut apply = sandbox.moat(&["apply"]);
    apply.command.env("SAY", "hunter2-service");
    apply.ok();
    answers(&sandbox);
    assert_eq!(sandbox.sh_ok("redis-cli -h cache config get maxmemory | tail -n1"), "8388608");
    assert_eq!(sandbox.inspect("cache", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}"), "67108864 64");
    assert_eq!(sandbox.docker_exec("echo", &["nc", "127.0.0.1", "7000"]), "hunter2-service");
    assert!(!sandbox.inspect("echo", "{{json .Config.Labels}}").contains("hunter2"));
    assert_eq!(sandbox.docker_exec("greeter", &["wget", "-qO-", "http://greeter/"]), "hello from 1.2");
    assert_eq!(
        sandbox.docker_exec("greeter", &["wget", "-qO-", "http://greeter/word"]),
        sandbox.sh_ok("echo $GREETER_WORD")
    );

    // On its own network only.
    let outside = engine().try_docker(&["run", "--rm", "postgres:17", "psql", "-h", "postgres", "-c", "select 1"]);
    assert!(outside.code != 0, "{outside}");
    let address = sandbox.inspect("cache", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    let reach = ["run", "--rm", "redis:7", "timeout", "3", "redis-cli", "-h", &address, "ping"];
    assert!(engine().try_docker(&reach).code != 0, "{address} is reached from another network");
    assert_eq!(sandbox.sh_ok(&format!("timeout 3 redis-cli -h {address} ping")), "PONG");
}

#[test]
fn a_service_that_is_not_ready_blocks_main() {
    let sandbox = Sandbox::new(
        "image: busybox\nservices:\n  db:\n    image: busybox\n    command: sleep 1000\n    wait: {command: 'false', timeout: 1s}\n",
    );
    let ran = sandbox.moat(&["apply"]).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("was not ready within 1 s"), "{ran}");
    assert_eq!(sandbox.find("main"), None, "a first apply is undone");
}

#[test]
fn the_host_docker_socket_is_mounted_and_flagged() {
    let sandbox = example("docker-host", str::to_owned);
    let plan = sandbox.moat(&["plan"]).ok().stdout;
    assert!(plan.contains("[gives the engine]"), "{plan}");
    sandbox.apply();
    let seen = sandbox.sh_ok("docker ps --no-trunc --quiet");
    assert!(seen.lines().any(|id| id == sandbox.main()), "its own container in {seen}");
    assert_eq!(sandbox.inspect("main", "{{.HostConfig.Privileged}}"), "false");
}

#[test]
fn the_host_docker_socket_combines_with_tools_and_runtimes() {
    let sandbox = Sandbox::applied("dependencies: [docker:host, jq]\n");
    let seen =
        sandbox.sh_ok("jq --version >/dev/null && docker ps --no-trunc --quiet && docker compose version >/dev/null");
    assert!(seen.lines().any(|id| id == sandbox.main()), "its own container in {seen}");
}
