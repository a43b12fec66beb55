#!/usr/bin/env bash
# Builds the archives of the kubectl plugin for a release, and their checksums, into
# dist/plugin:
#
#	hack/plugin-archives.sh VERSION [OS/ARCH…]
#
# Without platforms it builds those of .krew.yaml. The same commit gives the same
# archives.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
shift
platforms=("$@")
if [[ ${#platforms[@]} -eq 0 ]]; then
	platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64)
fi

out=dist/plugin
mkdir -p "$out"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp LICENSE "$dir"
for platform in "${platforms[@]}"; do
	export GOOS=${platform%/*} GOARCH=${platform#*/} CGO_ENABLED=0
	binary=kubectl-podidentity
	if [[ $GOOS == windows ]]; then binary+=.exe; fi
	go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$dir/$binary" ./cmd/kubectl-podidentity
	tar --create --sort=name --owner=0 --group=0 --numeric-owner --mode=755 --mtime=@0 -C "$dir" "$binary" LICENSE |
		gzip --no-name >"$out/kubectl-podidentity_${version}_${GOOS}_${GOARCH}.tar.gz"
	rm "$dir/$binary"
done
(cd "$out" && sha256sum -- *.tar.gz >"kubectl-podidentity_${version}_checksums.txt")
