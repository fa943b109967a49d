#!/bin/bash
# What this process may do, one line for each: "open", "closed" or "unknown" for what a sandbox should close, "works" or
# "broken" for what the daemon needs.

open() {
    local words=$1
    shift
    if "$@" >/dev/null 2>&1; then echo "open $words"; else echo "closed $words"; fi
}

needed() {
    local words=$1
    shift
    if "$@" >/dev/null 2>&1; then echo "works $words"; else echo "broken $words"; fi
}

open "other folders can be written" touch /srv/open/probe
open "files in the homes of others" test -e /home/outside
open "files of others in /tmp" test -e /tmp/outside
open "processes of others" test -e /proc/1/status
open "settings of the kernel" cat /proc/sys/kernel/osrelease
open "namespaces of users" unshare --user true
open "another personality" setarch -R true
setgid() {
    local file
    file=$(mktemp -p /var/lib/datadrop) && chmod g+s "$file"
    local status=$?
    rm -f "$file"
    return $status
}
open "files that run with their group" setgid

if command -v python3 >/dev/null; then
    # A version manager may stand in for it, and needs a home.
    python=$(PATH=/usr/bin:/bin command -v python3 || command -v python3)
    open "memory that is written and run" "$python" -c 'import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)'
    open "netlink" "$python" -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'
else
    echo "unknown memory that is written and run"
    echo "unknown netlink"
fi

# Nobody listens there: who is let through is refused, who is not waits in vain.
reaches() {
    local said
    said=$(timeout 1 bash -c ": <>/dev/tcp/$1/1" 2>&1)
    [[ $said == *"refused"* ]]
}
open "link-local addresses (the metadata services of clouds)" reaches 169.254.169.254
needed "loopback" reaches 127.0.0.1

none() {
    grep -q "^$1:[[:space:]]*$2\$" /proc/self/status
}
needed "its state directory can be written" rm -f "$(mktemp -p /var/lib/datadrop)"
between_places() {
    local file=/srv/datadrop/callcentre/.probe
    touch $file && mv $file /srv/datadrop/callcentre/done/.probe && rm /srv/datadrop/callcentre/done/.probe
}
needed "files move within a folder" between_places
if [ -n "${INVOCATION_ID-}" ]; then
    # CAP_LEASE, number 28.
    needed "no capability but one, whatever it starts" none CapBnd 0000000010000000
    needed "it has that one" none CapEff 0000000010000000
    needed "no new privileges" none NoNewPrivs 1
    needed "system calls are filtered" none Seccomp 2
fi
echo "works the end"
