#!/bin/sh
# What the official `docker:dind` does on start, as far as tests can tell the difference: without arguments, or with
# flags only, the daemon also listens on TCP; with a command of its own it runs just that.
set -eu
case "${1:-}" in
    "" | -*) set -- dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2375 --tls=false "$@" ;;
esac
if [ "$1" = dockerd ]; then
    rm -f /run/docker.pid /var/run/docker.pid
    # cgroup v2: processes leave the root, or nothing can be delegated to containers.
    if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
        mkdir -p /sys/fs/cgroup/init
        xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || :
        sed 's/ / +/g; s/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
    fi
fi
exec "$@"
