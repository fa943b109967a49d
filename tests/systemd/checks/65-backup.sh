# The copy of the job log, set up as OPERATING.md says.

if command -v sqlite3 >/dev/null; then
    copy=/var/backups/datadrop/datadrop.db
    install -d -o datadrop -g datadrop -m 700 /var/backups/datadrop
    # A machine may leave out what packages bring as documents.
    install -m 644 /stage/tree/usr/share/doc/datadrop/examples/datadrop-backup.* /etc/systemd/system/
    systemctl daemon-reload
    check "systemd-analyze verify has nothing to say of the copy" \
        test -z "$(systemd-analyze verify --man=no /etc/systemd/system/datadrop-backup.service /etc/systemd/system/datadrop-backup.timer 2>&1)"
    check "the timer starts" systemctl start datadrop-backup.timer
    check "and a copy is made" within 10 test -s $copy
    made=$(stat -c %i $copy)
    check "which is whole" says ok sqlite3 "file:$copy?immutable=1" "PRAGMA integrity_check"
    check "and for the service's user alone" test "$(stat -c '%U %a' $copy)" = "datadrop 600"
    check "another one takes its place" systemctl start datadrop-backup.service
    check "at once" test "$(stat -c %i $copy)" != "$made" -a ! -e $copy.new
    check "and the journal stays quiet" not says Finished journal -u datadrop-backup
    rm -f $copy*
    sqlite3 $copy "CREATE TABLE job_event (id); INSERT INTO job_event VALUES (1000000000)"
    chown datadrop $copy
    check "a copy that knows more than the job log stays" not systemctl start datadrop-backup.service
    check "which is said" says "the copy knows more than the job log" journal -u datadrop-backup
    rm -f $copy*
    check "until it is moved away" systemctl start datadrop-backup.service
    # More starts within 10 s than systemd usually allows.
    systemctl reset-failed datadrop-backup.service
    chmod 500 /var/backups/datadrop
    check "one that cannot be made fails" not systemctl start datadrop-backup.service
    check "and says why" says "datadrop.db.new" journal -u datadrop-backup
    check "and leaves the last one" says ok sqlite3 "file:$copy?immutable=1" "PRAGMA integrity_check"
    systemctl stop datadrop-backup.timer
else
    skip "there is no sqlite3 here: the copy of the job log"
fi
