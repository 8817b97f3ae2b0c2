# The kinds of engines that the lab can start; sourced by `engine`, which sets `cache`, `run`, `tag` and `kind`.
#
# A kind is a Debian tree, the mounts it needs in its namespaces, and the command that starts its daemon.
# shellcheck shell=bash disable=SC2154

# The first one is what `engine up` starts, and what the whole suite runs on.
kinds="docker-26 docker-20 docker-28 docker-28-containerd docker-userns docker-rootless podman podman-rootless"

common_packages=docker-registry,iptables,iproute2,ca-certificates,procps,util-linux,mount,tini
docker_packages=$common_packages,docker.io
rootless_packages=rootlesskit,slirp4netns,uidmap
podman_packages=$common_packages,podman,crun,netavark,aardvark-dns,nftables,passt,catatonit,containers-storage,uidmap

user=1000 # who runs a rootless engine
home=/home/lab

# The tree of the kind, in the cache.
tree_of() {
    case $1 in
        docker-26 | docker-userns) echo tree ;;
        docker-20) echo tree-bookworm ;;
        docker-28 | docker-28-containerd | docker-rootless) echo tree-sid ;;
        podman | podman-rootless) echo tree-podman ;;
    esac
}

# Where the engine keeps its data, below its root.
data_of() {
    case $1 in
        *-rootless) echo "${home#/}/.local/share" ;;
        podman) echo var/lib/containers ;;
        *) echo var/lib/docker ;;
    esac
}

# Rootless engines have their socket in the user's runtime directory, which is a folder of the host as well.
socket_of() {
    case $1 in
        *-rootless) echo "$run/user/docker.sock" ;;
        *) echo "$run/docker.sock" ;;
    esac
}

# The stage of `build` that makes the tree; the tree of the first kind is the base of the images too.
build_tree() { # KIND
    case $(tree_of "$1") in
        tree) ;;
        tree-bookworm) stage tree-bookworm "1 $docker_packages" make_tree bookworm $docker_packages ;;
        # docker-cli is only recommended.
        tree-sid) stage tree-sid "1 $docker_packages $rootless_packages" make_tree sid $docker_packages,docker-cli,$rootless_packages ;;
        tree-podman) stage tree-podman "1 $podman_packages" make_tree podman $podman_packages ;;
    esac
}

make_tree() { # NAME PACKAGES
    local tree=$cache/tmp/tree-$1 release=$1 options=() path
    [ "$1" != podman ] || release=trixie
    # Perl is left out of the others, and merges /usr in this one.
    [ "$1" = bookworm ] || for path in "${base_without[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done
    rm -rf "$tree" "$cache/tree-$1"
    TMPDIR=$cache/tmp mmdebstrap --aptopt='Acquire::Check-Valid-Until "false"' --variant=essential \
        --dpkgopt=force-unsafe-io "${options[@]}" --include="$2" "$release" "$tree"
    mv "$tree" "$cache/tree-$1"
}

# Mounts and files of the kind, below the future root, which is the current folder.
furnish() {
    case $kind in
        # For tests that name a runtime.
        docker-26) daemon_json '"runtimes": {"other": {"path": "runc"}}' ;;
        docker-20) capabilities || without_missing_capability ;;
        docker-28-containerd) daemon_json '"features": {"containerd-snapshotter": true}' ;;
        docker-userns)
            account dockremap 100000
            daemon_json '"userns-remap": "dockremap"'
            ;;
        docker-rootless)
            daemon_json
            as_user
            mkdir -p ".$home/.config/docker"
            cp etc/docker/daemon.json ".$home/.config/docker/"
            ;;
        podman)
            podman_conf
            # crun refuses a machine with both versions of cgroups.
            umount -l sys/fs/cgroup/unified 2>/dev/null || true
            ;;
        podman-rootless)
            podman_conf
            as_user
            ;;
    esac
    [ -e etc/docker/daemon.json ] || [[ $kind = podman* ]] || daemon_json
}

daemon_json() { # [MORE]
    mkdir -p etc/docker
    echo "{${1:+$1, }\"registry-mirrors\": [\"http://$registry:5000\"], \"insecure-registries\": [\"$registry:5000\"]}" \
        >etc/docker/daemon.json
}

account() { # NAME FIRST-SUBORDINATE-ID
    echo "$1:x:$user:$user::$home:/bin/sh" >>etc/passwd
    echo "$1:x:$user:" >>etc/group
    echo "$1:$2:65536" | tee -a etc/subuid >>etc/subgid
}

# What a user needs to run an engine: subordinate ids, a device, and a cgroup of version 2 of its own.
as_user() {
    account lab 100000
    mkdir -p ".$home/.local/share" "run/user/$user"
    mount --bind "$run/user" "run/user/$user"
    chown -R $user:$user ".$home" "$run/user"
    mknod -m 666 /mnt/fuse c 10 229
    mount --bind /mnt/fuse dev/fuse
    umount -lR sys/fs/cgroup
    mount -t cgroup2 cgroup sys/fs/cgroup
    delegate sys/fs/cgroup
    mkdir -p "sys/fs/cgroup/$tag/init"
    delegate "sys/fs/cgroup/$tag"
    chown -R $user:$user "sys/fs/cgroup/$tag"
}

# The controllers that the machine has not given to version 1.
delegate() { # GROUP
    local controller
    for controller in $(cat "$1/cgroup.controllers"); do
        echo "+$controller" >"$1/cgroup.subtree_control" 2>/dev/null || true
    done
}

podman_conf() {
    mkdir -p etc/containers
    cat >etc/containers/registries.conf <<TOML
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "$registry:5000"
insecure = true
[[registry]]
location = "$registry:5000"
insecure = true
TOML
    echo '{"default": [{"type": "insecureAcceptAnything"}]}' >etc/containers/policy.json
    printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\ncgroups = "enabled"\n' \
        >etc/containers/containers.conf
}

# Whether root has all capabilities here; Docker before 23 gives a privileged container those that root lacks.
capabilities() { [ "$((16#$(sed -n 's/^CapBnd:\t//p' /proc/self/status) & 1 << 24))" != 0 ]; }

# A runtime that leaves CAP_SYS_RESOURCE out.
without_missing_capability() {
    cat >usr/local/bin/runc-without <<'SH'
#!/bin/sh
# Drops a capability that this machine lacks from what dockerd asks for.
bundle= process= last=
for word; do
    case $last in --bundle | -b) bundle=$word ;; --process | -p) process=$word ;; esac
    last=$word
done
for file in "${bundle:+$bundle/config.json}" "$process"; do
    [ -z "$file" ] || sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g' "$file"
done
exec runc "$@"
SH
    chmod 755 usr/local/bin/runc-without
    daemon_json '"runtimes": {"without": {"path": "/usr/local/bin/runc-without"}}, "default-runtime": "without"'
}

# The daemon's command, run inside. It writes its pid to /run/engine.pid.
daemon() {
    case $kind in
        docker-rootless)
            become $user DOCKERD_ROOTLESS_ROOTLESSKIT_NET=slirp4netns DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=1500 \
                /usr/share/docker.io/contrib/dockerd-rootless.sh --host "unix:///run/user/$user/docker.sock"
            ;;
        podman-rootless) become $user podman system service --time=0 "unix:///run/user/$user/docker.sock" ;;
        podman) exec podman system service --time=0 unix:///run/lab/docker.sock ;;
        *) exec dockerd --host unix:///run/lab/docker.sock --host unix:///var/run/docker.sock --group root \
            --pidfile /run/dockerd.pid --cgroup-parent "/$tag" ;;
    esac
}

become() { # USER-ID [NAME=VALUE...] COMMAND...
    echo 0 >"/sys/fs/cgroup/$tag/init/cgroup.procs"
    cd $home
    exec setpriv --reuid "$1" --regid "$1" --init-groups --inh-caps=-all env -i HOME=$home USER=lab \
        XDG_RUNTIME_DIR="/run/user/$1" PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"
}
