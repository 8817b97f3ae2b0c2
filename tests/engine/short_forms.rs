//! Short forms of `agent.yaml` and `env_file`, checked in a container.

use std::fs;

use testkit::engine::engine;
use testkit::run::until;
use testkit::sandbox::Sandbox;

// Regression: the mode was part of the path, so that the data were written elsewhere and lost with the container.
#[test]
fn a_volume_with_a_mode_is_mounted_at_its_target() {
    let volumes = "image: busybox\nvolumes: ['work:/var/work:rw', 'kept:/var/kept:ro', {name: long, target: /l, mode: ro}]\n\
                   services: {side: {image: busybox, command: sleep 1000, volumes: ['data:/data:ro']}}\n";
    let sandbox = Sandbox::applied(volumes);
    sandbox.sh_ok("echo precious >/var/work/f");
    for folder in ["/var/kept", "/l"] {
        let said = sandbox.sh_ok(&format!("touch {folder}/f 2>&1 || :"));
        assert!(said.contains("Read-only file system"), "{said}");
    }
    assert_eq!(sandbox.inspect("side", "{{(index .Mounts 0).Destination}} {{(index .Mounts 0).RW}}"), "/data false");
    sandbox.moat(&["destroy", "--yes"]).ok();
    sandbox.apply();
    assert_eq!(sandbox.sh_ok("cat /var/work/f"), "precious");
    assert_eq!(sandbox.moat(&["plan", "--detailed-exitcode"]).run().code, 0);
}

#[test]
fn an_env_file_is_parsed() {
    let sandbox = Sandbox::new("image: busybox\nenv_file: e.env\nenv: {FILLED: '${BESIDE}'}\n");
    let text = "KEY=   # set me\r\nB=x # note\nexport   C='two words'\nPEM=\"-----BEGIN\nabc=\n-----END\"\n\
                HOST=h\nURL=http://${HOST}/#top\nHASH=#fff\n";
    fs::write(sandbox.path().join("e.env"), text).expect("a file");
    fs::write(sandbox.path().join(".env"), "HERE=a\nBESIDE='one\ntwo'\n").expect("a file");
    sandbox.apply();
    let seen = sandbox.sh_ok("printf '%s|' \"$KEY\" \"$B\" \"$C\" \"$PEM\" \"$URL\" \"$HASH\" \"$FILLED\"");
    assert_eq!(seen, "|x|two words|-----BEGIN\nabc=\n-----END|http://h/#top|#fff|one\ntwo|");
}

// The file must not expand moat's environment, since a sandbox may be able to write it.
#[test]
fn an_env_file_cannot_read_moats_environment() {
    let sandbox = Sandbox::new("image: busybox\nenv_file: e.env\n");
    fs::write(sandbox.path().join("e.env"), "A=${MOAT_CANARY}\nB=$MOAT_CANARY\n").expect("a file");
    let mut moat = sandbox.moat(&["validate"]);
    moat.command.env("MOAT_CANARY", "canary");
    let ran = moat.run();
    assert_eq!(ran.code, 65, "{ran}");
    let said = ran.to_string();
    assert!(said.contains("e.env:1:1") && !said.contains("canary"), "{said}");
}

#[test]
fn a_pre_start_hook_works_without_an_entrypoint() {
    let spec = |entrypoint: &str| {
        format!("image: busybox\n{entrypoint}hooks: {{pre_run: echo prepared >/tmp/p}}\ncommand: exec sleep 1000\n")
    };
    let sandbox = Sandbox::new(&spec(""));
    let refused = sandbox.moat(&["validate"]).run();
    assert_eq!(refused.code, 65);
    assert!(refused.to_string().contains("or to `[]` if the image has none"), "{refused}");
    for entrypoint in ["entrypoint: []\n", "entrypoint: ''\n", "entrypoint: [env]\n"] {
        let sandbox = Sandbox::applied(&spec(entrypoint));
        assert!(until(|| sandbox.sh("pidof sleep").code == 0), "{entrypoint}");
        assert_eq!(sandbox.sh_ok("cat /tmp/p; tr '\\0' ' ' </proc/$(pidof sleep)/cmdline"), "prepared\nsleep 1000");
    }
}

#[test]
fn an_empty_entrypoint_resets_the_images() {
    let sandbox = Sandbox::new("build: .\nentrypoint: []\ncommand: [sleep, '1000']\n");
    fs::write(sandbox.path().join("Dockerfile"), "FROM busybox\nENTRYPOINT [\"false\"]\nCMD [\"wrong\"]\n")
        .expect("a file");
    sandbox.apply();
    sandbox.assert_ready();
    assert_eq!(sandbox.inspect("main", "{{.Path}} {{.Args}}"), "sleep [1000]");
    let image = sandbox.inspect("main", "{{.Config.Image}}");
    drop(sandbox);
    engine().try_docker(&["rmi", "-f", &image]);
}

#[test]
fn short_port_forms_are_published() {
    let ports = "ports: ['8000-8001', 'localhost::8002/udp', {target: 8003, host_ip: 127.0.0.2, name: web}]\n";
    let sandbox = Sandbox::applied(&format!("image: busybox\n{ports}command: exec httpd -f -p 8001 -h /etc\n"));
    let bindings = sandbox
        .inspect("main", "{{range $port, $at := .HostConfig.PortBindings}}{{$port}} {{(index $at 0).HostIp}},{{end}}");
    assert_eq!(bindings, "8000/tcp 127.0.0.1,8001/tcp 127.0.0.1,8002/udp 127.0.0.1,8003/tcp 127.0.0.2,");
    let port = sandbox.inspect("main", "{{(index (index .HostConfig.PortBindings \"8001/tcp\") 0).HostPort}}");
    let url = format!("http://127.0.0.1:{port}/passwd");
    let get = ["run", "--rm", "--network", "host", "busybox", "wget", "-q", "-O", "-", &url];
    // That its command runs is no proof that it listens.
    assert!(until(|| engine().try_docker(&get).stdout.contains("root")), "{}", engine().try_docker(&get));
}

#[test]
fn only_validate_reads_standard_input() {
    let sandbox = Sandbox::new("image: busybox\n");
    for command in ["plan", "apply", "status"] {
        let ran = sandbox.moat(&[command, "-"]).run();
        assert!(
            ran.code != 0 && ran.stderr.contains("a sandbox is identified by the path of its spec"),
            "{command}: {ran}"
        );
    }
}
