# The start, the secret and the first files.

install -d -o datadrop -g datadrop -m 2770 $inbox
cat >$configuration <<'TOML'
[api]
base_url = "http://127.0.0.1:8610/api"
token_url = "http://127.0.0.1:8610/ims/token/v3"
global_company_id = "examplecompany"
client_id = "0123456789abcdef"
rate_limit = "off"
[poll]
first = "200ms"
max = "500ms"
[retry]
first = "100ms"
max = "500ms"
[upload]
confirm_for = "600ms"
[watch]
settle_unwatched = "1s"
rescan = "500ms"
TOML
cp $configuration /etc/datadrop/without-accounts
account callcentre 621 $inbox >>$configuration
cp $configuration /etc/datadrop/good

check "without its secret it does not start" not systemctl start datadrop
check "which is told (78) and not tried again" is ExecMainStatus 78
check "and is at its end" is ActiveState failed
check "and the reason names the file to write" \
    says "into the file that LoadCredential= of the unit names (/etc/datadrop/client_secret)" journal -u datadrop
systemctl reset-failed datadrop

# The file may belong to root alone.
install -m 600 /dev/null /etc/datadrop/client_secret
printf 's3cret-of-the-test\n' >/etc/datadrop/client_secret
check "with its secret it starts" systemctl start datadrop
check "it is active" is ActiveState active
check "it says how it stands" says "to send" show StatusText

watched_before_ready() {
    local watched ready
    watched=$(journal -u datadrop -o json MESSAGE="watching $inbox" | grep -o '"__MONOTONIC_TIMESTAMP":"[0-9]*"' | tail -1)
    ready=$(show ActiveEnterTimestampMonotonic)
    watched=${watched//[^0-9]/}
    echo "watched at ${watched:-never}, ready at $ready"
    [ -n "$watched" ] && [ "$watched" -le "$ready" ]
}
check "it was ready only once the folder was watched" watched_before_ready

pid=$(show MainPID)
passed=/run/credentials/datadrop.service/client_secret
check "the secret reaches the service" says s3cret-of-the-test nsenter -t "$pid" -m cat $passed
check "its user can read what was passed" says s3cret-of-the-test as datadrop cat $passed
check "but not where it came from" not as datadrop cat /etc/datadrop/client_secret
check "and nobody else can" not as anna cat $passed
check "it is in no log" not says s3cret-of-the-test journal
check "nor in the environment or the command line of the process" \
    not grep -az s3cret-of-the-test /proc/"$pid"/environ /proc/"$pid"/cmdline

check "a member of the group drops a file" drop_as anna $inbox first.txt
check "it is delivered once" arrives first.txt
check "and filed" within 10 test -e $inbox/done/first.txt
check "she can read what was filed" as anna cat $inbox/done/first.txt
check "a file that she copies there is delivered too" as anna cp /etc/hostname $inbox/copied.txt
check "once it was quiet" within 20 was_accepted copied.txt
check "others cannot look into the folder" not as otto ls $inbox
closed_to_her() {
    local said
    chmod 2700 $inbox
    said=$(as anna datadrop explain $inbox/first.txt 2>&1)
    chmod 2770 $inbox
    echo "$said"
    [[ $said == *"may not look into the folder"*"sudo -u datadrop"* && $said != *blocked* ]]
}
check "who may not is told so by explain" closed_to_her
check "sub-folders are as open as the folder" says "2770 2770 2770 2770" \
    echo "$(stat -c %a $inbox/sent $inbox/held $inbox/done $inbox/failed | tr '\n' ' ')"
check "nothing was refused on the way" not says "Operation not permitted" journal -u datadrop
check "the same file again is held" drop_as anna $inbox first.txt
check "with a reason" within 10 test -e $inbox/held/first.txt.why
check "that she can read" as anna cat $inbox/held/first.txt.why
check "she can take it back" as anna mv $inbox/held/first.txt /home/anna/

check "a member of the group sees the job log while the service runs" says first.txt as anna datadrop jobs list
check "and its state" says "is running" as anna datadrop status
check "nobody else does" not as otto datadrop jobs list
check "and is told whom to join" says "usermod -aG datadrop" as otto datadrop jobs list
check "nor is told that it does not run" not says "not running" as otto datadrop status
check "the job log is 0640, its folder 0750" says "640 750" \
    echo "$(stat -c %a /var/lib/datadrop/datadrop.db /var/lib/datadrop | tr '\n' ' ')"
check "the secret is none of a member's" not as anna cat /etc/datadrop/client_secret

well() {
    local said
    said=$(datadrop doctor) || {
        echo "$said"
        return 1
    }
    [[ $said == *"systemd passes it"* && $said == *"its watchdog is on"* ]] || {
        echo "$said"
        return 1
    }
}
check "doctor finds the secret that systemd passes, and the watchdog" well
check "a member of the group gets no failure from doctor" as anna datadrop doctor --offline
