package charttest_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

// The effect of single values.
func TestValues_ChangeWhatTheySay(t *testing.T) {
	const (
		name     = "podidentity-controller-manager"
		crd      = "podidentities.iam.podidentity.io"
		env      = "{.spec.template.spec.containers[0].env}"
		image    = "{.spec.template.spec.containers[0].image}"
		keep     = `{.metadata.annotations.helm\.sh/resource-policy}`
		guarded  = `guardrails: {items: {tenants: {namespaceSelector: {matchLabels: {tenant: "true"}}, maxIdentities: 20}}}`
		identity = `identities: {items: {shop/checkout: {policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}}, shop/123: {}}}`
	)
	for title, tc := range map[string]struct {
		reason, values, kind, name, path string
		want                             string // JSON; empty if the field or the object is absent
	}{
		"MemoryLimit":        {"GOMEMLIMIT is 90 % of the limit, in whole MiB.", ``, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"460MiB"}]`},
		"MemoryDecimal":      {"The limit has a decimal unit.", `resources: {limits: {memory: 1.5G}}`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"1287MiB"}]`},
		"MemoryBytes":        {"The limit is a number of bytes.", `resources: {limits: {memory: 268435456}}`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"230MiB"}]`},
		"MemoryExponent":     {"The limit has an exponent.", `resources: {limits: {memory: 1e9}}`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"858MiB"}]`},
		"NoMemoryLimit":      {"Without a memory limit there is no GOMEMLIMIT.", `resources: {limits: null}`, "Deployment", name, env, ``},
		"OwnMemoryLimit":     {"A variable must not occur twice.", `extraEnv: [{name: GOMEMLIMIT, value: 1GiB}]`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"1GiB"}]`},
		"Image":              {"The default tag is the appVersion.", ``, "Deployment", name, image, `"ghcr.io/podidentity/podidentity-operator:v0.1.0"`},
		"ImageTag":           {"", `image: {tag: v9}`, "Deployment", name, image, `"ghcr.io/podidentity/podidentity-operator:v9"`},
		"ImageDigest":        {"", `image: {tag: v9, digest: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`, "Deployment", name, image, `"ghcr.io/podidentity/podidentity-operator:v9@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`},
		"GlobalRegistry":     {"The global registry overrides image.registry.", `{global: {imageRegistry: mirror.example.com:5000/x}, image: {registry: other}}`, "Deployment", name, image, `"mirror.example.com:5000/x/podidentity/podidentity-operator:v0.1.0"`},
		"NoRegistry":         {"The repository may contain the registry.", `image: {registry: "", repository: operator}`, "Deployment", name, image, `"operator:v0.1.0"`},
		"PullSecrets":        {"Both forms are accepted, and each Secret is listed once.", `{global: {imagePullSecrets: [a, {name: b}]}, imagePullSecrets: [{name: a}]}`, "Deployment", name, "{.spec.template.spec.imagePullSecrets}", `[{"name":"a"},{"name":"b"}]`},
		"DNS":                {"Names of the cluster can be resolved on the network of the node.", `hostNetwork: true`, "Deployment", name, "{.spec.template.spec.dnsPolicy}", `"ClusterFirstWithHostNet"`},
		"DNSChosen":          {"", `{hostNetwork: true, dnsPolicy: Default}`, "Deployment", name, "{.spec.template.spec.dnsPolicy}", `"Default"`},
		"DNSDefault":         {"", ``, "Deployment", name, "{.spec.template.spec.dnsPolicy}", ``},
		"Selector":           {"The selector is immutable, so it contains no labels of users.", `{commonLabels: {team: a}, podLabels: {x: y}}`, "Deployment", name, "{.spec.selector.matchLabels}", `{"app.kubernetes.io/name":"podidentity-operator"}`},
		"OwnLabels":          {"A label of users does not replace one of the selector.", `podLabels: {app.kubernetes.io/name: other}`, "Deployment", name, "{.spec.template.metadata.labels}", `{"app.kubernetes.io/name":"podidentity-operator"}`},
		"CommonLabels":       {"Common labels are on every object.", `commonLabels: {team: a}`, "CustomResourceDefinition", crd, "{.metadata.labels.team}", `"a"`},
		"KeepCRDs":           {"Deleting the CustomResourceDefinitions would delete all roles.", ``, "CustomResourceDefinition", crd, keep, `"keep"`},
		"DropCRDs":           {"The CustomResourceDefinitions can be part of an uninstall.", `crds: {keep: false}`, "CustomResourceDefinition", crd, keep, ``},
		"NoCRDs":             {"The CustomResourceDefinitions can be installed separately.", `crds: {enabled: false}`, "CustomResourceDefinition", crd, "{.kind}", ``},
		"Guardrail":          {"The spec of a guardrail is copied.", guarded, "PodIdentityGuardrail", "tenants", "{.spec}", `{"maxIdentities":20,"namespaceSelector":{"matchLabels":{"tenant":"true"}}}`},
		"KeepGuardrails":     {"No release operation lifts a limit.", guarded, "PodIdentityGuardrail", "tenants", keep, `"keep"`},
		"DropGuardrails":     {"Guardrails can be part of an uninstall.", `guardrails: {keep: false, items: {tenants: {namespaceSelector: {}}}}`, "PodIdentityGuardrail", "tenants", keep, ``},
		"Identity":           {"The spec of an identity is copied.", identity, "PodIdentity", "checkout", "{.spec}", `{"policies":{"managed":["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}}`},
		"IdentityNamespace":  {"An identity is in its own namespace, not in that of the release.", identity, "PodIdentity", "checkout", "{.metadata.namespace}", `"shop"`},
		"IdentityNumber":     {"A name of digits stays a string.", identity, "PodIdentity", "123", "{.metadata.name}", `"123"`},
		"KeepIdentities":     {"No release operation leaves an identity that no operator can delete.", identity, "PodIdentity", "checkout", keep, `"keep"`},
		"DropIdentities":     {"Identities can be part of an uninstall.", `identities: {keep: false, items: {shop/checkout: {}}}`, "PodIdentity", "checkout", keep, ``},
		"View":               {"PodIdentities contain no secrets.", ``, "ClusterRole", "podidentity-viewer-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-view}`, `"true"`},
		"NoView":             {"", `rbac: {aggregateToView: false}`, "ClusterRole", "podidentity-viewer-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-view}`, ``},
		"NoEdit":             {"The role edit alone gives no permissions in AWS.", ``, "ClusterRole", "podidentity-editor-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-edit}`, ``},
		"Edit":               {"The value aggregates to the role edit.", `rbac: {aggregateToEdit: true}`, "ClusterRole", "podidentity-editor-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-edit}`, `"true"`},
		"NoAdmin":            {"The role admin alone gives no permissions in AWS.", ``, "ClusterRole", "podidentity-admin-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-admin}`, ``},
		"Admin":              {"The value aggregates to the role admin.", `rbac: {aggregateToAdmin: true}`, "ClusterRole", "podidentity-admin-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-admin}`, `"true"`},
		"Warn":               {"The operator enforces guardrails anyway.", `admissionPolicies: {validationActions: [Warn]}`, "ValidatingAdmissionPolicyBinding", "podidentity-guardrails", "{.spec.validationActions}", `["Warn"]`},
		"ServiceAccounts":    {"Only the API server knows the user, so this is never only a warning.", `admissionPolicies: {validationActions: [Warn]}`, "ValidatingAdmissionPolicyBinding", "podidentity-service-accounts", "{.spec.validationActions}", `["Deny"]`},
		"Placeholders":       {"A placeholder may be intended, so this is never rejected.", `admissionPolicies: {validationActions: [Deny]}`, "ValidatingAdmissionPolicyBinding", "podidentity-placeholders", "{.spec.validationActions}", `["Warn"]`},
		"NoServiceAccounts":  {"A GitOps tool may have no permission for ServiceAccounts.", `admissionPolicies: {requireServiceAccountPermissions: false}`, "ValidatingAdmissionPolicyBinding", "podidentity-service-accounts", "{.kind}", ``},
		"NoPolicyEither":     {"", `admissionPolicies: {requireServiceAccountPermissions: false}`, "ValidatingAdmissionPolicy", "podidentity-service-accounts", "{.kind}", ``},
		"NoAdmission":        {"", `admissionPolicies: {enabled: false}`, "ValidatingAdmissionPolicy", "podidentity-guardrails", "{.kind}", ``},
		"RoleARN":            {"AWS's webhook reads the annotation.", `serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/x"}}`, "ServiceAccount", name, "{.metadata.annotations}", `{"eks.amazonaws.com/role-arn":"arn:aws:iam::123456789012:role/x"}`},
		"MinAvailable":       {"minAvailable replaces maxUnavailable.", `podDisruptionBudget: {minAvailable: 50%}`, "PodDisruptionBudget", name, "{.spec}", `{"minAvailable":"50%","selector":{"matchLabels":{"app.kubernetes.io/name":"podidentity-operator"}}}`},
		"LeaseElsewhere":     {"The Role is in the namespace of the Lease.", `options: {leaderElectionNamespace: kube-system}`, "Role", "podidentity-leader-election-role", "{.metadata.namespace}", `"kube-system"`},
		"NoMetricsService":   {"", `options: {metricsBindAddress: "0"}`, "Service", "podidentity-controller-manager-metrics", "{.kind}", ``},
		"MetricsPort":        {"Service, probe and NetworkPolicy have the port of the flag.", `options: {metricsBindAddress: "[::]:9443"}`, "Service", "podidentity-controller-manager-metrics", "{.spec.ports}", `[{"name":"https","port":9443,"targetPort":"metrics"}]`},
		"InsecureMonitor":    {"Without TLS no token is sent.", `{options: {metricsSecure: false}, serviceMonitor: {enabled: true}}`, "ServiceMonitor", name, "{.spec.endpoints}", `[{"port":"http"}]`},
		"StaleAfterDefault":  {"The alert waits three default intervals.", `{prometheusRule: {enabled: true}}`, "PrometheusRule", name, `{.spec.groups[0].rules[?(@.alert=="PodIdentityDriftCheckMissing")].expr}`, `"time() - max(podidentity_drift_check_last_success_timestamp_seconds) > 1800"`},
		"StaleAfterQueue":    {"With an event queue the default interval is longer.", `{options: {eventQueueUrl: "https://sqs.us-east-1.amazonaws.com/123456789012/q"}, prometheusRule: {enabled: true}}`, "PrometheusRule", name, `{.spec.groups[0].rules[?(@.alert=="PodIdentityDriftCheckMissing")].expr}`, `"time() - max(podidentity_drift_check_last_success_timestamp_seconds) > 10800"`},
		"StaleAfter":         {"The alert waits three intervals.", `{options: {driftCheckInterval: 1h30m}, prometheusRule: {enabled: true}}`, "PrometheusRule", name, `{.spec.groups[0].rules[?(@.alert=="PodIdentityDriftCheckMissing")].expr}`, `"time() - max(podidentity_drift_check_last_success_timestamp_seconds) > 16200"`},
		"ExtraObjectOfTexts": {"A text with templates becomes an object.", `extraObjects: ["{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Values.clusterName }}', namespace: x}}"]`, "ConfigMap", "prod-eu", "{.metadata.namespace}", `"x"`},
	} {
		t.Run(title+": "+tc.reason, func(t *testing.T) {
			values := parse(t, tc.values)
			values["clusterName"] = "prod-eu"
			got := query(t, charttest.Find(render(t, values), tc.kind, tc.name), tc.path)
			var want any
			if tc.want != "" {
				if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s, %v: -want, +got:\n%s", tc.kind, tc.name, tc.path, diff)
			}
		})
	}
}

// query returns what a JSONPath finds in an object, nil if that is nothing.
func query(t *testing.T, object *unstructured.Unstructured, path string) any {
	t.Helper()
	if object == nil {
		return nil
	}
	q := jsonpath.New("").AllowMissingKeys(true)
	if err := q.Parse(path); err != nil {
		t.Fatal(err)
	}
	found, err := q.FindResults(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 || len(found[0]) == 0 {
		return nil
	}
	return found[0][0].Interface()
}
