#!/usr/bin/env bash
# Writes a kustomization that deploys config/default with an image, the name of the
# cluster, the IAM role of the operator itself, and the permissions boundary of all
# roles:
#
#	hack/deploy-overlay.sh DIRECTORY IMAGE CLUSTER_NAME ROLE_ARN [BOUNDARY_ARN]
#
# DIRECTORY is in dist. IMAGE has a tag, a digest or both. ROLE_ARN may be empty if
# the operator gets its credentials another way. Without BOUNDARY_ARN the overlay sets
# no boundary.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$1 image=$2 cluster=$3 role=$4 boundary=${5-}

if [[ -z "$cluster" ]]; then
	echo 'CLUSTER_NAME is required: the name of this cluster, which becomes part of the names and tags of its IAM roles' >&2
	exit 2
fi

name=$image tag='' digest=''
if [[ "$name" == *@* ]]; then
	digest=${name#*@} name=${name%%@*}
fi
if [[ "${name##*/}" == *:* ]]; then # a colon before the last slash is that of a port
	tag=${name##*:} name=${name%:*}
fi
if [[ -z "$tag$digest" ]]; then
	echo "IMG is $image, but must have a tag or a digest, such as $image:v0.1.0" >&2
	exit 2
fi

mkdir -p "$dir"
{
	cat <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
images:
- name: ghcr.io/podidentity/podidentity-operator
  newName: "$name"
  newTag: "$tag"
  digest: "$digest"
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: podidentity-controller-manager
      namespace: podidentity-system
    spec:
      template:
        spec:
          containers:
          - name: manager
            env:
            - {name: CLUSTER_NAME, value: "$cluster"}
YAML
	if [[ -n "$boundary" ]]; then
		cat <<YAML
            - {name: PODIDENTITY_PERMISSIONS_BOUNDARY, value: "$boundary"}
YAML
	fi
	if [[ -n "$role" ]]; then
		cat <<YAML
- patch: |
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: podidentity-controller-manager
      namespace: podidentity-system
      annotations: {eks.amazonaws.com/role-arn: "$role"}
YAML
	fi
} >"$dir/kustomization.yaml"
