#!/usr/bin/env bash
# Runs every fuzz target of the main module for a time such as 1m, one after the other, and
# stops at the first finding. The corpora in testdata/fuzz are its seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -H '^func Fuzz' |
	sed -E 's|^(.*)/[^/]+:func (Fuzz[A-Za-z0-9_]+)\(.*|\1 \2|' | while read -r package target; do
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "./$package" </dev/null
done
