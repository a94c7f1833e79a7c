#!/bin/bash
# Installs what the tests need, then runs all of them with the race detector.
# Here nothing may be left out: a missing tool is a failure.
#
#   bash server/e2e/test.sh                 everything
#   bash server/e2e/test.sh ./keystore/...  these packages only
set -euo pipefail
cd "$(dirname "$0")/../.."
log=server/e2e/out/test.log
mkdir -p "$(dirname "$log")"

# need COMMAND PACKAGE notes the Debian package of a command that is missing.
packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }

install_packages() {
	need gcc gcc # the race detector
	[ -e /usr/include/stdlib.h ] || packages+=(libc6-dev)
	need dbus-run-session dbus
	need gnome-keyring-daemon gnome-keyring
	need secret-tool libsecret-tools
	need chromium chromium
	need Xvfb xvfb # from here on: a panel to show the tray in
	need xfce4-panel xfce4-panel
	need xdotool xdotool
	need xprop x11-utils
	need scrot scrot
	need dunst dunst
	need desktop-file-validate desktop-file-utils
	need gio libglib2.0-bin
	need npm npm
	[ ${#packages[@]} -eq 0 ] && return
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "test.sh: please install ${packages[*]} (Debian's names), or run this as root on Debian" >&2
		exit 1
	fi
	echo "installing ${packages[*]}"
	export DEBIAN_FRONTEND=noninteractive
	local get=(apt-get install -qq -y --no-install-recommends "${packages[@]}")
	"${get[@]}" >"$log" 2>&1 || { apt-get update -qq >>"$log" 2>&1 && "${get[@]}" >>"$log" 2>&1; } || { cat "$log" >&2; exit 1; }
}

# install_node_modules installs what package-lock.json pins, and no browsers,
# unless that is done already.
install_node_modules() {
	local want
	want=$(sha256sum <server/e2e/package-lock.json)
	[ "$(cat server/e2e/node_modules/.installed 2>/dev/null)" = "$want" ] && return
	echo "installing npm packages"
	(cd server/e2e && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	echo "$want" >server/e2e/node_modules/.installed
}

# run_tests shows results as they come, and the whole story of what failed. A
# test that skips itself counts as failed.
run_tests() {
	export DRAWBRIDGE_TEST_ALL=1
	local rc=0 skipped
	go test -race -count=1 -timeout=40m -v "$@" >"$log" 2>&1 || rc=$?
	if [ $rc -ne 0 ]; then
		grep -vE '^ *(=== (RUN|PAUSE|CONT|NAME)|--- PASS)|^(PASS|ok|\?|FAIL)' "$log" || true
	else
		# One row tests a machine on which nobody has logged in; where somebody
		# has, there is a session bus that can't be taken away.
		skipped=$(grep -E '^ *--- SKIP' "$log" || true)
		[ -z "$skipped" ] || echo "$skipped"
		if [ -d "/run/user/$(id -u)" ]; then
			skipped=$(echo "$skipped" | grep -v 'dbus-launch' || true)
		fi
		[ -z "$skipped" ] || { echo "test.sh: these tests were skipped, and none may be" >&2; rc=1; }
	fi
	grep -E '^(ok|FAIL|\?|---|panic)' "$log" | grep -v '^--- PASS' || true
	return $rc
}

install_packages
install_node_modules
[ $# -gt 0 ] || set -- ./...
go vet "$@"
run_tests "$@"
