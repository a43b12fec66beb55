package charttest_test

import (
	"strings"
	"testing"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

// Each message about a rejected value names the value and what is allowed.
func TestSchema_MessagesNameTheValue(t *testing.T) {
	for name, tc := range map[string]struct{ reason, values, want string }{
		"NoClusterName": {
			"clusterName is the only required value.", `{}`,
			`clusterName is required: the name of this cluster, 1 to 40 lower-case letters, digits, '-' and '.', such as --set clusterName=prod-eu. It becomes part of the names and tags of all IAM roles, so it must be unique within the AWS account and must not be changed.`,
		},
		"ClusterName":     {"The operator would not start without a cluster name.", `clusterName: Prod_EU`, `- at '/clusterName': 'Prod_EU' does not match pattern '^$|^[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?$'`},
		"Unknown":         {"A misspelled value would be ignored.", `replicas: 3`, `- at '': additional properties 'replicas' not allowed`},
		"UnknownOption":   {"A misspelled flag would be ignored.", `options: {driftInterval: 1h}`, `- at '/options': additional properties 'driftInterval' not allowed`},
		"Choice":          {"The value must be one of the listed ones.", `options: {oidcProvider: create}`, `- at '/options/oidcProvider': value must be one of 'Require', 'Create'`},
		"Type":            {"A text is not a number.", `replicaCount: "2"`, `- at '/replicaCount': got string, want integer`},
		"Fraction":        {"The number of replicas is an integer.", `replicaCount: 1.5`, `- at '/replicaCount': got number, want integer`},
		"Limit":           {"The number exceeds the maximum.", `options: {maxConcurrentReconciles: 101}`, `- at '/options/maxConcurrentReconciles': maximum: got 101, want 100`},
		"Digest":          {"A tag is not a digest.", `image: {digest: v1}`, `- at '/image/digest': 'v1' does not match pattern '^$|^sha256:[0-9a-f]{64}$'`},
		"GuardrailField":  {"A misspelled limit would limit nothing.", `guardrails: {items: {tenants: {namespaceSelector: {}, action: {allowed: []}}}}`, `- at '/guardrails/items/tenants': additional properties 'action' not allowed`},
		"GuardrailNested": {"Guardrails are validated at any depth.", `guardrails: {items: {tenants: {namespaceSelector: {}, actions: {allow: []}}}}`, `- at '/guardrails/items/tenants/actions': additional properties 'allow' not allowed`},
		"GuardrailChoice": {"The schema of guardrails lists the values.", `guardrails: {items: {tenants: {namespaceSelector: {}, namespaceTrust: "No"}}}`, `- at '/guardrails/items/tenants/namespaceTrust': value must be one of 'Allowed', 'Forbidden'`},
		"IdentityKey":     {"The key names the namespace, which is not that of the release.", "clusterName: a\nidentities: {items: {checkout: {}}}", `identities.items: "checkout" must be NAMESPACE/NAME, such as shop/checkout`},
		"IdentityField":   {"A misspelled field would be dropped.", `identities: {items: {shop/checkout: {policy: {}}}}`, `- at '/identities/items/shop~1checkout': additional properties 'policy' not allowed`},
		"NoLeader":        {"Two replicas without leader election both write to AWS.", "clusterName: a\noptions: {leaderElect: false}", `options.leaderElect: must be true if replicaCount is greater than 1: without leader election all replicas would be active`},
		"NoMetrics":       {"A ServiceMonitor needs metrics.", "clusterName: a\noptions: {metricsBindAddress: \"0\"}\nserviceMonitor: {enabled: true}", `serviceMonitor.enabled: must be false if options.metricsBindAddress is 0: there are no metrics to scrape`},
		"Memory":          {"GOMEMLIMIT is computed from the memory limit.", "clusterName: a\nresources: {limits: {memory: 512MB}}", `resources.limits.memory: "512MB" is not a quantity of memory such as 512Mi`},
		"ExtraObject":     {"A text that is not an object is an error.", "clusterName: a\nextraObjects: [\"a: b: c\"]", `extraObjects: each must be one object: `},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, err := charttest.Render(t.Context(), load(t), parse(t, tc.values))
			if err == nil || !strings.Contains(err.Error()+"\n", tc.want) {
				t.Errorf("got:  %v\nwant: %s", err, tc.want)
			}
		})
	}
}
