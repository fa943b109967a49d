# Another configuration for the running service, and what it leaves in the journal.

install -d -o datadrop -g datadrop -m 2770 /srv/datadrop/returns
pid=$(show MainPID)

account returns 622 /srv/datadrop/returns >>$configuration
check "a reload is taken" systemctl reload datadrop
check "an account is added" within 10 says "watching /srv/datadrop/returns" journal -u datadrop
check "and takes files" drop_as anna /srv/datadrop/returns returned.txt
check "which are delivered" arrives returned.txt

cp /etc/datadrop/good $configuration
systemctl reload datadrop
check "an account is removed" within 10 says "reloaded: 1 accounts" journal -u datadrop -n 3 -o cat
drop_as anna /srv/datadrop/returns left.txt

sed -i 's/^rescan/rescam/' $configuration
systemctl reload datadrop
check "a bad file is refused, and status says why" \
    within 10 says "reload refused: $configuration:" systemctl status datadrop --no-pager --full
# More than a heartbeat, which refreshes what status says.
pause=$(show WatchdogTimestampMonotonic)
fed_again() {
    [ "$(show WatchdogTimestampMonotonic)" != "$pause" ]
}
within 10 fed_again
check "with the key, and for as long as nothing better is loaded" says "watch.rescam" show StatusText
check "as an error" says "not reloaded" journal -u datadrop -p err..err -o cat
cp /etc/datadrop/good $configuration
drop_as anna $inbox meanwhile.txt
check "and everything goes on" arrives meanwhile.txt
systemctl reload datadrop
check "a good file is taken again" within 10 not says "refused" show StatusText
check "all of it in one process" is MainPID "$pid"
check "what was dropped for an account that is gone stays" test -e /srv/datadrop/returns/left.txt

check "the journal knows accounts" says returned.txt journal DATADROP_ACCOUNT=returns -o cat
check "and keeps them apart" not says returned.txt journal DATADROP_ACCOUNT=callcentre -o cat
check "ordinary news are info" says '"PRIORITY":"6"' journal -u datadrop -o json -n 1 MESSAGE="watching $inbox"
check "by its name" says "watching" journal SYSLOG_IDENTIFIER=datadrop -o cat
