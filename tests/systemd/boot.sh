#!/usr/bin/env bash
# Boots the systemd of this machine as process 1 of a throw-away copy of this machine, and lets it run a script.
#
#     boot.sh STAGE SECONDS
#
# STAGE is a directory; the guest sees it as /stage and runs /stage/guest.sh, whose output goes to STAGE/log. The copy is
# an overlay in memory over the root file system: what the guest writes is gone afterwards. It has processes, mounts,
# a host name, a loopback and control groups of its own.
#
# Exit status: 0 the script said so, 1 it did not, 124 or 137 it took longer than SECONDS, 77 this machine cannot do it
# (the reason is on standard error).
set -euo pipefail

self=$(realpath "$0")

cannot() {
    printf 'cannot boot a systemd here: %s\n' "$*" >&2
    exit 77
}

# --- on the machine -------------------------------------------------------------------------------------------------

start() {
    [ "$(id -u)" = 0 ] || cannot "this is not root"
    for program in /lib/systemd/systemd /bin/bash; do
        [ -x "$program" ] || cannot "there is no $program"
    done
    for program in unshare mount umount pivot_root setpriv timeout find realpath; do
        command -v "$program" >/dev/null || cannot "there is no $program"
    done
    unshare --mount --uts --ipc --net --cgroup --pid --fork true 2>/dev/null || cannot "no namespaces may be made"
    STAGE=$(realpath "$1") LIMIT=$2 WORK=$(mktemp -d)
    export STAGE LIMIT WORK
    local status=0
    unshare --mount --propagation private bash "$self" --outside || status=$?
    rmdir "$WORK"
    exit "$status"
}

# --- in a mount namespace of its own --------------------------------------------------------------------------------

groups=/sys/fs/cgroup

# Everything of the guest lies below one control group, so that it can be taken away whole.
outside() {
    local home mine status=0
    # Where this machine still mixes both versions, the guest sees the second alone.
    umount -R $groups 2>/dev/null || true
    mkdir -p $groups 2>/dev/null || true
    mount -t cgroup2 cgroup2 $groups 2>/dev/null || cannot "control groups (version 2) cannot be mounted"
    home=$groups$(sed -n 's/^0:://p' /proc/self/cgroup)
    mine=$groups/datadrop-test-$$
    mkdir "$mine" 2>/dev/null || cannot "no control group can be made"
    leave() {
        echo $$ 2>/dev/null >"$home/cgroup.procs" || echo $$ >$groups/cgroup.procs
        local try
        for try in 1 2 3 4 5 6 7 8 9 10; do
            find "$mine" -depth -type d -exec rmdir {} + 2>/dev/null || true
            # What was killed is still leaving.
            [ -d "$mine" ] && sleep "0.$try" || break
        done
    }
    trap leave EXIT
    echo $$ >"$mine/cgroup.procs" || cannot "no process can be moved into a control group"

    # The upper directory of an overlay must not lie in the lower one.
    mount -t tmpfs -o mode=755 tmpfs "$WORK" || cannot "no file system in memory"
    mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$WORK/root" 2>/dev/null ||
        cannot "no overlay can be mounted over the root file system"
    timeout -k 2 "$LIMIT" unshare --mount --uts --ipc --net --cgroup --pid --fork --kill-child \
        bash "$self" --inside || status=$?
    exit "$status"
}

# --- as process 1 of the guest --------------------------------------------------------------------------------------

inside() {
    local device
    cd "$WORK/root"
    mount --make-rprivate /
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    # The settings of the kernel are the machine's.
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t tmpfs -o mode=755 tmpfs dev
    for device in null zero full random urandom tty; do
        : >"dev/$device"
        mount --bind "/dev/$device" "dev/$device"
        # They are the machine's: what they do stays, and nothing in here changes whose they are or their mode.
        mount -o remount,bind,ro "dev/$device"
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    # The overlay is no local file system to the service, which would wait for a minute.
    mkdir -p stage run/systemd/system var/share
    for device in srv home var/share; do mount -t tmpfs -o mode=755 tmpfs "$device"; done
    mount --bind "$STAGE" stage

    # Of this machine's own set-up, what waits for its disks and what keeps packages from starting services goes.
    : >etc/fstab
    rm -f usr/sbin/policy-rc.d
    echo datadrop-test >etc/hostname
    printf '127.0.0.1 localhost\n' >etc/hosts
    cat >run/systemd/system/guest.service <<'UNIT'
[Unit]
Requires=basic.target
After=basic.target
SuccessAction=exit-force
FailureAction=exit-force
SuccessActionExitStatus=0
FailureActionExitStatus=1
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/bash /stage/guest.sh
StandardOutput=truncate:/stage/log
StandardError=inherit
UNIT
    mkdir .left
    pivot_root . .left
    umount -l /.left
    rmdir /.left
    # systemd takes it for granted; without it, credentials are empty directories for the services.
    mount --make-rshared /
    # What no namespace keeps apart is out of reach for everything in the guest: the machine's clock, its kernel, its ports.
    exec setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio \
        env -i container=datadrop-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=guest.service --show-status=no --log-target=journal
}

case $1 in
--outside) outside ;;
--inside) inside ;;
*) start "$@" ;;
esac
