#!/bin/bash
# Runs every fuzz target in turn, on one core, and says how much each did.
#
#   bash server/e2e/fuzz.sh                  ten seconds each
#   bash server/e2e/fuzz.sh 120              two minutes each
#   bash server/e2e/fuzz.sh 120 FuzzToken    targets of that name only
#
# An input that fails is written to testdata/fuzz beside its target, where
# `go test` runs it from then on; so are some of those that led to new code.
set -uo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10} only=${2:-Fuzz} kept=8
cache=$(go env GOCACHE)/fuzz
failed=0

# keep copies small inputs that the fuzzer found interesting into testdata, as
# long as there are fewer than $kept.
keep() { # PACKAGE TARGET
	local from=$cache/$(go list "./$1")/$2 to=$1/testdata/fuzz/$2
	[ -d "$from" ] || return 0
	mkdir -p "$to"
	local room=$((kept - $(find "$to" -type f | wc -l)))
	[ $room -gt 0 ] || return 0
	find "$from" -type f -size -4 -printf '%f\n' | sort | head -n "$room" | while read -r name; do cp "$from/$name" "$to/"; done
}

while IFS=: read -r file target; do
	package=$(dirname "$file")
	out=$(GOMAXPROCS=1 nice -n 15 go test "./$package" -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 5s -parallel 1 2>&1)
	rc=$?
	printf '%-28s %-24s %s\n' "$target" "$package" "$(grep -oE 'execs: [0-9]+|new interesting: [0-9]+' <<<"$out" | tail -n 2 | paste -sd' ')"
	if [ $rc -ne 0 ]; then
		failed=1
		grep -v '^fuzz: elapsed' <<<"$out"
	fi
	keep "$package" "$target"
done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z]+' . | sed -E 's/^\.\/(.*):func (.*)/\1:\2/' | grep -E ":.*$only" | sort)
exit $failed
