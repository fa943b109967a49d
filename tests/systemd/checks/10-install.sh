# What the package brings, and how it leaves the machine before there is a configuration.

systemd-run --quiet --unit=adobe --service-type=exec /stage/datadrop emulator --rate-limit off --processing 300ms

if [ -e /stage/datadrop_1.deb ]; then
    # What dpkg does for a disk that is kept, and for the index of manual pages (a third of the time), is not looked at.
    printf '%s\n' force-unsafe-io no-triggers >/etc/dpkg/dpkg.cfg.d/datadrop-test
    installed=$(dpkg -i /stage/datadrop_1.deb 2>&1)
    check "the package installs, and names doctor" says "datadrop doctor" echo "$installed"
    check "the unit is enabled" says enabled systemctl is-enabled datadrop
else
    skip "there is no dpkg-deb here: the files of the package are copied, and its scripts are not seen at work"
    cp -a /stage/tree/. /
    systemd-sysusers datadrop.conf
    systemd-tmpfiles --create datadrop.conf
    systemctl daemon-reload
fi
check "the unit is not started" is ActiveState inactive
check "the service has a user of its own" id datadrop
check "folders for configuration and accounts are there" test -d /etc/datadrop -a -d /srv/datadrop
check "there is an example and no configuration" test -e /etc/datadrop/datadrop.example.toml -a ! -e $configuration

verified() {
    local said
    said=$(systemd-analyze verify --man=no /usr/lib/systemd/system/datadrop.service 2>&1) && [ -z "$said" ] || {
        echo "$said"
        return 1
    }
}
check "systemd-analyze verify has nothing to say" verified
check "the exposure is at most 1.3" systemd-analyze security --offline=true --threshold=13 --no-pager \
    /usr/lib/systemd/system/datadrop.service
systemd-analyze security --offline=true --no-pager /usr/lib/systemd/system/datadrop.service | tail -1

# Waits of a test, not of a service.
mkdir -p /etc/systemd/system/datadrop.service.d
cat >/etc/systemd/system/datadrop.service.d/test.conf <<'UNIT'
[Service]
RestartSec=100ms
WatchdogSec=3s
UNIT
systemctl daemon-reload

useradd --user-group --create-home anna
useradd --user-group --create-home otto
usermod -aG datadrop anna
