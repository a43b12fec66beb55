package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// header is the first line of generated templates.
const header = "{{- /* Generated from %s by `make manifests`. Do not edit. */}}\n"

// guarded returns templates that are rendered if the condition is true.
func guarded(source, condition string, templates []string) []byte {
	return fmt.Appendf(nil, header+"{{- if %s }}\n---\n%s{{- end }}\n", source, condition, strings.Join(templates, "---\n"))
}

// crds returns the CustomResourceDefinitions as a template.
func crds(root string) ([]byte, error) {
	manifests, err := resources(root, "config/crd")
	if err != nil {
		return nil, err
	}
	var templates []string
	for _, m := range manifests {
		var lines strings.Builder
		for _, a := range takeMap(field(m.document.Content[0], "metadata"), "annotations") {
			fmt.Fprintf(&lines, "\n    %s: %q", a[0], a[1])
		}
		annotations := "\n  annotations:" + lines.String() + `
    {{- if .Values.crds.keep }}
    helm.sh/resource-policy: keep
    {{- end }}
    {{- with .Values.crds.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}`
		text, err := m.template(annotations)
		if err != nil {
			return nil, err
		}
		templates = append(templates, strings.TrimPrefix(text, "---\n"))
	}
	return guarded("config/crd", ".Values.crds.enabled", templates), nil
}

// rbac returns roles and bindings as a template. The ServiceAccount has one of its
// own, as users configure it.
func rbac(root string) ([]byte, error) {
	manifests, err := resources(root, "config/rbac")
	if err != nil {
		return nil, err
	}
	var templates []string
	for _, m := range manifests {
		object := m.document.Content[0]
		if field(object, "kind").Value == "ServiceAccount" {
			continue
		}
		metadata := field(object, "metadata")
		aggregation := aggregated[field(metadata, "name").Value]
		prefixed(metadata)
		prefixed(field(object, "roleRef"))
		namespace := namespaceToken
		if strings.Contains(field(metadata, "name").Value, "leader-election") {
			namespace = leaseToken
		}
		set(metadata, "namespace", namespace)
		if subjects := field(object, "subjects"); subjects != nil {
			for _, subject := range subjects.Content {
				set(subject, "name", accountToken)
				set(subject, "namespace", namespaceToken)
			}
		}
		text, err := m.template("")
		if err != nil {
			return nil, err
		}
		if aggregation != "" {
			text = strings.Replace(text, labelsLine, labelsLine+aggregation, 1)
		}
		templates = append(templates, strings.TrimPrefix(text, "---\n"))
	}
	return guarded("config/rbac", ".Values.rbac.create", templates), nil
}

const labelsLine = `{{- include "podidentity.labels" . | nindent 4 }}`

// aggregated are labels that config/ leaves out, as a user who creates a PodIdentity
// obtains permissions in AWS, and that a value of the chart sets.
var aggregated = map[string]string{
	"editor-role": `
    {{- if .Values.rbac.aggregateToEdit }}
    rbac.authorization.k8s.io/aggregate-to-edit: "true"
    {{- end }}`,
	"admin-role": `
    {{- if .Values.rbac.aggregateToAdmin }}
    rbac.authorization.k8s.io/aggregate-to-admin: "true"
    {{- end }}`,
}

// serviceAccountsPolicy is the admission policy that has its own value in the chart, and
// the name of its binding.
const serviceAccountsPolicy = "service-accounts"

// placeholdersPolicy is the admission policy that only warns.
const placeholdersPolicy = "placeholders"

// admission returns the admission policies as a template.
func admission(root string) ([]byte, error) {
	manifests, err := resources(root, "config/admission")
	if err != nil {
		return nil, err
	}
	var templates []string
	for _, m := range manifests {
		object := m.document.Content[0]
		prefixed(field(object, "metadata"))
		spec := field(object, "spec")
		own := field(field(object, "metadata"), "name").Value == prefixToken+serviceAccountsPolicy
		if policy := field(spec, "policyName"); policy != nil {
			warns := policy.Value == placeholdersPolicy
			set(spec, "policyName", prefixToken+policy.Value)
			if !own && !warns {
				set(spec, "validationActions", actionsToken)
				field(spec, "validationActions").LineComment = ""
			}
		}
		text, err := m.template("")
		if err != nil {
			return nil, err
		}
		if own {
			text = "{{- if .Values.admissionPolicies.requireServiceAccountPermissions }}\n---\n" + text + "{{- end }}\n"
		}
		templates = append(templates, text)
	}
	return guarded("config/admission", ".Values.admissionPolicies.enabled", templates), nil
}

// staleAfter is the part of config/prometheus that depends on a flag: three
// intervals of drift checks.
const staleAfter = "success_timestamp_seconds) > 1800"

// prometheusRule returns the alerts as a template, whose values can leave alerts out
// and add labels.
func prometheusRule(root string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(root, "config/prometheus/prometheus_rule.yaml"))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(raw), staleAfter); n != 1 {
		return nil, fmt.Errorf("config/prometheus/prometheus_rule.yaml has %q %d times, want once", staleAfter, n)
	}
	var rule struct {
		Spec struct {
			Groups []struct {
				Name  string      `yaml:"name"`
				Rules []yaml.Node `yaml:"rules"`
			} `yaml:"groups"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(raw, &rule); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, header, "config/prometheus")
	b.WriteString(`{{- if .Values.prometheusRule.enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {{ include "podidentity.prefix" . }}-controller-manager
  namespace: {{ .Values.prometheusRule.namespace | default (include "podidentity.namespace" .) }}
  labels:
    {{- include "podidentity.labels" . | nindent 4 }}
    {{- with .Values.prometheusRule.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  groups:
`)
	for _, group := range rule.Spec.Groups {
		perObject := group.Name == "podidentity-objects"
		if perObject {
			b.WriteString("  {{- if .Values.prometheusRule.kubeStateMetrics }}\n")
		}
		fmt.Fprintf(&b, "  - name: %s\n    rules:\n", group.Name)
		for i := range group.Rules {
			text, err := alert(&group.Rules[i])
			if err != nil {
				return nil, err
			}
			b.WriteString(text)
		}
		if perObject {
			b.WriteString("  {{- end }}\n")
		}
	}
	b.WriteString("{{- end }}\n")
	return []byte(b.String()), nil
}

// alert returns one alert as a part of a template.
func alert(node *yaml.Node) (string, error) {
	name, labels := field(node, "alert"), field(node, "labels")
	if name == nil || field(labels, "severity") == nil {
		return "", errors.New("a rule without alert or severity")
	}
	set(labels, "severity", severityToken+field(labels, "severity").Value)
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return "", err
	}
	text := escape(strings.TrimSpace(b.String()))
	text = strings.Replace(text, staleAfter, `success_timestamp_seconds) > {{ mulf 3 (include "podidentity.seconds" (include "podidentity.driftCheckInterval" .)) }}`, 1)
	text = severity.ReplaceAllString(text, "$1{{- with omit .Values.prometheusRule.alertLabels \"severity\" }}\n$1{{- toYaml . | nindent 8 }}\n$1{{- end }}\n"+
		"${1}severity: {{ .Values.prometheusRule.alertLabels.severity | default \"$2\" }}")
	lines := strings.Split(text, "\n")
	return fmt.Sprintf("    {{- if not (has %q .Values.prometheusRule.disabled) }}\n    - %s\n    {{- end }}\n", name.Value, strings.Join(lines, "\n      ")), nil
}

const severityToken = "SEVERITY-"

var severity = regexp.MustCompile(`(?m)^( +)severity: ` + severityToken + `(\w+)$`)
