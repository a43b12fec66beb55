#!/usr/bin/env bash
# Brings everything up to date that can be, and fails if that changed anything;
# in a clean checkout that means: if the tree is dirty afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# snapshot prints the tree that a commit of everything here and now would have.
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
	echo 'verify: the files above were not up to date, and now are: commit them' >&2
	exit 1
fi
