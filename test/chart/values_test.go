package charttest_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

// What single values change.
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
		"MemoryLimit":        {"90 % of 512Mi, in whole MiB.", ``, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"460MiB"}]`},
		"MemoryDecimal":      {"Decimal units.", `resources: {limits: {memory: 1.5G}}`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"1287MiB"}]`},
		"MemoryBytes":        {"A bare number of bytes.", `resources: {limits: {memory: 268435456}}`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"230MiB"}]`},
		"MemoryExponent":     {"Kubernetes knows exponents.", `resources: {limits: {memory: 1e9}}`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"858MiB"}]`},
		"NoMemoryLimit":      {"Without a limit Go has none.", `resources: {limits: null}`, "Deployment", name, env, ``},
		"OwnMemoryLimit":     {"A variable must not occur twice.", `extraEnv: [{name: GOMEMLIMIT, value: 1GiB}]`, "Deployment", name, env, `[{"name":"GOMEMLIMIT","value":"1GiB"}]`},
		"Image":              {"By default the appVersion.", ``, "Deployment", name, image, `"ghcr.io/podidentity/podidentity-operator:v0.1.0"`},
		"ImageTag":           {"", `image: {tag: v9}`, "Deployment", name, image, `"ghcr.io/podidentity/podidentity-operator:v9"`},
		"ImageDigest":        {"", `image: {tag: v9, digest: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`, "Deployment", name, image, `"ghcr.io/podidentity/podidentity-operator:v9@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`},
		"GlobalRegistry":     {"It wins over image.registry.", `{global: {imageRegistry: mirror.example.com:5000/x}, image: {registry: other}}`, "Deployment", name, image, `"mirror.example.com:5000/x/podidentity/podidentity-operator:v0.1.0"`},
		"NoRegistry":         {"The repository may be a whole name.", `image: {registry: "", repository: operator}`, "Deployment", name, image, `"operator:v0.1.0"`},
		"PullSecrets":        {"Both forms, each once.", `{global: {imagePullSecrets: [a, {name: b}]}, imagePullSecrets: [{name: a}]}`, "Deployment", name, "{.spec.template.spec.imagePullSecrets}", `[{"name":"a"},{"name":"b"}]`},
		"DNS":                {"Names of the cluster resolve on the network of the node.", `hostNetwork: true`, "Deployment", name, "{.spec.template.spec.dnsPolicy}", `"ClusterFirstWithHostNet"`},
		"DNSChosen":          {"", `{hostNetwork: true, dnsPolicy: Default}`, "Deployment", name, "{.spec.template.spec.dnsPolicy}", `"Default"`},
		"DNSDefault":         {"", ``, "Deployment", name, "{.spec.template.spec.dnsPolicy}", ``},
		"Selector":           {"It is immutable, so labels of users stay out of it.", `{commonLabels: {team: a}, podLabels: {x: y}}`, "Deployment", name, "{.spec.selector.matchLabels}", `{"app.kubernetes.io/name":"podidentity-operator"}`},
		"OwnLabels":          {"A label of users replaces none of the selector.", `podLabels: {app.kubernetes.io/name: other}`, "Deployment", name, "{.spec.template.metadata.labels}", `{"app.kubernetes.io/name":"podidentity-operator"}`},
		"CommonLabels":       {"On every object.", `commonLabels: {team: a}`, "CustomResourceDefinition", crd, "{.metadata.labels.team}", `"a"`},
		"KeepCRDs":           {"To delete them is to delete all roles.", ``, "CustomResourceDefinition", crd, keep, `"keep"`},
		"DropCRDs":           {"On request.", `crds: {keep: false}`, "CustomResourceDefinition", crd, keep, ``},
		"NoCRDs":             {"They come by other means.", `crds: {enabled: false}`, "CustomResourceDefinition", crd, "{.kind}", ``},
		"Guardrail":          {"The spec, as it is.", guarded, "PodIdentityGuardrail", "tenants", "{.spec}", `{"maxIdentities":20,"namespaceSelector":{"matchLabels":{"tenant":"true"}}}`},
		"KeepGuardrails":     {"No rollback lifts a limit.", guarded, "PodIdentityGuardrail", "tenants", keep, `"keep"`},
		"DropGuardrails":     {"On request.", `guardrails: {keep: false, items: {tenants: {namespaceSelector: {}}}}`, "PodIdentityGuardrail", "tenants", keep, ``},
		"Identity":           {"The spec, as it is.", identity, "PodIdentity", "checkout", "{.spec}", `{"policies":{"managed":["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}}`},
		"IdentityNamespace":  {"Not that of the release.", identity, "PodIdentity", "checkout", "{.metadata.namespace}", `"shop"`},
		"IdentityNumber":     {"A name of digits is a text.", identity, "PodIdentity", "123", "{.metadata.name}", `"123"`},
		"KeepIdentities":     {"No operation of the release leaves an identity that no operator can delete.", identity, "PodIdentity", "checkout", keep, `"keep"`},
		"DropIdentities":     {"On request.", `identities: {keep: false, items: {shop/checkout: {}}}`, "PodIdentity", "checkout", keep, ``},
		"View":               {"PodIdentities hold no secret.", ``, "ClusterRole", "podidentity-viewer-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-view}`, `"true"`},
		"NoView":             {"", `rbac: {aggregateToView: false}`, "ClusterRole", "podidentity-viewer-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-view}`, ``},
		"NoEdit":             {"An editor of a namespace gets no rights in AWS by that alone.", ``, "ClusterRole", "podidentity-editor-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-edit}`, ``},
		"Edit":               {"On request.", `rbac: {aggregateToEdit: true}`, "ClusterRole", "podidentity-editor-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-edit}`, `"true"`},
		"NoAdmin":            {"Neither does an admin.", ``, "ClusterRole", "podidentity-admin-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-admin}`, ``},
		"Admin":              {"On request.", `rbac: {aggregateToAdmin: true}`, "ClusterRole", "podidentity-admin-role", `{.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to-admin}`, `"true"`},
		"Warn":               {"The operator enforces guardrails anyway.", `admissionPolicies: {validationActions: [Warn]}`, "ValidatingAdmissionPolicyBinding", "podidentity-guardrails", "{.spec.validationActions}", `["Warn"]`},
		"ServiceAccounts":    {"Only the API server knows the user, so this is never a warning.", `admissionPolicies: {validationActions: [Warn]}`, "ValidatingAdmissionPolicyBinding", "podidentity-service-accounts", "{.spec.validationActions}", `["Deny"]`},
		"Placeholders":       {"A placeholder may be meant, so this is never rejected.", `admissionPolicies: {validationActions: [Deny]}`, "ValidatingAdmissionPolicyBinding", "podidentity-placeholders", "{.spec.validationActions}", `["Warn"]`},
		"NoServiceAccounts":  {"For GitOps tools without the permission.", `admissionPolicies: {requireServiceAccountPermissions: false}`, "ValidatingAdmissionPolicyBinding", "podidentity-service-accounts", "{.kind}", ``},
		"NoPolicyEither":     {"", `admissionPolicies: {requireServiceAccountPermissions: false}`, "ValidatingAdmissionPolicy", "podidentity-service-accounts", "{.kind}", ``},
		"NoAdmission":        {"", `admissionPolicies: {enabled: false}`, "ValidatingAdmissionPolicy", "podidentity-guardrails", "{.kind}", ``},
		"RoleARN":            {"What AWS's webhook reads.", `serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/x"}}`, "ServiceAccount", name, "{.metadata.annotations}", `{"eks.amazonaws.com/role-arn":"arn:aws:iam::123456789012:role/x"}`},
		"MinAvailable":       {"A percentage, without maxUnavailable.", `podDisruptionBudget: {minAvailable: 50%}`, "PodDisruptionBudget", name, "{.spec}", `{"minAvailable":"50%","selector":{"matchLabels":{"app.kubernetes.io/name":"podidentity-operator"}}}`},
		"LeaseElsewhere":     {"The Role is where the Lease is.", `options: {leaderElectionNamespace: kube-system}`, "Role", "podidentity-leader-election-role", "{.metadata.namespace}", `"kube-system"`},
		"NoMetricsService":   {"", `options: {metricsBindAddress: "0"}`, "Service", "podidentity-controller-manager-metrics", "{.kind}", ``},
		"MetricsPort":        {"All follow the flag.", `options: {metricsBindAddress: "[::]:9443"}`, "Service", "podidentity-controller-manager-metrics", "{.spec.ports}", `[{"name":"https","port":9443,"targetPort":"metrics"}]`},
		"InsecureMonitor":    {"Without TLS there is no token.", `{options: {metricsSecure: false}, serviceMonitor: {enabled: true}}`, "ServiceMonitor", name, "{.spec.endpoints}", `[{"port":"http"}]`},
		"StaleAfterDefault":  {"Three of the default.", `{prometheusRule: {enabled: true}}`, "PrometheusRule", name, `{.spec.groups[0].rules[?(@.alert=="PodIdentityDriftCheckMissing")].expr}`, `"time() - max(podidentity_drift_check_last_success_timestamp_seconds) > 1800"`},
		"StaleAfterQueue":    {"With a queue the default is longer.", `{options: {eventQueueUrl: "https://sqs.us-east-1.amazonaws.com/123456789012/q"}, prometheusRule: {enabled: true}}`, "PrometheusRule", name, `{.spec.groups[0].rules[?(@.alert=="PodIdentityDriftCheckMissing")].expr}`, `"time() - max(podidentity_drift_check_last_success_timestamp_seconds) > 10800"`},
		"StaleAfter":         {"Three intervals.", `{options: {driftCheckInterval: 1h30m}, prometheusRule: {enabled: true}}`, "PrometheusRule", name, `{.spec.groups[0].rules[?(@.alert=="PodIdentityDriftCheckMissing")].expr}`, `"time() - max(podidentity_drift_check_last_success_timestamp_seconds) > 16200"`},
		"ExtraObjectOfTexts": {"Templates in values.", `extraObjects: ["{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Values.clusterName }}', namespace: x}}"]`, "ConfigMap", "prod-eu", "{.metadata.namespace}", `"x"`},
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
