#!/bin/bash
# Installs what the tests need, then runs all of them with the race detector.
# Here nothing may be left out: a missing tool is a failure.
#
#   bash server/e2e/test.sh                 everything
#   bash server/e2e/test.sh ./keystore/...  these packages only; flags of go test go behind them
#
# TEST_PARALLEL is how many packages run side by side (default: twice the cores,
# since many tests wait).
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
	need ip iproute2 # a network with a proxy alone
	need chromium chromium
	[ -e /usr/lib/chromium/chromium-headless-shell ] || packages+=(chromium-headless-shell)
	need Xvfb xvfb # from here on: a panel to show the tray in
	need xfce4-panel xfce4-panel
	need xdotool xdotool
	need xprop x11-utils
	need scrot scrot
	need dunst dunst
	need desktop-file-validate desktop-file-utils
	need gio libglib2.0-bin
	need npm npm
	need git git # mcp-server-git looks into a repository
	need python3 python3
	python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
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

# once FOLDER LIST COMMAND... runs COMMAND unless FOLDER holds what LIST pins.
once() {
	local folder=$1 list=$2 want
	shift 2
	want=$(sha256sum <"$list")
	[ "$(cat "$folder/.installed" 2>/dev/null)" = "$want" ] && return
	"$@"
	echo "$want" >"$folder/.installed"
}

install_node_modules() { # and no browsers
	echo "installing npm packages"
	(cd server/e2e && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}

install_python() { # NAME: the packages of python/NAME.txt
	echo "installing Python packages ($1)"
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "test.sh: needs Python 3.11 or newer" >&2; exit 1; }
	python3 -m venv --clear "server/e2e/venv/$1"
	"server/e2e/venv/$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "server/e2e/python/$1.txt"
}

# run_tests shows results as they come, and the whole story of what failed. A
# test that skips itself counts as failed.
run_tests() {
	export DRAWBRIDGE_TEST_ALL=1
	local rc=0 skipped
	go test -race -count=1 -timeout=30m -p "${TEST_PARALLEL:-$(($(nproc) * 2))}" -v "$@" >"$log" 2>&1 || rc=$?
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
once server/e2e/node_modules server/e2e/package-lock.json install_node_modules
for name in sdk1 sdk2; do
	once "server/e2e/venv/$name" "server/e2e/python/$name.txt" install_python "$name"
done
if [ $# -eq 0 ]; then # those that take longest begin first
	set -- ./server/e2e/servers ./server/e2e/soak ./server/e2e/clients ./server/e2e/security ./server/e2e/console ./server/e2e/tunnel ./server/e2e/program ./server/e2e/tray ./...
fi
run_tests "$@"
