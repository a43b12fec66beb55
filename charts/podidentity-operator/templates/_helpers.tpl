{{/* The first part of all names. */}}
{{- define "podidentity.prefix" -}}
{{ .Values.fullnameOverride | default "podidentity" }}
{{- end }}

{{- define "podidentity.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{/* The namespace of the Lease for leader election. */}}
{{- define "podidentity.leaseNamespace" -}}
{{ .Values.options.leaderElectionNamespace | default (include "podidentity.namespace" .) }}
{{- end }}

{{- define "podidentity.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (printf "%s-controller-manager" (include "podidentity.prefix" .)) }}
{{- end }}

{{/* The labels by which the Deployment, the Service and others select the pods. They must not change. */}}
{{- define "podidentity.selectorLabels" -}}
app.kubernetes.io/name: podidentity-operator
{{- end }}

{{/* The labels of all objects. */}}
{{- define "podidentity.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "podidentity-operator"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_")
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
}}
{{- toYaml (merge $own .Values.commonLabels) }}
{{- end }}

{{/*
The chart of a release names the digest of its image in Chart.yaml. A mirror may have other digests, because it may have
one platform alone.
*/}}
{{- define "podidentity.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry }}
{{- $image := printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- with $registry }}
{{- $image = printf "%s/%s" . $image }}
{{- end }}
{{- $digest := .Values.image.digest }}
{{- range index .Chart.Annotations "artifacthub.io/images" | fromYamlArray }}
{{- if and (not $digest) (hasPrefix (printf "%s@" $image) .image) }}
{{- $digest = .image | trimPrefix (printf "%s@" $image) }}
{{- end }}
{{- end }}
{{- $image }}{{ with $digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The pull secrets of the pods, in the form that Kubernetes expects. */}}
{{- define "podidentity.pullSecrets" -}}
{{- $secrets := list }}
{{- range concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- if $secrets }}{{ toYaml (uniq $secrets) }}{{ end }}
{{- end }}

{{/* The flags of the operator: each value of options that is set, by its name in kebab case. A list is joined by commas. */}}
{{- define "podidentity.args" -}}
- --cluster-name={{ .Values.clusterName }}
{{- range $name, $value := .Values.options }}
{{- if kindIs "slice" $value }}{{ $value = join "," $value }}{{ end }}
{{- if ne ($value | toString) "" }}
- {{ printf "--%s=%v" (kebabcase $name) $value | toJson }}
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ tpl . $ | toJson }}
{{- end }}
{{- end }}

{{/* How often the operator checks for drift: what is set, or its default. */}}
{{- define "podidentity.driftCheckInterval" -}}
{{ .Values.options.driftCheckInterval | default (.Values.options.eventQueueUrl | empty | ternary "10m" "1h") }}
{{- end }}

{{/* The port of an address such as :8443; empty if the address is 0. */}}
{{- define "podidentity.port" -}}
{{- if ne . "0" }}{{ splitList ":" . | last }}{{ end }}
{{- end }}

{{/* GOMEMLIMIT: 90 % of a quantity of memory such as 512Mi, in MiB; empty if there is none. */}}
{{- define "podidentity.goMemLimit" -}}
{{- with . | toString }}
{{- $number := regexFind "^[0-9.]+(e[+]?[0-9]+)?" . | float64 }}
{{- $unit := regexReplaceAll "^[0-9.]+(e[+]?[0-9]+)?" . "" }}
{{- $bytes := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- if not (hasKey $bytes $unit) }}
{{- fail (printf "resources.limits.memory: %q is not a quantity of memory such as 512Mi" .) }}
{{- end }}
{{- printf "%dMiB" (divf (mulf $number (get $bytes $unit) 0.9) 1048576.0 | floor | int64) }}
{{- end }}
{{- end }}

{{/* A duration such as 1h30m, in seconds. */}}
{{- define "podidentity.seconds" -}}
{{- $seconds := 0.0 }}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 }}
{{- $factor := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) (regexFind "(ms|s|m|h)$" .) }}
{{- $seconds = addf $seconds (mulf (regexFind "^[0-9.]+" . | float64) $factor) }}
{{- end }}
{{- $seconds }}
{{- end }}

{{/*
Whether objects of the operator's own kinds have to be created by a hook: "true" during a first installation, when the
API server does not know the kinds yet and Helm would reject the whole release. `helm template` and Argo CD, which do
not talk to an API server here, never get hooks: Argo CD orders objects itself.
*/}}
{{- define "podidentity.kindsAreMissing" -}}
{{- if and (lookup "v1" "Namespace" "" "kube-system") (not (lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "podidentityguardrails.iam.podidentity.io")) -}}
true
{{- end }}
{{- end }}

{{/* What such an object carries: the hook, and what lets the next upgrade adopt the object. */}}
{{- define "podidentity.firstInstallAnnotations" -}}
helm.sh/hook: post-install
meta.helm.sh/release-name: {{ .Release.Name }}
meta.helm.sh/release-namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The annotations of an object of the operator's own kinds, which a value may keep; nothing if it has none. */}}
{{- define "podidentity.ownAnnotations" -}}
{{- if .keep }}
helm.sh/resource-policy: keep
{{- end }}
{{- if eq (include "podidentity.kindsAreMissing" .root) "true" }}
{{ include "podidentity.firstInstallAnnotations" .root }}
{{- end }}
{{- end }}
