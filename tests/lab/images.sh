# Builds what the lab's engine runs on and pulls; sourced by `engine`, which sets `cache`, `repo` and `registry`.
#
# Images are written straight into the registry's storage, each layer an uncompressed tar (so its digest is its
# diff id too): no engine is needed to make them, nothing is compressed or pushed, and the engine really pulls them.
# shellcheck shell=bash disable=SC2154

# Tags under which tests pull the stand-ins: the pinned ones of `specs/`, and common ones.
dind_tags="29.7.2-dind dind"
buildkit_tags="v0.32.2 latest"
dind_rootless_tags="29.7.2-dind-rootless dind-rootless"
buildkit_rootless_tags="v0.32.2-rootless rootless"

base_packages=docker.io,docker-cli,docker-registry,iptables,iproute2,ca-certificates,git,procps,util-linux,mount
# Left out of the base, since every test pulls it: documentation, and what neither dockerd nor git needs to run.
base_without=('/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' '/usr/share/zoneinfo/*' '/usr/share/perl/*'
    '/usr/lib/*/perl/*' '/usr/lib/*/gconv/*' /usr/bin/ctr /usr/bin/containerd-shim /usr/bin/containerd-shim-runc-v1)
plugins=usr/libexec/docker/cli-plugins # where Debian's packages have them

service_packages=postgresql-17,redis-server,mariadb-server,gosu
# The just-in-time compiler is larger than all else, and nothing is lost without it.
service_without=('/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' '*/libLLVM*' '/usr/lib/postgresql/*/lib/bitcode/*')

# What of the base the official image has in /usr/local/bin; below /usr.
dind_programs="bin/containerd bin/containerd-shim-runc-v2 bin/docker bin/docker-init sbin/docker-proxy sbin/dockerd sbin/runc"

# What runs a daemon as a user. Debian's newuidmap is setuid root, which the kernel refuses where root has no CAP_SYS_ADMIN;
# with file capabilities it works there.
rootless_image_packages=rootlesskit,slirp4netns,uidmap,fuse-overlayfs
rootless_files=(bin/{rootlesskit,rootlesskit-docker-proxy,slirp4netns,newuidmap,newgidmap,fuse-overlayfs}
    lib/*/lib{slirp,glib-2.0,fuse3,cap-ng,atomic}.so.*)

# `engine build`. Everything in it is kept until what it is made of changes.
build() {
    mkdir -p "$cache"/{layers,stamps,host,tmp}
    local jobs=() job
    # The base takes longest; the others run next to it, and end with this process if one fails.
    {
        stage base "$base_packages ${base_without[*]} $registry" make_base
        stage rootless "3 $rootless_image_packages $(cat "$cache/layers/base.digest")" make_rootless
    } & jobs+=($!)
    { stage trixie 2 make_trixie; stage sid 1 make_sid; } & jobs+=($!)
    stage dind "$dind_programs $(cat "$here/dockerd-entrypoint.sh")" make_dind & jobs+=($!)
    stage services "$service_packages ${service_without[*]} $(cat "$here/service-entrypoint.sh")" make_services & jobs+=($!)
    stage stand-in "$(cd "$here/buildkit" && sha256sum -- * | sha256sum)" make_stand_in & jobs+=($!)
    stage slim "2 ${service_without[*]}" make_slim & jobs+=($!)
    build_tree "$kind" & jobs+=($!)
    for job in "${jobs[@]}"; do
        wait "$job" || die "the cache in $cache is not complete"
    done
    local key
    key=$(cat "$here/images.sh" "$cache"/layers/*.digest | sha256sum)
    stage registry "$key" make_registry & wait $! || die "the cache in $cache is not complete"
}

# Runs MAKE unless its result for the same KEY is there still. To be run as a job: a failure ends the shell it runs in.
stage() { # NAME KEY MAKE [ARGUMENT...]
    local stamp=$cache/stamps/$1
    [ "$(cat "$stamp" 2>/dev/null)" != "$2" ] || return 0
    say "making $1"
    rm -f "$stamp"
    # shellcheck disable=SC2064
    trap "say 'could not make $1; the end of its log:'; tail -n 15 '$cache/$1.log' >&2" EXIT
    "${@:3}" >"$cache/$1.log" 2>&1
    trap - EXIT
    printf '%s\n' "$2" >"$stamp"
}

# Debian 13, unpacked: the engine's own root, and the lowest layer of the images.
make_base() {
    local tree=$cache/tmp/tree options=() path
    for path in "${base_without[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done
    rm -rf "$tree" "$cache/tree"
    TMPDIR=$cache/tmp mmdebstrap --variant=essential --dpkgopt=force-unsafe-io "${options[@]}" \
        --include=$base_packages trixie "$tree"
    mkdir -p "$tree/etc/docker"
    echo "{\"registry-mirrors\": [\"http://$registry:5000\"], \"insecure-registries\": [\"$registry:5000\"]}" \
        >"$tree/etc/docker/daemon.json"
    layer base "$tree"
    cp "$tree/usr/bin/docker" "$cache/host/docker"
    mv "$tree" "$cache/tree"
}

# Debian 13's buildx is too old for `default-load`, which is what one image is for.
make_trixie() {
    unpack trixie docker-buildx,busybox-static
    plugin buildx-old trixie docker-buildx
    local root=$cache/tmp/busybox applet
    mkdir -p "$root"/{bin,etc,root,tmp}
    echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
    cp "$cache/tmp/trixie/usr/bin/busybox" "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do
        [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
    done
    layer busybox "$root"
    rm -rf "$cache/tmp/trixie"
}

make_sid() {
    unpack sid docker-buildx,docker-compose
    plugin buildx sid docker-buildx
    plugin compose sid docker-compose
    cp "$cache/tmp/sid/$plugins/docker-compose" "$cache/host/docker-compose"
    rm -rf "$cache/tmp/sid"
}

# Packages of a release into a folder, without installing them.
unpack() { # RELEASE PACKAGES
    rm -rf "$cache/tmp/$1"
    TMPDIR=$cache/tmp mmdebstrap --aptopt='Acquire::Check-Valid-Until "false"' --variant=extract --include="$2" \
        "$1" "$cache/tmp/$1"
}

plugin() { # LAYER RELEASE PLUGIN
    local root=$cache/tmp/$1
    mkdir -p "$root/usr/local/libexec/docker/cli-plugins" # where the official image has them
    cp "$cache/tmp/$2/$plugins/$3" "$root/usr/local/libexec/docker/cli-plugins/"
    layer "$1" "$root"
}

make_dind() {
    mkdir -p "$cache/tmp/dind/usr/local/bin"
    install -m 755 "$here/dockerd-entrypoint.sh" "$cache/tmp/dind/usr/local/bin/"
    # Where the official image has them. Links are enough: whoever copies them gets what they lead to.
    local program
    for program in $dind_programs; do ln -s "/usr/$program" "$cache/tmp/dind/usr/local/bin/"; done
    layer dind "$cache/tmp/dind"
}

# The user of both rootless images, and what it needs to run a daemon. Only this user's home and runtime directory, which
# differ between the images, are made by `make_home`.
make_rootless() {
    local root=$cache/tmp/rootless file
    rm -rf "$cache/tmp/rootless-packages" "$root"
    TMPDIR=$cache/tmp mmdebstrap --variant=extract --include=$rootless_image_packages trixie "$cache/tmp/rootless-packages"
    for file in "${rootless_files[@]}"; do
        for file in "$cache/tmp/rootless-packages/usr"/$file; do
            mkdir -p "$root/usr/${file#"$cache/tmp/rootless-packages/usr/"}" && rmdir "$root/usr/${file#"$cache/tmp/rootless-packages/usr/"}"
            cp -a "$file" "$root/usr/${file#"$cache/tmp/rootless-packages/usr/"}"
        done
    done
    rm -rf "$cache/tmp/rootless-packages"
    chmod u-s "$root"/usr/bin/new?idmap
    setcap cap_setuid+ep "$root/usr/bin/newuidmap"
    setcap cap_setgid+ep "$root/usr/bin/newgidmap"
    mkdir -p "$root/etc"
    cp "$cache/tree/etc"/{passwd,group} "$root/etc/"
    # The users of the two official images, and the home directories that they have there.
    make_user rootless-dind rootless .local/share/docker
    make_user rootless-buildkit user .local/share/buildkit
    rm -rf "$root/etc"
    layer rootless "$root"
}

make_user() { # LAYER NAME DATA
    local tree=$cache/tmp/$1
    rm -rf "$tree"
    mkdir -p "$tree/etc" "$tree/home/$2/$3" "$tree/home/$2/.config/docker" "$tree/home/$2/.local/tmp" "$tree/run/user/1000" "$tree/run/buildkit"
    cp "$cache/tree/etc"/{passwd,group} "$tree/etc/"
    echo "$2:x:1000:1000::/home/$2:/bin/sh" >>"$tree/etc/passwd"
    echo "$2:x:1000:" >>"$tree/etc/group"
    echo "$2:100000:65536" | tee "$tree/etc/subuid" >"$tree/etc/subgid"
    cp "$cache/tree/etc/docker/daemon.json" "$tree/home/$2/.config/docker/"
    chmod 1777 "$tree/run/user"
    chown -R 1000:1000 "$tree/home/$2" "$tree/run/user/1000" "$tree/run/buildkit"
    layer "$1" "$tree"
}

# What images that moat makes are based on: a Debian that can install packages.
make_slim() {
    local tree=$cache/tmp/slim options=() path
    for path in "${service_without[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done
    rm -rf "$tree"
    TMPDIR=$cache/tmp mmdebstrap --variant=minbase --dpkgopt=force-unsafe-io "${options[@]}" trixie "$tree"
    rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/* "$tree"/dev
    # The official image of Node.js has a user of the number that Debian gives to the first person.
    mkdir -p "$cache/tmp/node/etc" "$cache/tmp/node/home/node"
    cp "$tree"/etc/{passwd,group} "$cache/tmp/node/etc/"
    echo "node:x:1000:1000::/home/node:/bin/bash" >>"$cache/tmp/node/etc/passwd"
    echo "node:x:1000:" >>"$cache/tmp/node/etc/group"
    layer slim "$tree"
    # A runtime is a program that tells its version, where the official image has it.
    local runtime
    for runtime in "node:v22.0.0" "python3:Python 3.12.0"; do
        mkdir -p "$cache/tmp/${runtime%%:*}/usr/local/bin"
        printf '#!/bin/sh\necho "%s"\n' "${runtime#*:}" >"$cache/tmp/${runtime%%:*}/usr/local/bin/${runtime%%:*}"
        chmod 755 "$cache/tmp/${runtime%%:*}/usr/local/bin/${runtime%%:*}"
        layer "${runtime%%:*}" "$cache/tmp/${runtime%%:*}"
    done
}

# One tree for three images: they are of the same Debian, and are pulled once.
make_services() {
    local tree=$cache/tmp/services options=() path
    for path in "${service_without[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done
    rm -rf "$tree"
    # shellcheck disable=SC2016
    TMPDIR=$cache/tmp mmdebstrap --variant=essential --dpkgopt=force-unsafe-io "${options[@]}" \
        --essential-hook='mkdir -p "$1/etc/postgresql-common" &&
            echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
        --include=$service_packages trixie "$tree"
    rm -rf "$tree"/var/lib/mysql/* "$tree"/var/cache/* "$tree"/dev
    mkdir -p "$tree/data" "$tree/usr/local/bin"
    install -m 755 "$here/service-entrypoint.sh" "$tree/usr/local/bin/docker-entrypoint.sh"
    layer services "$tree"
}

# The BuildKit stand-in is a package of its own in this workspace, so that it needs neither the rest nor its state.
# Its target folder is its own too, so that it is built while cargo builds the project.
make_stand_in() {
    local root=$cache/tmp/buildkit
    command -v cargo || { echo "cargo is not in PATH: install Rust" && false; }
    cargo build --manifest-path "$here/buildkit/Cargo.toml" --target-dir "$cache/cargo" --config profile.dev.debug=false
    mkdir -p "$root/usr/bin"
    strip -o "$root/usr/bin/buildkitd" "$cache/cargo/debug/lab-buildkit"
    ln -s buildkitd "$root/usr/bin/buildctl"
    layer buildkit "$root"
}

# A folder becomes a layer: the same bytes for the same files, so that an unchanged image keeps its digest.
layer() { # NAME DIR
    local tar=$cache/layers/$1.tar
    tar --sort=name --numeric-owner --mtime=@0 --xattrs --xattrs-include=security.capability --exclude='./dev/*' -C "$2" -cf "$tar.new" .
    mv "$tar.new" "$tar"
    # As a new file: another checkout may have a hard link to the old one.
    sha256sum "$tar" | cut -c1-64 >"$tar.digest"
    mv "$tar.digest" "$cache/layers/$1.digest"
    [ "$1" = base ] || rm -rf "$2"
}

make_registry() {
    local dind='"Entrypoint": ["dockerd-entrypoint.sh"], "Volumes": {"/var/lib/docker": {}},
        "ExposedPorts": {"2375/tcp": {}, "2376/tcp": {}}'
    local env='"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
    rm -rf "$cache/registry"
    dind="$dind, \"Env\": [$env, \"DOCKER_TLS_CERTDIR=/certs\"]"
    image library/docker "$dind_tags" "$dind" base dind compose buildx
    image library/docker "29.7.2-cli cli" "\"Cmd\": [\"sh\"], \"Env\": [$env]" base compose buildx
    image lab/dind-old-buildx latest "$dind" base dind compose buildx-old
    image lab/dind-no-buildx latest "$dind" base dind
    image moby/buildkit "$buildkit_tags" "\"Entrypoint\": [\"buildkitd\"], \"Env\": [$env],
        \"Volumes\": {\"/var/lib/buildkit\": {}}" base buildkit
    image library/docker "$dind_rootless_tags" "\"Entrypoint\": [\"dockerd-entrypoint.sh\"], \"User\": \"rootless\",
        \"Volumes\": {\"/home/rootless/.local/share/docker\": {}},
        \"Env\": [$env, \"DOCKER_TLS_CERTDIR=/certs\"]" base dind compose buildx rootless rootless-dind
    image moby/buildkit "$buildkit_rootless_tags" "\"Entrypoint\": [\"rootlesskit\", \"buildkitd\"], \"User\": \"1000:1000\",
        \"Volumes\": {\"/home/user/.local/share/buildkit\": {}},
        \"Env\": [$env, \"HOME=/home/user\", \"USER=user\", \"XDG_RUNTIME_DIR=/run/user/1000\", \"TMPDIR=/home/user/.local/tmp\",
        \"BUILDKIT_HOST=unix:///run/user/1000/buildkit/buildkitd.sock\"]" base buildkit rootless rootless-buildkit
    local service='"Entrypoint": ["docker-entrypoint.sh"]' postgres=/usr/lib/postgresql/17/bin
    image library/postgres 17 "$service, \"Cmd\": [\"postgres\"], \"Volumes\": {\"/var/lib/postgresql/data\": {}},
        \"Env\": [${env%\"}:$postgres\", \"PGDATA=/var/lib/postgresql/data\", \"PG_MAJOR=17\"]" services
    image library/redis 7 "$service, \"Cmd\": [\"redis-server\"], \"Volumes\": {\"/data\": {}},
        \"WorkingDir\": \"/data\", \"Env\": [$env]" services
    image library/mysql 8 "$service, \"Cmd\": [\"mysqld\"], \"Volumes\": {\"/var/lib/mysql\": {}}, \"Env\": [$env]" services
    image library/debian "trixie-slim" "\"Cmd\": [\"bash\"], \"Env\": [$env]" slim
    image library/node 22-trixie-slim "\"Entrypoint\": [\"docker-entrypoint.sh\"], \"Cmd\": [\"node\"], \"Env\": [$env]" slim node
    image library/python 3.12-slim-trixie "\"Cmd\": [\"python3\"], \"Env\": [$env]" slim python3
    image library/busybox latest "\"Cmd\": [\"sh\"], \"Env\": [$env]" busybox
    # In place of a sidecar: one that runs and never answers, one that ends at once.
    image lab/silent latest "\"Entrypoint\": [\"sh\", \"-c\", \"exec sleep 1000000\"], \"Env\": [$env]" busybox
    image lab/dies latest "\"Entrypoint\": [\"sh\", \"-c\", \"echo giving up; exit 7\"], \"Env\": [$env]" busybox
}

# Writes an image as the registry stores it: blobs by digest, and links to them from the repository.
image() { # REPOSITORY TAGS CONFIG LAYER...
    local v2=$cache/registry/docker/registry/v2 name=$1 tags=$2 config=$3
    shift 3
    local link=$v2/repositories/$name diffs="" layers="" layer digest tag
    for layer in "$@"; do
        digest=$(cat "$cache/layers/$layer.digest")
        blob "$cache/layers/$layer.tar" "$digest"
        link_to "$link/_layers" "$digest"
        diffs+=", \"sha256:$digest\""
        layers+=", {\"mediaType\": \"application/vnd.oci.image.layer.v1.tar\",
            \"size\": $(stat -c %s "$cache/layers/$layer.tar"), \"digest\": \"sha256:$digest\"}"
    done
    cat >"$cache/tmp/config" <<JSON
{"architecture": "$(dpkg --print-architecture)", "os": "linux", "created": "2026-01-01T00:00:00Z",
 "config": {$config, "Labels": {"moat.lab": "a stand-in made by tests/lab for tests; never what users get"}},
 "rootfs": {"type": "layers", "diff_ids": [${diffs#, }]}}
JSON
    digest=$(sha256sum "$cache/tmp/config" | cut -c1-64)
    blob "$cache/tmp/config" "$digest"
    link_to "$link/_layers" "$digest"
    cat >"$cache/tmp/manifest" <<JSON
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
  "size": $(stat -c %s "$cache/tmp/config"), "digest": "sha256:$digest"},
 "layers": [${layers#, }]}
JSON
    digest=$(sha256sum "$cache/tmp/manifest" | cut -c1-64)
    blob "$cache/tmp/manifest" "$digest"
    link_to "$link/_manifests/revisions" "$digest"
    for tag in $tags; do
        link_to "$link/_manifests/tags/$tag/index" "$digest"
        mkdir -p "$link/_manifests/tags/$tag/current"
        printf 'sha256:%s' "$digest" >"$link/_manifests/tags/$tag/current/link"
    done
    rm "$cache/tmp/config" "$cache/tmp/manifest"
}

# A hard link where it can be: the layers are large.
blob() { # FILE DIGEST
    local dir=$v2/blobs/sha256/${2:0:2}/$2
    mkdir -p "$dir"
    ln -f "$1" "$dir/data"
}

link_to() { # DIR DIGEST
    mkdir -p "$1/sha256/$2"
    printf 'sha256:%s' "$2" >"$1/sha256/$2/link"
}
