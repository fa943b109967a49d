# The same sandbox, with a probe in the place of the daemon. What it finds closed, the same user finds open outside: a
# probe that fails everywhere would show nothing.

install -d -m 777 /srv/open
touch /tmp/outside /home/outside /srv/open/outside
chmod 644 /home/outside
sed -e 's/^Type=.*/Type=oneshot/' -e 's/^NotifyAccess=.*//' -e 's/^Watchdog.*//' -e 's/^Restart.*//' \
    -e 's#^ExecStart=.*#ExecStart=/bin/bash /stage/probe.sh#' -e 's#^\[Service\]#[Service]\nStandardOutput=truncate:/run/probed#' \
    /usr/lib/systemd/system/datadrop.service >/run/systemd/system/datadrop-probe.service
systemctl daemon-reload
ip address add 169.254.169.254/32 dev lo 2>/dev/null
systemctl start datadrop-probe || journal -u datadrop-probe
as datadrop bash /stage/probe.sh >/run/probed-outside

declare -A found_outside
while read -r verdict probe; do
    found_outside[$probe]=$verdict
done </run/probed-outside
while read -r verdict probe; do
    outside=${found_outside[$probe]-not asked}
    case $verdict,$outside in
    works,*) echo "ok in the sandbox: $probe" ;;
    closed,open) echo "ok closed by the sandbox: $probe" ;;
    unknown,* | closed,*) skip "$probe: cannot be told here (inside $verdict, outside $outside)" ;;
    *) check "in the sandbox: $probe is $verdict" false ;;
    esac
done </run/probed
check "the probe came to its end" grep -q '^works the end$' /run/probed
check "and most of it could be told" test "$(grep -c '^closed' /run/probed)" -ge 8
