#!/bin/bash
# Makes a release of what is committed: everything that people download, in one
# folder.
#
#   .github/release.sh VERSION [FOLDER]      VERSION as in 1.2.3; FOLDER is dist/VERSION if not given
#
# Two runs give the same bytes. It wants Go, git, python3, zip, librsvg2-bin and,
# for the .msi, wixl (Debian packages), and takes nfpm, go-winres and
# cyclonedx-gomod as Go modules. Environment:
#
#   MAC=FOLDER       has drawbridge_darwin_amd64 and _arm64, built with cgo on a Mac;
#                    without it macOS gets programs that have no menu
#   TARGETS="linux/amd64 …"  makes only these, and no manifests: to try it
set -euo pipefail
version=${1:-}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "usage: .github/release.sh 1.2.3 [FOLDER]" >&2; exit 2; }
cd "$(dirname "$0")/.."
out=$(realpath -m "${2:-dist/$version}")
mac=${MAC:+$(realpath "$MAC")}
all="linux/amd64 linux/arm64 windows/amd64 windows/arm64 darwin/amd64 darwin/arm64"
targets=${TARGETS:-$all}
url=https://github.com/drawbridge-app/drawbridge/releases/download/v$version

for tool in go git python3 zip rsvg-convert wixl msibuild; do
	command -v $tool >/dev/null || { echo "$tool is missing: apt-get install -y git python3 zip librsvg2-bin wixl msitools" >&2; exit 1; }
done
if [ -e "$out" ] && [ -n "$(ls -A "$out")" ]; then
	echo "$out is not empty: name another folder" >&2
	exit 1
fi
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
step() { echo "== $* ($(date -u +%T))"; }

# A clone has what is committed and nothing else; the commit's time is every
# file's.
git clone -q --no-hardlinks . "$work/src"
cd "$work/src"
printf '*.syso\n' >>.git/info/exclude
export TZ=UTC LC_ALL=C GOFLAGS=-trimpath SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%F) time=$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
umask 022
parts=.github/release

fill() { sed -e "s|@VERSION@|$version|g" -e "s|@DATE@|$date|g" -e "s|@URL@|$url|g"; }
dated() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }
tarball() { # FOLDER ARCHIVE: what is in FOLDER
	dated "$1"
	tar -C "$1" --sort=name --owner=0 --group=0 --numeric-owner --mode=go-w --format=ustar -cf - . | gzip -9n >"$out/$2"
}
zipped() { # FOLDER ARCHIVE
	dated "$1"
	(cd "$1" && find . -type f | sort | zip -X -q -9 "$out/$2" -@)
}
build() { # OS ARCH FILE [MORE FLAGS OF THE LINKER] PACKAGE
	CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -ldflags "-s -w -X main.versionLinked=v$version ${5:-}" -o "$3" "$4"
}

step icons, manual page, completions
mkdir -p "$work/icons" "$work/docs/completions"
for size in 16 20 24 32 48 64 128 256 512 1024; do
	rsvg-convert -w $size -h $size -o "$work/icons/icon$size.png" assets/icon.svg
done
python3 $parts/icons.py "$work/icons"
go build -ldflags "-X main.versionLinked=v$version" -o "$work/host" .
"$work/host" man >"$work/docs/drawbridge.1"
LC_ALL=ja_JP.UTF-8 "$work/host" man >"$work/docs/drawbridge.ja.1"
"$work/host" completion bash >"$work/docs/completions/drawbridge.bash"
"$work/host" completion zsh >"$work/docs/completions/_drawbridge"
"$work/host" completion fish >"$work/docs/completions/drawbridge.fish"
"$work/host" completion powershell >"$work/docs/completions/drawbridge.ps1"
cp README.md LICENSE server/e2e/licenses/LICENSES.md "$work/docs/"

# linux_packages ARCH PROGRAM: .deb, .rpm, .apk and .pkg.tar.zst.
linux_packages() {
	local pkg=$work/pkg_$1 root=$work/pkg_$1/root deb=$work/pkg_$1/deb/usr/share rest=$work/pkg_$1/rest/usr/share
	mkdir -p "$root"/usr/{bin,lib/systemd/user} "$root"/usr/share/{applications,metainfo,man/man1,man/ja/man1,doc/drawbridge} \
		"$root"/usr/share/{bash-completion/completions,fish/vendor_completions.d,icons/hicolor/scalable/apps} \
		"$deb"/{doc/drawbridge,lintian/overrides,zsh/vendor-completions} "$rest"/{licenses/drawbridge,zsh/site-functions}
	cp -r $parts/linux "$pkg/linux"
	cp "$2" "$root/usr/bin/drawbridge"
	cp $parts/linux/drawbridge.service "$root/usr/lib/systemd/user/"
	cp $parts/linux/drawbridge.desktop "$root/usr/share/applications/"
	fill <$parts/linux/app.drawbridge.Drawbridge.metainfo.xml >"$root/usr/share/metainfo/app.drawbridge.Drawbridge.metainfo.xml"
	cp assets/icon.svg "$root/usr/share/icons/hicolor/scalable/apps/drawbridge.svg"
	for size in 16 24 32 48 64 128 256 512; do
		install -D -m 644 "$work/icons/icon$size.png" "$root/usr/share/icons/hicolor/${size}x$size/apps/drawbridge.png"
	done
	gzip -9n <"$work/docs/drawbridge.1" >"$root/usr/share/man/man1/drawbridge.1.gz"
	gzip -9n <"$work/docs/drawbridge.ja.1" >"$root/usr/share/man/ja/man1/drawbridge.1.gz"
	cp "$work/docs/completions/drawbridge.bash" "$root/usr/share/bash-completion/completions/drawbridge"
	cp "$work/docs/completions/_drawbridge" "$deb/zsh/vendor-completions/"
	cp "$work/docs/completions/_drawbridge" "$rest/zsh/site-functions/"
	cp "$work/docs/completions/drawbridge.fish" "$root/usr/share/fish/vendor_completions.d/"
	cp server/e2e/licenses/LICENSES.md "$root/usr/share/doc/drawbridge/"
	cp LICENSE "$rest/licenses/drawbridge/"
	cp $parts/linux/copyright "$deb/doc/drawbridge/"
	gzip -9n >"$deb/doc/drawbridge/changelog.gz" <<END
drawbridge ($version) stable; urgency=medium

  * Release $version:
    $url

 -- The Drawbridge authors <drawbridge@users.noreply.github.com>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
	cp $parts/linux/lintian-overrides "$deb/lintian/overrides/drawbridge"
	find "$pkg" -type f -exec chmod 644 {} +
	chmod 755 "$root/usr/bin/drawbridge"
	dated "$pkg"
	local kind own
	for kind in deb rpm apk archlinux; do
		if [ $kind = deb ]; then own=deb; else own=rest; fi
		{
			fill <$parts/linux/nfpm.yaml | sed -e "s|@ARCH@|$1|" -e "s|@TIME@|$time|"
			# File by file: of a folder given as one, a package would own also what is everybody's.
			(cd "$pkg" && find root $own -type f -printf '  - {src: "%p", dst: "/%P"}\n' | sort)
		} >"$pkg/nfpm.yaml"
		if [ $kind = rpm ]; then sed -i -E 's#(dst: "/usr/share/(doc|man)/[^"]*")#\1, type: doc#; s#(dst: "/usr/share/licenses/[^"]*")#\1, type: license#' "$pkg/nfpm.yaml"; fi
		(cd "$pkg" && "$work/nfpm" package --config nfpm.yaml --packager $kind --target "$out/")
	done
}

# windows_folder ARCH FOLDER: what the .zip has; both programs with icon,
# version and manifest.
windows_folder() {
	mkdir -p "$work/winres"
	cp "$work"/icons/icon*.png "$work/winres/"
	fill <$parts/windows/winres.json >"$work/winres/winres.json"
	rm -f ./*.syso
	go run github.com/tc-hib/go-winres@v0.3.3 make --in "$work/winres/winres.json" --arch "$1" --out "$work/winres/rsrc"
	cp "$work/winres/rsrc_windows_$1.syso" .
	cp "$work/winres/rsrc_windows_$1.syso" $parts/windows/drawbridgew/
	build windows "$1" "$2/drawbridge.exe" .
	build windows "$1" "$2/drawbridgew.exe" "./$parts/windows/drawbridgew" "-H windowsgui"
	rm -f ./*.syso $parts/windows/drawbridgew/*.syso
	mkdir "$2/completions"
	cp "$work/docs/completions/drawbridge.ps1" "$2/completions/"
	cp README.md LICENSE server/e2e/licenses/LICENSES.md "$2/"
}

# windows_installer FOLDER: the .msi, for amd64 alone, which runs on arm64 too.
windows_installer() {
	cp "$work/icons/drawbridge.ico" $parts/windows/drawbridge.wxs "$1/"
	dated "$1"
	(cd "$1" && python3 "$work/src/$parts/msi.py" "$out/drawbridge_${version}_windows_amd64.msi" "$version" "$SOURCE_DATE_EPOCH")
}

# mac_app PROGRAM FOLDER: Drawbridge.app in FOLDER.
mac_app() {
	local app=$2/Drawbridge.app/Contents
	mkdir -p "$app"/{MacOS,Resources}
	cp "$1" "$app/MacOS/drawbridge"
	cp "$work/icons/Drawbridge.icns" "$app/Resources/"
	fill <$parts/macos/Info.plist >"$app/Info.plist"
	printf 'APPL????' >"$app/PkgInfo"
	cp LICENSE server/e2e/licenses/LICENSES.md "$app/Resources/"
}

GOBIN=$work go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
for target in $targets; do
	os=${target%/*} arch=${target#*/} folder=$work/${target/\//_} name=drawbridge_${version}_${target/\//_}
	step "$target"
	mkdir "$folder"
	case $os in
	windows)
		windows_folder "$arch" "$folder"
		zipped "$folder" "$name.zip"
		if [ "$arch" = amd64 ]; then windows_installer "$folder"; fi
		continue
		;;
	darwin)
		if [ -n "$mac" ]; then cp "$mac/drawbridge_darwin_$arch" "$folder/drawbridge"; else build darwin "$arch" "$folder/drawbridge" .; fi
		mkdir "$work/app_$arch"
		mac_app "$folder/drawbridge" "$work/app_$arch"
		zipped "$work/app_$arch" "Drawbridge_${version}_$arch.app.zip"
		;;
	*)
		build linux "$arch" "$folder/drawbridge" .
		linux_packages "$arch" "$folder/drawbridge"
		install -D "$folder/drawbridge" "$work/container/$arch/drawbridge"
		cp $parts/linux/drawbridge.service $parts/linux/drawbridge.desktop "$folder/"
		;;
	esac
	cp -r "$work/docs/." "$folder/"
	chmod -R u=rwX,go=rX "$folder"
	tarball "$folder" "$name.tar.gz"
done

if [ "$targets" = "$all" ]; then
	step container, bill of materials, manifests
	mkdir "$work/container/data"
	cp $parts/Containerfile "$work/container/"
	tarball "$work/container" "drawbridge_${version}_container.tar.gz"
	go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 app -json -licenses -noserial -std=false -output "$work/sbom.json" .
	python3 $parts/manifests.py "$out" "$version" "$date" "$url" "$work/sbom.json" "$SOURCE_DATE_EPOCH"
fi
(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
step "$(du -sh "$out" | cut -f1) in $out"
(cd "$out" && find . -type f -printf '%9s  %P\n' | sort -k2)
