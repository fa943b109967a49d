#!/bin/bash
# Runs in the guest (boot.sh) and holds the installed service against what is promised of it, one line for each:
# "ok WORDS", or "not ok WORDS" and what there was to see. The last line begins with "all held" or says how many were not.
set -u
exec 2>&1
echo booted

# There is one clock for the guest and the machine (capability 25 sets it): not to be touched, even by a mistake in here.
allowed=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
if (((0x$allowed >> 25) & 1)); then
    echo "not ok the guest cannot set the clock of the machine (CapBnd $allowed)"
    exit 1
fi

failed=0

# check WORDS COMMAND...: the command succeeds.
check() {
    local words=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "ok $words"
    else
        echo "not ok $words"
        printf '    %s\n' "$*" "${said//$'\n'/$'\n'    }"
        failed=$((failed + 1))
    fi
}

# skip WORDS: what this machine cannot show, aloud.
skip() {
    echo "SKIPPED: $*"
}

# within SECONDS COMMAND...: the command succeeds before the time is over.
within() {
    local until=$((${EPOCHREALTIME//./} + $1 * 1000000))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "${EPOCHREALTIME//./}" -gt "$until" ]; then
            # Once more, for what it has to say.
            "$@"
            return
        fi
        sleep 0.05
    done
}

not() {
    ! "$@"
}

# show PROPERTY: of the service.
show() {
    systemctl show datadrop -p "$1" --value
}

is() {
    [ "$(show "$1")" = "$2" ] || {
        echo "$1 is $(show "$1")"
        return 1
    }
}

# as USER COMMAND...
as() {
    local user=$1
    shift
    setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"
}

# says WORDS COMMAND...: the command's output has these words.
says() {
    local words=$1 said
    shift
    said=$("$@" 2>&1)
    [[ $said == *"$words"* ]] || {
        printf '%s\n' "$said"
        return 1
    }
}

# journal ARGUMENTS...: of this boot, with all that was said so far.
journal() {
    journalctl --sync
    journalctl --quiet --no-pager "$@"
}

# http METHOD PATH [BODY]: asks the emulator.
http() {
    local body=${3-} line
    exec 3<>/dev/tcp/127.0.0.1/8610
    printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
        "$1" "$2" "${#body}" "$body" >&3
    while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
    cat <&3
    exec 3>&-
}

# accepted NAME: how often Adobe took it.
accepted() {
    http GET /_emulator/ledger | grep -o "\"name\":\"$1\"" | wc -l
}

was_accepted() {
    [ "$(accepted "$1")" -ge 1 ]
}

once() {
    [ "$(accepted "$1")" = 1 ] || {
        echo "$1 was accepted $(accepted "$1") times"
        return 1
    }
}

# state NAME: of its newest job.
state() {
    datadrop jobs list --name "$1" --json | grep -o '"state": *"[a-z]*"' | tail -1 | cut -d '"' -f 4
}

ended() {
    [ "$(state "$1")" = success ]
}

# arrives NAME: it comes to its end, and Adobe has it once.
arrives() {
    within 20 ended "$1" && once "$1"
}

# drop_as USER FOLDER NAME: a file that is complete at once.
drop_as() {
    as "$1" sh -c 'printf "Date\tEvar 1\tEvent 1\n11/20/2026\t%s\t1\n" "$2" >"$1/.$2" && mv "$1/.$2" "$1/$2"' - "$2" "$3"
}

# restarted: active, and as another process than $pid was, which the caller sets.
# shellcheck disable=SC2154
restarted() {
    [ "$(show ActiveState)" = active ] && [ "$(show MainPID)" != "$pid" ]
}

# account NAME ID FOLDER [KEY...]
account() {
    printf '[[account]]\nname = "%s"\nreport_suite_id = "examplersid"\ndata_source_id = %s\nfolder = "%s"\n' "$1" "$2" "$3"
    shift 3
    printf '%s\n' "$@"
}

# The checks use them.
# shellcheck disable=SC2034
configuration=/etc/datadrop/datadrop.toml
# shellcheck disable=SC2034
inbox=/srv/datadrop/callcentre

for part in /stage/checks/*.sh; do
    echo "# ${part##*/}, after $SECONDS s"
    # shellcheck source=/dev/null
    . "$part"
    if [ "$failed" != 0 ]; then
        systemctl status datadrop --no-pager --full --lines=0
        journal -u datadrop -n 60 -o short-monotonic
        echo "$failed not held"
        exit 1
    fi
done
echo "all held, after $SECONDS s"
