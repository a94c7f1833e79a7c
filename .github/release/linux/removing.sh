#!/bin/sh
# Before removing, not before an upgrade: ends what runs as a person's service.
# dpkg says "remove", rpm 0; apk and pacman say nothing of the kind and call
# this only then. People's data stays.
set -e
case "${1:-}" in
upgrade | deconfigure | failed-upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ] && command -v loginctl >/dev/null; then
	loginctl list-users --no-legend | while read -r uid _; do
		systemctl --user --machine "$uid@" disable --now drawbridge.service >/dev/null 2>&1 || true
	done
fi
exit 0
