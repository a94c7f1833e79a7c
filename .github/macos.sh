#!/bin/bash
# Type-checks on Linux what macOS has by cgo: the Go half of the tray, with zig as
# the compiler of C (PyPI's ziglang). Apple's frameworks are not here, so what is
# written in Objective-C is left out, and nothing is linked to run: that is for the
# workflow's Mac.
#
#   bash .github/macos.sh      ZIG=FOLDER: a Python environment that has ziglang, or gets it
set -euo pipefail
cd "$(dirname "$0")/.."
zig=${ZIG:-${XDG_CACHE_HOME:-$HOME/.cache}/drawbridge-zig}
[ -x "$zig/bin/python" ] || python3 -m venv "$zig"
"$zig/bin/python" -m ziglang version >/dev/null 2>&1 || "$zig/bin/pip" install -q ziglang==0.17.1
work=$zig/go # always the same place: Go's cache knows compilers and folders by their names
rm -rf "$work"
mkdir "$work"
cat >"$work/cc" <<CC
#!/bin/bash
# No framework is here: what is in them counts as found when the program starts.
while [ \$# -gt 0 ]; do
	if [ "\$1" = -framework ]; then shift; else words+=("\$1"); fi
	shift
done
exec "$zig/bin/python" -m ziglang cc -target x86_64-macos -Wl,-undefined,dynamic_lookup "\${words[@]}"
CC
chmod +x "$work/cc"
go mod download fyne.io/systray
cp -r "$(go list -m -f '{{.Dir}}' fyne.io/systray)" "$work/systray"
chmod -R u+w "$work/systray"
rm "$work/systray/systray_darwin.m"
cp go.mod "$work/go.mod"
cp go.sum "$work/go.sum"
go mod edit -replace "fyne.io/systray=$work/systray" "$work/go.mod"
printf '{"Replace": {"%s/tray/notify_darwin.m": ""}}' "$PWD" >"$work/overlay.json"
GOOS=darwin GOARCH=amd64 CGO_ENABLED=1 CC=$work/cc go vet -modfile "$work/go.mod" -overlay "$work/overlay.json" ./tray
echo "the tray of macOS type-checks ($SECONDS s)"
