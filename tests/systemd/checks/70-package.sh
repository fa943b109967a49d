# Another version, and the way out.

if [ ! -e /stage/datadrop_2.deb ]; then
    skip "there is no dpkg-deb here: upgrade, removal and purge of the package are not seen"
    return 0
fi
jobs=$(datadrop jobs list --json | grep -c '"id"')
knows() {
    [ "$(datadrop jobs list --json | grep -c '"id"')" = "$jobs" ]
}
pid=$(show MainPID)
echo '# a line of the administrator' >>/etc/datadrop/datadrop.example.toml
check "an upgrade installs" dpkg -i --force-confold /stage/datadrop_2.deb
check "and starts the new program" within 10 restarted
check "which knows every job" knows
check "what the administrator wrote stays" grep -q administrator /etc/datadrop/datadrop.example.toml
drop_as anna $inbox upgraded.txt
check "and files go on" arrives upgraded.txt
jobs=$((jobs + 1))

systemctl disable --quiet datadrop
dpkg -i --force-confold /stage/datadrop_1.deb >/dev/null 2>&1
check "a unit that was disabled stays disabled" says disabled systemctl is-enabled datadrop
systemctl enable --quiet datadrop

check "the package can be removed" dpkg -r datadrop
check "which stops the service" is ActiveState inactive
check "and takes the program away" test ! -e /usr/bin/datadrop
check "the job log stays" test -s /var/lib/datadrop/datadrop.db
dpkg -i /stage/datadrop_2.deb >/tmp/again 2>&1
check "who installs it again is told that it is not started" grep -q "not started: sudo systemctl start datadrop" /tmp/again
dpkg -r datadrop >/dev/null 2>&1
check "it can be purged" says "kept" dpkg -P datadrop
check "and even then job log, configuration, secret and files stay" \
    test -s /var/lib/datadrop/datadrop.db -a -s $configuration -a -s /etc/datadrop/client_secret -a -e $inbox/done/first.txt
check "with the user that they belong to" id datadrop
check "nothing of the unit is left" not systemctl cat datadrop
dpkg -i /stage/datadrop_2.deb >/dev/null 2>&1
check "installed again" systemctl start datadrop
check "it knows every job" knows
