# Folders that come and go under the running service.

blocked_as() {
    says "$2" datadrop status && says "blocked: $1" show StatusText
}

# A file system of its own, mounted before the service starts.
install -d -o datadrop -g datadrop -m 2770 /var/share
install -d /srv/datadrop/share "/srv/else where" /home/anna/drop
mount --bind /var/share /srv/datadrop/share
install -d -o datadrop -g datadrop -m 2770 "/srv/else where/drop"
chmod 755 /home/anna
install -d -o datadrop -g datadrop -m 2770 /home/anna/drop
account share 623 /srv/datadrop/share >>$configuration
account elsewhere 624 "/srv/else where/drop" >>$configuration
account home 625 /home/anna/drop >>$configuration

systemctl reload datadrop
check "a folder that the unit does not let it write to blocks its account, with what helps" \
    within 10 says "restart the service, and if that does not help, see \`datadrop service print-folders\`" datadrop status
check "doctor knows the line that is missing" says "ReadWritePaths=/srv/else where/drop" datadrop doctor --offline
check "and the one for a folder in a home" says "BindPaths=/home/anna/drop" datadrop doctor --offline
datadrop service print-folders >/etc/systemd/system/datadrop.service.d/folders.conf
systemctl daemon-reload
check "with the drop-in of print-folders it starts anew" systemctl restart datadrop
drop_as anna /srv/datadrop/share shared.txt
drop_as anna "/srv/else where/drop" else.txt
drop_as anna /home/anna/drop home.txt
check "files go from a file system of its own" arrives shared.txt
check "from a folder outside of /srv/datadrop" arrives else.txt
check "and from a folder in a home" arrives home.txt
check "doctor has nothing against the folders" not says "FAIL" datadrop doctor --offline

within 10 test -e /srv/datadrop/share/done/shared.txt
umount --lazy /srv/datadrop/share
check "an unmounted folder blocks its account, which is told" within 10 blocked_as share "that holds it is not mounted"
drop_as anna $inbox others.txt
check "the others go on" arrives others.txt
check "and nothing is made in the empty place" test -z "$(ls -A /srv/datadrop/share)"
mount --bind /var/share /srv/datadrop/share
drop_as anna /srv/datadrop/share back.txt
check "once it is mounted again, files go on" arrives back.txt

mv $inbox /srv/datadrop/away
install -d -o datadrop -g datadrop -m 2770 $inbox
check "a folder that was replaced blocks its account, with what helps" \
    within 10 blocked_as callcentre "the folder was replaced; mount it, or move the old one back"
rmdir $inbox
mv /srv/datadrop/away $inbox
drop_as anna $inbox moved-back.txt
check "once it is back, files go on, without a restart" arrives moved-back.txt

cp -a "/srv/else where/drop" "/srv/else where/copy"
mv "/srv/else where/drop" "/srv/else where/old"
mv "/srv/else where/copy" "/srv/else where/drop"
check "a copy that took the place of a folder with a mount of its own is named" \
    within 10 blocked_as elsewhere "made or replaced after the service started"
check "a restart lets the service in" systemctl restart datadrop
drop_as anna "/srv/else where/drop" copy.txt
check "and files go on" arrives copy.txt
