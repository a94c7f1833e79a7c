#!/bin/bash
# Renders the tray's icons from the SVG files beside it:
#
#   bash assets/icons/render.sh      (Debian packages librsvg2-bin and icoutils)
#
# For each state: STATE.png for panels of Linux, STATE-template.png for macOS,
# STATE.ico for Windows.
set -euo pipefail
cd "$(dirname "$0")"
out=rendered
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rm -rf "$out"
mkdir "$out"
render() { rsvg-convert --stylesheet="$2.css" -w "$3" -h "$3" -o "$4" "$1.svg"; }
for svg in *.svg; do
	state=${svg%.svg}
	render "$state" template 36 "$out/$state-template.png"
	render "$state" panel 48 "$out/$state.png"
	sizes=()
	for size in 16 20 24 32 48; do
		render "$state" panel "$size" "$tmp/$size.png"
		sizes+=(-r "$tmp/$size.png") # -r: kept as PNG, a fifth of the size
	done
	icotool -c -o "$out/$state.ico" "${sizes[@]}"
done
