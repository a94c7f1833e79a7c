#!/bin/bash
# What of Windows can be run on Linux: all unit tests as .exe, a server mounted and
# killed, the tray, a sign-in and its notification. Wine is not Windows: its shell
# looks for variables where Windows does not, it has no AF_UNIX, makes up the list of
# who may open a file (TestFolderIsPrivate needs Windows), and passes on no click on a
# notification, so that is sent. Three minutes, when Go has compiled all that before.
#
#   bash .github/wine.sh [FOLDER]      pictures and logs go to FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS=-trimpath
out=$(realpath -m "${1:-/tmp/drawbridge-wine}")
for tool in wine wineserver x86_64-w64-mingw32-ld Xvfb xdotool import; do
	command -v $tool >/dev/null || { echo "$tool is missing: apt-get install -y wine64 wine binutils-mingw-w64-x86-64 xvfb xdotool imagemagick" >&2; exit 1; }
done
mkdir -p "$out"
work=$(mktemp -d)
export WINEPREFIX=$work/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=;mshtml="
exec 3< <(Xvfb -displayfd 1 -screen 0 1000x700x24 -nolisten tcp 2>/dev/null & echo "pid $!"; wait)
read -r _ xvfb <&3
read -r display <&3
export DISPLAY=:$display
trap 'wineserver -k 2>/dev/null || true; kill $xvfb 2>/dev/null || true; rm -rf "$work"' EXIT
failed=0
note() { printf '%-62s %s\n' "$1" "$2"; }
check() { if [ "$2" = "$3" ]; then note "$1" ok; else note "$1" "FAILED: $2, not $3"; failed=1; fi; }

wine wineboot -i >/dev/null 2>&1
# Go wants a library that Wine 8 has not: one that hands the call on.
cd "$work"
printf 'LIBRARY bcryptprimitives.dll\nEXPORTS\n  ProcessPrng = advapi32.SystemFunction036\n' >b.def
: >e.s
x86_64-w64-mingw32-as e.s -o e.o
x86_64-w64-mingw32-ld -shared -e 0 --subsystem windows -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" e.o b.def
cd - >/dev/null
# RemoveAll wants a call that Wine 8 has not; what tests leave goes with the prefix.
testing=$(go env GOROOT)/src/testing/testing.go
sed "s/^func removeAll(path string) error {/func removeAll(string) error { return nil }\n\nfunc removeAllAsBefore(path string) error {/" "$testing" >"$work/testing.go"
printf '{"Replace": {"%s": "%s"}}' "$testing" "$work/testing.go" >"$work/overlay.json"

export GOOS=windows GOARCH=amd64 CGO_ENABLED=0
# TestMap asks Go, which is not in there.
packages=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./assets/... ./keystore/... ./tray/... ./server/... | grep -v /e2e)
go test -count=1 -v -vet=off -overlay "$work/overlay.json" -exec "timeout 300 wine" -skip '^TestMap$' $packages >"$out/tests.log" 2>&1 || failed=1
awk -F '\t' '/^--- PASS/ { pass++ } /^--- FAIL/ { fail++ } /^--- SKIP/ { skip++ }
	/^(ok|FAIL) *\t/ { sub(/.*\/drawbridge\//, "", $2); printf "%-38s %3d passed, %d failed, %d skipped  %s\n", $2, pass, fail, skip, $1 ~ /ok/ ? $3 : "FAILED"; pass = fail = skip = 0 }' "$out/tests.log"
if [ $failed = 1 ]; then grep -B20 -e '--- FAIL' "$out/tests.log" | tail -60; fi
note "unit tests took" "$SECONDS s"

go build -ldflags -s -o "$work/drawbridge.exe" .
go build -ldflags "-s -H windowsgui" -o "$work/drawbridgew.exe" ./.github/release/windows/drawbridgew
cat >"$work/server.go" <<'END'
// An MCP server with a child that would outlive it, and arguments that it shows.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		time.Sleep(time.Hour)
	}
	if len(os.Args) > 1 && os.Args[1] == "click" { // what Windows sends of a click on a notification: NIN_BALLOONUSERCLICK
		user32, class := syscall.NewLazyDLL("user32.dll"), syscall.StringToUTF16Ptr("SystrayClass")
		window, _, _ := user32.NewProc("FindWindowW").Call(uintptr(unsafe.Pointer(class)), 0)
		user32.NewProc("PostMessageW").Call(window, 0x400+1, 100, 0x400+5)
		return
	}
	_ = exec.Command(os.Args[0], "child").Start()
	args, _ := json.Marshal(fmt.Sprintf("%q", os.Args[1:]))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct{ ProtocolVersion string }
		}
		_ = json.Unmarshal(in.Bytes(), &m)
		switch {
		case m.Method == "initialize":
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":%q,"capabilities":{"tools":{}},"serverInfo":{"name":"wine","version":"1"}}}`+"\n", m.ID, m.Params.ProtocolVersion)
		case m.Method == "tools/list":
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"args","description":%s,"inputSchema":{"type":"object"}}]}}`+"\n", m.ID, args)
		case m.ID != nil:
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}`+"\n", m.ID)
		}
	}
}
END
go build -ldflags -s -o "$work/server.exe" "$work/server.go"
unset GOOS GOARCH CGO_ENABLED
bridge() { wine "$work/drawbridge.exe" "$@" 2>"$out/command.log" | tr -d '\r'; }
# servers: how many run. Linux lists them by their Windows names.
servers() { pgrep -fc 'Files.a & b.server[.]exe' || true; }
await() { # SECONDS COMMAND…
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.2
	done
}

check "a command in a terminal has its exit code" "$(wine "$work/drawbridge.exe" status >/dev/null 2>&1; echo $?)" 1
check "and its output" "$(bridge version | cut -d' ' -f1)" drawbridge

# A server that is a .cmd, in a folder with a space, as npx is one.
apps="$WINEPREFIX/drive_c/Program Files/a & b"
mkdir -p "$apps"
cp "$work/server.exe" "$apps/server.exe"
printf '@"%%~dp0server.exe" %%*\r\n' >"$apps/server.cmd"
home=$WINEPREFIX/drive_c/users/Public/elsewhere
mkdir -p "$home"
cat >"$home/config.toml" <<'END'
listen = "127.0.0.1:18431"
[idp]
issuer = "http://127.0.0.1:18432"
client_id = "drawbridge-demo"
[access]
anyone = true
[tunnel]
provider = "none"
END
cat >"$home/mcp.json" <<'END'
{"mcpServers": {"files": {"command": "C:\\Program Files\\a & b\\server.cmd", "args": ["a&b", "two words", "say \"hi\""]}}}
END
base='C:\users\Public\elsewhere'
export DRAWBRIDGE_IDP_CLIENT_SECRET=drawbridge-demo DRAWBRIDGE_DATA_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
wine "$work/drawbridge.exe" demo --provider-only --listen 127.0.0.1:18432 >"$out/provider.log" 2>&1 &
start() { wine explorer /desktop=db,1000x700 "$work/drawbridgew.exe" run --keystore env --config "$base\\config.toml" --data "$base\\data" >/dev/null 2>&1 & }
status() { bridge status --json --config "$base\\config.toml" --data "$base\\data"; }
offered() { status | tr -d ' \n' | grep -q '"name":"files","state":"ok"'; }
start
if await 90 offered; then note "started without a console, with a server that is a .cmd" ok; else note "started without a console, with a server that is a .cmd" FAILED; failed=1; fi
status >"$out/status.json"
check "the server and its child run" "$(servers)" 2
import -window root "$out/tray.png"
xdotool mousemove 988 690 click 3
sleep 2
import -window root "$out/menu.png"
xdotool key Escape
pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$out/status.json")
wine taskkill /f /pid "$pid" >/dev/null 2>&1 || true
gone() { [ "$(servers)" = 0 ]; }
if await 30 gone; then note "killed hard, it leaves no server" ok; else note "killed hard, it leaves no server" "FAILED: $(servers) left"; failed=1; fi
start
await 90 offered || true
pid=$(status | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
timeout 30 wine explorer /desktop=db taskkill.exe /pid "$pid" >/dev/null 2>&1 || true # WM_CLOSE, to what is on that desktop
ended() { ! status | grep -q pid; }
if [ -n "$pid" ] && await 30 ended && await 30 gone; then note "WM_CLOSE ends it" ok; else note "WM_CLOSE ends it" FAILED; failed=1; fi
cp "$home/data/drawbridge.log" "$out/" 2>/dev/null || { note "its log is among the data" FAILED; failed=1; }
check "the log says that it ended" "$(grep -c 'msg=ended error=<nil>' "$out/drawbridge.log" || true)" 1

# A sign-in, what the person sees of it, and where a click on that leads.
mkdir "$work/bin"
printf '#!/bin/sh\necho "$@" >"%s/opened"\n' "$out" >"$work/bin/xdg-open" # what Wine hands addresses to
chmod +x "$work/bin/xdg-open"
rm -f "$out/opened"
demo() { bridge "$@" --data 'C:\users\Public\demo'; }
PATH=$work/bin:$PATH wine explorer /desktop=db,1000x700 "$work/drawbridgew.exe" demo --listen 127.0.0.1:18433 --data 'C:\users\Public\demo' >/dev/null 2>&1 &
ready() { demo status --json | grep -q '"ready"'; }
await 60 ready || true
demo demo --sign-in alice >/dev/null
signed() { demo sessions --json | tr -d ' \n' | grep -o '"email":"[^"]*"' | sort -u; }
check "a sign-in is a session" "$(signed)" '"email":"alice@example.com"'
balloon() { import -window root "$out/notification.png" && [ "$(convert "$out/notification.png" -crop 1x1+850+650 -format '%[hex:p{0,0}]' info:)" = FFFFFF ]; }
if await 30 balloon; then note "a notification tells of it" ok; else note "a notification tells of it" FAILED; failed=1; fi
timeout 30 wine explorer /desktop=db "$work/server.exe" click >/dev/null 2>&1 || true
if await 30 grep -q '/sessions#once=' "$out/opened"; then note "a click on it opens the console's sessions" ok; else note "a click on it opens the console's sessions" FAILED; failed=1; fi
demo revoke --all >/dev/null
check "revoked, it is none" "$(demo sessions --json | tr -d ' \n')" '[]'
demo quit >/dev/null
quitted() { ! demo status --json | grep -q pid; }
if await 30 quitted; then note "quit ends it" ok; else note "quit ends it" FAILED; failed=1; fi
note "took" "$SECONDS s"
exit $failed
