//! Sources of mounts: rejected ones with their location, the files that git needs, and changes that do not recreate a
//! container.

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use moat_model::graph::Graph;
use moat_model::resource::{Config, ContainerConfig, HostFile, Mount, ResourceId};
use moat_model::state::{ContainerState, Live, Observed};
use moat_plan::{Options, compute};
use moat_spec::compile::{compile, warnings};
use moat_spec::path_facts::{HooksFolder, PathFacts, Private, PrivateKind, Repository, Worktree};
use moat_spec::{Capabilities, EmptyEnv, Source, Spec, agent};

use super::world::{applied, container, plan};

const HEAD: &str = "agent: a\nimage: x\n";

fn spec(text: &str, facts: PathFacts) -> Spec {
    let source = Source::new("agent.yaml", "/home/me/p/agent.yaml", format!("{HEAD}{text}"));
    let home = Home;
    let mut spec = agent::parse_all(source, &home).specs.expect("a good spec").remove(0);
    spec.path_facts = facts;
    spec
}

/// An environment with only the home directory.
struct Home;

impl moat_spec::Environment for Home {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/me".to_owned())
    }

    fn read(&self, path: &Path) -> Result<String, moat_spec::environment::FileError> {
        EmptyEnv.read(path)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, moat_spec::environment::ProgramError> {
        EmptyEnv.run(program, arguments)
    }
}

/// Links, each with its target.
fn links(links: &[(&str, &[&str])]) -> PathFacts {
    let resolution =
        |(path, locations): &(&str, &[&str])| (PathBuf::from(path), locations.iter().map(PathBuf::from).collect());
    PathFacts { resolutions: links.iter().map(resolution).collect(), ..PathFacts::default() }
}

#[track_caller]
fn refused(text: &str, facts: PathFacts, expected: &Expect) {
    let faults = compile(&spec(text, facts), &Capabilities::builtin()).expect_err("a fault");
    expected.assert_eq(&format!("{faults}\n"));
}

fn graph(text: &str, facts: PathFacts) -> Graph {
    compile(&spec(text, facts), &Capabilities::builtin()).expect("the parts fit")
}

fn main_of(graph: &Graph) -> &ContainerConfig {
    match graph.node(&ResourceId::main()).map(|node| &node.config) {
        Some(Config::Container(config)) => config,
        _ => panic!("no main container"),
    }
}

fn shown<'a>(mounts: impl IntoIterator<Item = &'a Mount>) -> String {
    let mode = |it: &Mount| if it.read_only { "ro" } else { "rw" };
    let path = |it: &Mount| it.path().map_or("empty".to_owned(), |path| path.display().to_string());
    let lines = mounts.into_iter().map(|it| format!("{} {} {}\n", path(it), it.target, mode(it)));
    lines.collect::<Vec<_>>().concat()
}

#[test]
fn a_source_that_the_sandbox_can_replace_is_refused() {
    refused(
        "workspace: .\nmounts: ['./cache:/cache']\n",
        PathFacts::default(),
        &expect![[r#"
        agent.yaml:4:10: `./cache` is inside a folder that the sandbox can write, at `/workspace`
    "#]],
    );
    // Nested, with `..`, read only, in the long form, and through another mount than the workspace.
    refused(
        "workspace: ..\nmounts:\n  - ../q/../p/deep/in:/a:ro\n  - {source: ~/p/x, target: /b}\n  - /srv:/srv\n  - /srv/a/b:/c\n",
        PathFacts::default(),
        &expect![[r#"
            agent.yaml:5:5: `../q/../p/deep/in` is inside a folder that the sandbox can write, at `/workspace`
            agent.yaml:6:14: `~/p/x` is inside a folder that the sandbox can write, at `/workspace`
            agent.yaml:8:5: `/srv/a/b` is inside a folder that the sandbox can write, at `/srv`
        "#]],
    );
    // The workspace itself can be inside another mount.
    refused(
        "workspace: ./sub\nmounts: ['.:/all']\n",
        PathFacts::default(),
        &expect![[r#"
        agent.yaml:3:12: `./sub` is inside a folder that the sandbox can write, at `/all`
    "#]],
    );
}

#[test]
fn links_through_writable_folders_are_refused() {
    // A link from outside to inside, one from inside to outside, and another name of the folder.
    let found = links(&[
        ("/home/me/in", &["/home/me/in", "/home/me/p/sub"]),
        ("/home/me/round", &["/home/me/round", "/home/me/p/out", "/etc"]),
        ("/home/me/p", &["/home/me/p"]),
    ]);
    refused(
        "workspace: .\nmounts: ['~/in:/a', '~/round:/b']\n",
        found,
        &expect![[r#"
        agent.yaml:4:10: `~/in` goes through a link in a folder that the sandbox can write, at `/workspace`
        agent.yaml:4:21: `~/round` goes through a link in a folder that the sandbox can write, at `/workspace`
    "#]],
    );
    let found = links(&[("/home/me/p", &["/home/me/p", "/data/p"]), ("/data/p/sub", &["/data/p/sub"])]);
    refused(
        "workspace: .\nmounts: ['/data/p/sub:/a']\n",
        found,
        &expect![[r#"
        agent.yaml:4:10: `/data/p/sub` is inside a folder that the sandbox can write, at `/workspace`
    "#]],
    );
}

#[test]
fn a_capability_mounts_nothing_replaceable() {
    let mut capabilities = Capabilities::builtin();
    let own = "capability: own\nsummary: a mount\nmain:\n  mounts: [{path: /home/me/p/data, target: /data}]\n";
    capabilities.add(&Source::new("specs/own.yaml", "/home/me/p/specs/own.yaml", own)).expect("a good capability");
    let faults = compile(&spec("workspace: .\ndependencies: [own]\n", PathFacts::default()), &capabilities);
    expect![[r#"
        agent.yaml:4:16: `/home/me/p/data` is inside a folder that the sandbox can write, at `/workspace`
    "#]]
    .assert_eq(&format!("{}\n", faults.expect_err("a fault")));
}

#[test]
fn sources_beside_and_above_a_mount_are_allowed() {
    for text in [
        "workspace: .\nmounts: ['../q:/q', '../p:/again', '../pp/x:/x']\n",
        "workspace: {path: ., exclude: [cache]}\n",
        "mounts: ['.:/p:ro', './sub:/sub:ro']\n",
        "workspace: {mode: volume}\nmounts: ['./cache:/cache']\n",
    ] {
        graph(text, PathFacts::default());
    }
}

#[test]
fn moats_own_files_and_keys_are_refused() {
    let private = |path: &str, kind, locations: &[&str]| Private {
        path: PathBuf::from(path),
        kind,
        locations: locations.iter().map(PathBuf::from).collect(),
    };
    let all = vec![
        private("/home/me/.local/state/moat", PrivateKind::State, &["/home/me/.local/state", "/data/state/moat"]),
        private("/home/me/.ssh", PrivateKind::Keys, &["/home/me/.ssh"]),
    ];
    let facts = |links_of: &[(&str, &[&str])]| PathFacts { private: all.clone(), ..links(links_of) };
    refused(
        "workspace: '~'\nmounts: ['/data/state:/a:ro', '~/.local/state/moat/audit:/b', '/data/state/moat/keys:/c']\n",
        facts(&[]),
        &expect![[r#"
            agent.yaml:3:12: `~` exposes moat's own files in `/home/me/.local/state/moat` to the sandbox
            agent.yaml:4:10: `/data/state` exposes moat's own files in `/home/me/.local/state/moat` to the sandbox
            agent.yaml:4:31: `~/.local/state/moat/audit` exposes moat's own files in `/home/me/.local/state/moat` to the sandbox
            agent.yaml:4:63: `/data/state/moat/keys` exposes moat's own files in `/home/me/.local/state/moat` to the sandbox
        "#]],
    );
    refused(
        "mounts: ['/mnt/all:/d']\n",
        facts(&[("/mnt/all", &["/mnt/all", "/home"])]),
        &expect![[r#"
        agent.yaml:3:10: `/mnt/all` exposes moat's own files in `/home/me/.local/state/moat` to the sandbox
    "#]],
    );
    let keys = PathFacts { private: all[1..].to_vec(), ..PathFacts::default() };
    refused(
        "mounts: ['/home:/h:ro']\n",
        keys,
        &expect![[r#"
        agent.yaml:3:10: `/home` exposes your keys in `/home/me/.ssh` to the sandbox
    "#]],
    );
    // By their own path they are what the spec names.
    graph("mounts: ['~/.ssh:/root/.ssh:ro', '~/.ssh/known_hosts:/k:ro', '~/.config:/c']\n", facts(&[]));
}

fn repository(path: &str, found: Repository) -> PathFacts {
    PathFacts { repositories: [(PathBuf::from(path), found)].into(), ..PathFacts::default() }
}

#[test]
fn hooks_are_read_only_and_their_parents_irreplaceable() {
    let whole = |hooks| repository("/home/me/p", Repository::Whole { hooks });
    let extras = |text: &str, hooks| shown(&main_of(&graph(text, whole(hooks))).extras.mounts);
    expect![[r#"
        /home/me/p/.git /workspace/.git rw
        /home/me/p/.git/hooks /workspace/.git/hooks ro
    "#]]
    .assert_eq(&extras("workspace: .\n", HooksFolder::Folder));
    expect![[r#"
        /home/me/p/.git /w/.git rw
        empty /w/.git/hooks ro
    "#]]
    .assert_eq(&extras("mounts: ['.:/w']\n", HooksFolder::Missing));
    assert_eq!(extras("workspace: .\n", HooksFolder::Other), "");
    assert_eq!(extras("mounts: ['.:/w:ro']\n", HooksFolder::Folder), "");
    assert_eq!(extras("workspace: {path: ., exclude: [.git]}\n", HooksFolder::Folder), "");
}

fn worktree(named: &str) -> Repository {
    let common = PathBuf::from("/home/me/repo/.git");
    Repository::Worktree(Worktree { named: PathBuf::from(named), common, hooks: HooksFolder::Folder })
}

#[test]
fn a_work_tree_has_its_common_directory_where_git_looks_for_it() {
    let graph = graph("workspace: .\n", repository("/home/me/p", worktree("/home/me/repo/.git/worktrees/p")));
    let config = main_of(&graph);
    expect![[r#"
        /home/me/p /workspace rw
        /home/me/repo/.git /home/me/repo/.git rw
    "#]]
    .assert_eq(&shown(&config.mounts));
    assert_eq!(shown(&config.extras.mounts), "/home/me/repo/.git/hooks /home/me/repo/.git/hooks ro\n");
    expect![[r#"
        GIT_CONFIG_COUNT=3
        GIT_CONFIG_KEY_0=safe.directory
        GIT_CONFIG_KEY_1=safe.directory
        GIT_CONFIG_KEY_2=gc.worktreePruneExpire
        GIT_CONFIG_VALUE_0=/workspace
        GIT_CONFIG_VALUE_1=/workspace/*
        GIT_CONFIG_VALUE_2=never
    "#]]
    .assert_eq(&config.extras.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<Vec<_>>().concat());
}

#[test]
fn the_path_of_a_relative_work_tree_is_relative_to_the_workspace() {
    let found = repository("/home/me/p", worktree("../repo/.git/worktrees/p"));
    let graph = graph("workspace: .\n", found.clone());
    assert!(shown(&main_of(&graph).mounts).contains("/home/me/repo/.git /repo/.git rw\n"));
    // An existing path needs no mount.
    let spec = spec("workspace: .\nmounts: ['~/repo:/repo']\n", found);
    let graph = compile(&spec, &Capabilities::builtin()).expect("the parts fit");
    assert_eq!(main_of(&graph).mounts.len(), 2);
}

#[test]
fn unsupported_repositories_are_reported() {
    let said = |found| {
        format!("{}\n", warnings(&spec("workspace: .\n", repository("/home/me/p", found)), &Capabilities::builtin()))
    };
    expect![[r#"
        agent.yaml:3:12: git does not work in the sandbox: the workspace is a subfolder of the repository `/home`
    "#]]
    .assert_eq(&said(Repository::Part { root: PathBuf::from("/home") }));
    expect![[r#"
        agent.yaml:3:12: git does not work in the sandbox: the git directory `/x` does not know this workspace
    "#]]
    .assert_eq(&said(Repository::Elsewhere { git_dir: PathBuf::from("/x") }));
}

#[test]
fn new_hook_guards_recreate_no_container() {
    let text = "workspace: .\n";
    let before = applied(&graph(text, PathFacts::default()));
    let found = repository("/home/me/p", Repository::Whole { hooks: HooksFolder::Folder });
    assert_eq!(plan(&graph(text, found.clone()), &before), "");
    assert_eq!(plan(&graph(text, PathFacts::default()), &applied(&graph(text, found))), "");
}

/// Until 0.1.0 files of the spec were mounted over themselves.
#[test]
fn guards_of_an_older_version_recreate_no_container() {
    let wanted = graph("workspace: .\nmounts: ['/srv:/srv:ro']\n", PathFacts::default());
    let mut before = applied(&wanted);
    for facts in &mut before.containers {
        let owner = facts.owner.as_mut().expect("ours");
        let guarded = "\"/srv\":\"path:/srv:ro\",\"/workspace/agent.yaml\":\"path:/home/me/p/agent.yaml:ro\",";
        owner.config = owner.config.replace("\"/srv\":\"path:/srv:ro\",", guarded);
        assert!(owner.config.contains("agent.yaml"), "{}", owner.config);
        owner.hash = moat_model::resource::ConfigHash::of(&owner.config);
    }
    assert_eq!(plan(&wanted, &before), "");
}

const CONF: &str = "mounts: ['./conf.json:/etc/app/conf.json']\n";

/// The host's current file.
fn file(inode: u64, born: i64) -> HostFile {
    HostFile { device: 1, inode, born: Some(born), modified: born, changed: born, linked: None }
}

fn with_file(text: &str, file: HostFile) -> Graph {
    let path = PathBuf::from("/home/me/p/conf.json");
    graph(text, PathFacts { files: [(path, file)].into(), ..PathFacts::default() })
}

/// A state in which main was started at 100.
fn started(graph: &Graph) -> Observed {
    let mut observed = applied(graph);
    let (id, config) = (container(&mut observed, "main").id.clone(), main_of(graph));
    let live = Live {
        limits: config.limits,
        restart: Some(config.restart),
        privileged: config.privileged,
        restarts: 0,
        started: Some(100),
    };
    observed.live.insert(id, live);
    observed
}

#[test]
fn a_mounted_file_that_was_replaced_restarts_its_container() {
    let (old, new) = (with_file(CONF, file(7, 50)), with_file(CONF, file(8, 150)));
    let mut before = started(&old);
    assert_eq!(plan(&old, &before), "");
    expect![[r#"
        1.  restart container moat-a-R: `/home/me/p/conf.json` was replaced on the host; the container still has the old file
        2.  await container moat-a-R after 1: `/home/me/p/conf.json` was replaced on the host; the container still has the old file
    "#]]
    .assert_eq(&plan(&new, &before));
    // Edited in place, touched, or existing before the start.
    let edited = HostFile { modified: 150, changed: 150, ..file(7, 50) };
    assert_eq!(plan(&with_file(CONF, edited), &before), "");
    assert_eq!(plan(&with_file(CONF, file(8, 90)), &before), "");
    // A stopped container gets the new file at its start; the files of a remote engine are unknown.
    before.live.values_mut().for_each(|live| live.started = None);
    assert_eq!(plan(&new, &before), "");
    container(&mut before, "main").state = ContainerState::Exited;
    assert!(plan(&new, &before).starts_with("1.  start container"), "{}", plan(&new, &before));
    // A one-shot command does not run again.
    let once = format!("{CONF}restart: 'no'\ncommand: make\n");
    assert_eq!(plan(&with_file(&once, file(8, 150)), &started(&with_file(&once, file(7, 50)))), "");
}

/// An older file is detected by the label from the creation.
#[test]
fn a_container_records_its_mounted_files() {
    let before = with_file(CONF, file(7, 50));
    let created = compute(&before, &super::world::images_only(&before), &Options::default());
    let labels = created.operations.iter().find_map(|operation| match &operation.action {
        moat_plan::Action::CreateContainer { labels, .. } => Some(labels.clone()),
        _ => None,
    });
    let labels = labels.expect("a creation");
    assert_eq!(labels["moat.files"], r#"{"/home/me/p/conf.json":"1:7"}"#);
    let mut observed = started(&before);
    container(&mut observed, "main").owner = moat_model::resource::label::Ownership::read(&labels);
    let moved = HostFile { changed: 150, ..file(8, 50) };
    assert!(plan(&with_file(CONF, moved), &observed).starts_with("1.  restart container"));
    let its_mode = HostFile { changed: 150, ..file(7, 50) };
    assert_eq!(plan(&with_file(CONF, its_mode), &observed), "");
}
