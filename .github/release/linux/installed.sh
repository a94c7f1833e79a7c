#!/bin/sh
# After installing or upgrading: a Drawbridge that runs as a person's service
# starts again with the new program; its state and sessions stay. One that was
# started from the menu goes on with the old program until its person ends it.
set -e
if [ -d /run/systemd/system ] && command -v loginctl >/dev/null; then
	loginctl list-users --no-legend | while read -r uid _; do
		systemctl --user --machine "$uid@" daemon-reload >/dev/null 2>&1 || true
		systemctl --user --machine "$uid@" try-restart drawbridge.service >/dev/null 2>&1 || true
	done
fi
exit 0
