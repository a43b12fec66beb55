package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/iampolicy"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/operator"
	"github.com/podidentity/podidentity-operator/internal/options"
)

// With all that it needs given, iam-policy asks neither a cluster nor AWS.
func TestIAMPolicy_WithAllFlagsNeedsNoClusterOrAWS(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nowhere")
	given := []string{"iam-policy", "--cluster-name", "prod", "--account-id", "123456789012", "--partition", "aws", "--issuer", "https://issuer.example.com/a"}
	for name, args := range map[string][]string{
		"all.txt":             nil,
		"all.json":            {"-o", "json"},
		"trust-policy.txt":    {"operator-trust-policy"},
		"china.txt":           {"operator-policy-without-boundary", "--partition", "aws-cn", "--no-boundary", "--create-oidc-provider"},
		"event-queue.txt":     {"operator-policy-event-queue", "--event-queue-url", "https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod"},
		"boundary-policy.txt": {"boundary-policy.json", "--boundary-name", "limits"},
	} {
		t.Run(name, func(t *testing.T) {
			r := runPlugin("", append(slices.Clip(given), args...)...)
			if r.code != exitFine || r.stderr != "" {
				t.Fatalf("exit code %d: %s", r.code, r.stderr)
			}
			golden(t, "testdata/iam-policy/"+name, r.stdout)
		})
	}
	if r := runPlugin("", append(given, "nope")...); r.code != exitError || !strings.Contains(r.stderr, "must be one of operator-policy") {
		t.Errorf("an unknown document: exit code %d, %s", r.code, r.stderr)
	}
}

// Options without a flag come from the operator's Deployment; a flag has precedence.
func TestIAMPolicy_TakesTheRestFromTheDeployment(t *testing.T) {
	const queue = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
	installed := func(args ...string) *operator.Installation {
		parsed, err := options.Parse(append([]string{"--cluster-name=prod"}, args...), func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		return &operator.Installation{Namespace: "iam", ServiceAccount: "op", Options: parsed}
	}
	all := []string{"--permissions-boundary=arn:aws:iam::123456789012:policy/fence", "--oidc-provider=Create", "--event-queue-url=" + queue, "--role-path=/a/"}
	cases := map[string]struct {
		reason string
		given  iampolicy.Settings
		in     *operator.Installation
		want   iampolicy.Settings
	}{
		"All": {"The Deployment sets all options.", iampolicy.Settings{}, installed(all...), iampolicy.Settings{
			Cluster: "prod", Namespace: "iam", ServiceAccount: "op", RolePath: "/a/", BoundaryName: "fence", CreateProvider: true, EventQueueURL: queue,
		}},
		"NoBoundary": {"The operator runs without a boundary.", iampolicy.Settings{}, installed("--role-path=/a/"), iampolicy.Settings{
			Cluster: "prod", Namespace: "iam", ServiceAccount: "op", RolePath: "/a/", NoBoundary: true,
		}},
		"Flags": {"The user plans to use another boundary.", iampolicy.Settings{BoundaryName: "other", RolePath: "/b/"}, installed("--role-path=/a/"), iampolicy.Settings{
			Cluster: "prod", Namespace: "iam", ServiceAccount: "op", RolePath: "/b/", BoundaryName: "other",
		}},
		"OtherCluster": {"The options of the Deployment are for another cluster than the one in the flag.", iampolicy.Settings{Cluster: "stage"}, installed(all...), iampolicy.Settings{
			Cluster: "stage", Namespace: "iam", ServiceAccount: "op",
		}},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := tc.given
			fromInstallation(&got, tc.in)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
