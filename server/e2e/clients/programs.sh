#!/bin/bash
# Installs the programs that people use with MCP, as they come from npm (some 2
# GB), and takes each through its life with Drawbridge. No account is needed.
#
#   bash server/e2e/clients/programs.sh           all
#   bash server/e2e/clients/programs.sh Codex     one
set -euo pipefail
cd "$(dirname "$0")/programs"
want=$(sha256sum <package-lock.json)
if [ "$(cat node_modules/.installed 2>/dev/null)" != "$want" ]; then
	# not npm ci: it refuses a lock file without the builds for other systems, as npm
	# writes it here
	npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	node node_modules/@anthropic-ai/claude-code/install.cjs # its script, without which it is a stub
	echo "$want" >node_modules/.installed
fi
go vet -tags programs .
exec go test -tags programs -count=1 -timeout=30m -v -run "TestPrograms/${1:-}" .
