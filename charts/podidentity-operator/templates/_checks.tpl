{{/* What the schema cannot check. Each failure names the value, what is allowed and what to do. */}}
{{- define "podidentity.checks" -}}
{{- if not .Values.clusterName }}
{{- fail "clusterName is required: the name of this cluster, 1 to 40 lower-case letters, digits, '-' and '.', such as --set clusterName=prod-eu. It becomes part of the names and tags of all IAM roles, so it must be unique within the AWS account and must not be changed." }}
{{- end }}
{{- include "podidentity.checkClusterName" . }}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.options.leaderElect) }}
{{- fail "options.leaderElect: must be true if replicaCount is greater than 1: without leader election all replicas would be active" }}
{{- end }}
{{- if eq .Values.options.metricsBindAddress "0" }}
{{- if .Values.serviceMonitor.enabled }}
{{- fail "serviceMonitor.enabled: must be false if options.metricsBindAddress is 0: there are no metrics to scrape" }}
{{- end }}
{{- end }}
{{- range $key, $spec := .Values.identities.items }}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" $key) }}
{{- fail (printf "identities.items: %q must be NAMESPACE/NAME, such as shop/checkout" $key) }}
{{- end }}
{{- end }}
{{- if and (not .Values.crds.enabled) (eq (include "podidentity.kindsAreMissing" .) "true") }}
{{- if .Values.guardrails.items }}
{{- fail "guardrails.items: the CustomResourceDefinition of PodIdentityGuardrail is missing, and crds.enabled is false: install it first, or set crds.enabled to true" }}
{{- end }}
{{- if .Values.identities.items }}
{{- fail "identities.items: the CustomResourceDefinition of PodIdentity is missing, and crds.enabled is false: install it first, or set crds.enabled to true" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Rejects another clusterName than that of the running operator. */}}
{{- define "podidentity.checkClusterName" -}}
{{- $name := printf "%s-controller-manager" (include "podidentity.prefix" .) }}
{{- $running := lookup "apps/v1" "Deployment" (include "podidentity.namespace" .) $name }}
{{- range dig "spec" "template" "spec" "containers" list ($running | default dict) }}
{{- range .args }}
{{- $old := trimPrefix "--cluster-name=" . }}
{{- if and (hasPrefix "--cluster-name=" .) (ne $old $.Values.clusterName) }}
{{- fail (printf "clusterName: must stay %q, the name that the running operator has: under the name %q the operator would create new roles for all PodIdentities and leave the old ones behind. To change it, delete all PodIdentities, uninstall the release and install it with the new name." $old $.Values.clusterName) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
