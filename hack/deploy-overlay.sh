#!/usr/bin/env bash
# Writes dist/deploy, a kustomization that deploys config/default with an image,
# the name of the cluster, and the IAM role of the operator itself:
#
#	hack/deploy-overlay.sh IMAGE CLUSTER_NAME ROLE_ARN
#
# ROLE_ARN may be empty if the operator gets its credentials another way.
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1 cluster=$2 role=$3

if [[ -z "$cluster" ]]; then
	echo 'CLUSTER_NAME is required: the name of this cluster, which becomes part of the names and tags of its IAM roles' >&2
	exit 2
fi
mkdir -p dist/deploy
{
	cat <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
images:
- name: ghcr.io/podidentity/podidentity-operator
  newName: "${image%:*}"
  newTag: "${image##*:}"
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
            env: [{name: CLUSTER_NAME, value: "$cluster"}]
YAML
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
} >dist/deploy/kustomization.yaml
