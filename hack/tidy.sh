#!/usr/bin/env bash
# Tidies all modules: the operator's, the nested ones (each directory with a
# go.mod of its own) and the tools'. With -diff it changes nothing, and fails if
# there is a difference.
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files --cached --others --exclude-standard 'go.mod' '*/go.mod' | while read -r file; do
	go -C "$(dirname "$file")" mod tidy "$@"
done

# go.tools.mod is in this directory only because `go tool -modfile` needs it here.
# It requires none of our packages, so it is tidied in an empty directory.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp go.tools.mod "$dir/go.mod"
cp go.tools.sum "$dir/go.sum"
go -C "$dir" mod tidy "$@"
cp "$dir/go.mod" go.tools.mod
cp "$dir/go.sum" go.tools.sum
