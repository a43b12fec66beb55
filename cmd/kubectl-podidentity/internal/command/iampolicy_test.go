package command

import (
	"slices"
	"strings"
	"testing"
)

// With all that it needs given, iam-policy asks neither a cluster nor AWS.
func TestIAMPolicy(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nowhere")
	given := []string{"iam-policy", "--cluster-name", "prod", "--account-id", "123456789012", "--partition", "aws", "--issuer", "https://issuer.example.com/a"}
	for name, args := range map[string][]string{
		"all.txt":             nil,
		"all.json":            {"-o", "json"},
		"trust-policy.txt":    {"operator-trust-policy"},
		"china.txt":           {"operator-policy-without-boundary", "--partition", "aws-cn", "--no-boundary", "--create-oidc-provider"},
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
