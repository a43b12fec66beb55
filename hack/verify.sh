#!/usr/bin/env bash
# Regenerates and formats everything, and fails if that changes any file, or if a file
# has a word that is misspelled or in hack/words/words.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# snapshot prints the tree object of the current working directory.
snapshot() {
	local index="$dir/index"
	rm -f "$index"
	cp "$(git rev-parse --git-path index)" "$index" 2>/dev/null || true
	GIT_INDEX_FILE="$index" git add --all
	GIT_INDEX_FILE="$index" git write-tree
}

before=$(snapshot)
hack/tidy.sh -diff
make --no-print-directory generate manifests fmt
after=$(snapshot)
if ! git --no-pager diff --exit-code "$before" "$after"; then
	echo 'verify: the files above were not up to date and have been updated; commit them' >&2
	exit 1
fi
go run ./hack/words
git ls-files --cached --others --exclude-standard -z '*.md' '*.go' '*.sh' '*.yaml' '*.yml' '*.tf' '*.tpl' '*.mts' |
	xargs -0 go tool -modfile=go.tools.mod misspell -error -i importas
