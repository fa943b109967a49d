# Every way in which the service ends, and that nothing is lost or sent twice by it.

pid=$(show MainPID)
http POST /_emulator/faults 'upload:slow=700ms:name=killed*:n=1'
drop_as anna $inbox killed.txt
within 10 was_accepted killed.txt
kill -9 "$pid"
check "after kill -9 it is started anew" within 10 restarted
check "and the upload that was cut off is settled, once" arrives killed.txt

pid=$(show MainPID)
http POST /_emulator/faults 'upload:slow=700ms:name=hung*:n=1'
drop_as anna $inbox hung.txt
within 10 was_accepted hung.txt
# The whole process hangs; a stage that hangs alone is let down by the daemon itself, after 45 s.
kill -STOP "$pid"
check "when it hangs, the watchdog ends it, and it is started anew" within 20 restarted
check "which the journal tells" says "Watchdog timeout" journal -u datadrop
check "and nothing was sent twice" arrives hung.txt

http POST /_emulator/faults 'upload:after-commit:hang:name=stopped*:n=1'
drop_as anna $inbox stopped.txt
within 10 was_accepted stopped.txt
since=${EPOCHREALTIME//./}
check "it stops during an upload" systemctl stop datadrop
took=$(((${EPOCHREALTIME//./} - since) / 1000000))
check "in its time ($took s of 30 s)" test "$took" -lt 30
check "by itself" is Result success
check "the credential is gone with it" test ! -e /run/credentials/datadrop.service
check "a member of the group sees the job log while it is stopped" says stopped.txt as anna datadrop jobs list
check "and so does she with status" says "not running" as anna datadrop status
check "it starts again" systemctl start datadrop
check "and the upload that was cut short is settled, once" arrives stopped.txt

systemctl stop datadrop
sed -i 's/^rescan/rescam/' $configuration
check "with a bad configuration it does not start" not systemctl start datadrop
check "which is told (78)" is ExecMainStatus 78
check "is not tried again" is NRestarts 0
check "and is at its end" is ActiveState failed
check "with file, line and key" says "$configuration:" journal -u datadrop -n 5 -o cat
cp /etc/datadrop/good $configuration
systemctl reset-failed datadrop
check "a good one starts" systemctl start datadrop
