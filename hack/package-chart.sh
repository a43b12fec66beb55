#!/usr/bin/env bash
# Packages the Helm chart into dist/:
#
#	hack/package-chart.sh VERSION
#
# A VERSION such as v1.2.3 becomes the version of the chart and the default tag of
# the image. Any other is that of a development build, which keeps the versions of
# Chart.yaml.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 chart=charts/podidentity-operator

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp -R "$chart" "$dir"
if [[ "$version" =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]]; then
	released=$(sed -n 's/^appVersion: //p' "$chart/Chart.yaml")
	sed -e "s/^version: .*/version: ${version#v}/" -e "s/^appVersion: .*/appVersion: $version/" \
		-e "s/\(image: .*\):$released\$/\1:$version/" "$chart/Chart.yaml" >"$dir/podidentity-operator/Chart.yaml"
fi
mkdir -p dist
go -C test/chart tool helm package "$dir/podidentity-operator" --destination "$PWD/dist"
