#!/usr/bin/env bash
# Writes one manifest that installs the operator with `kubectl apply`:
#
#	hack/installer.sh IMAGE FILE
#
# The environment sets CLUSTER_NAME and ROLE_ARN. A variable that is not set stays a
# placeholder for the user of the manifest; an empty ROLE_ARN leaves out the
# annotation. kubectl is that of the tests' control plane, so that no other is needed.
set -euo pipefail
image=$1 file=$2
[[ "$file" == /* ]] || file=$PWD/$file
cd "$(dirname "$0")/.."
# shellcheck disable=SC2016 # the placeholders are not for this shell
cluster=${CLUSTER_NAME-'${CLUSTER_NAME}'} role=${ROLE_ARN-'${ROLE_ARN}'}

mkdir -p dist "$(dirname "$file")"
dir=$(mktemp -d dist/installer.XXXXXX)
trap 'rm -rf "$dir"' EXIT
hack/deploy-overlay.sh "$dir" "$image" "$cluster" "$role"
assets=$(go run ./hack/assets)

{
	echo "# The PodIdentity operator, $image"
	if [[ "$cluster$role" == *'${'* ]]; then
		cat <<'TEXT'
#
# Set the name of your cluster, and the ARN of the IAM role that the operator itself runs as. The role is what
# config/aws/README.md describes. The ARN stays empty if the operator gets its role through EKS Pod Identity.
#
#   sed 's|${CLUSTER_NAME}|prod-eu|; s|${ROLE_ARN}|arn:aws:iam::123456789012:role/podidentity-operator-prod-eu|' install.yaml |
#     kubectl apply --server-side --filename=-
TEXT
	fi
	# The placeholders are quoted, because what replaces them may look like a number.
	"$assets/kubectl" kustomize "$dir" | sed -E 's/: (\$\{[A-Z_]+\})$/: "\1"/'
} >"$dir/install.yaml"
mv "$dir/install.yaml" "$file"
