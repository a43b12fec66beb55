package command

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/forecast"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// ended is what a run of the plugin in this process ended with.
type ended struct {
	code           int
	stdout, stderr string
}

func runPlugin(in string, args ...string) ended {
	var stdout, stderr bytes.Buffer
	code := Run(context.Background(), Process{Args: args, In: strings.NewReader(in), Out: &stdout, Err: &stderr, Version: "test"})
	return ended{code, stdout.String(), stderr.String()}
}

// Offline, one run reports all findings, and asks neither a cluster nor AWS.
func TestPlan_Offline(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer server.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- {name: c, cluster: {server: %q}}\ncontexts:\n- {name: c, context: {cluster: c, user: c}}\nusers:\n- {name: c, user: {}}\ncurrent-context: c\n", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	cases := map[string]struct {
		reason string
		args   []string
		code   int
	}{
		"findings": {"Schema, grammar, a guardrail of the input, a placeholder, and a document that is not YAML.", []string{"-f", "testdata/plan/findings"}, exitFinding},
		"fine":     {"A List, an object of another kind, one without a namespace, and a document that is not an object.", []string{"-f", "testdata/plan/fine/a.yaml"}, exitFine},
		"batch":    {"Conflicts between objects, policies of two accounts, and a policy too large for IAM.", []string{"-R", "-f", "testdata/plan/batch"}, exitFinding},
		"labels":   {"Guardrails that are already applied; the labels of one namespace are not known.", []string{"-f", "testdata/plan/labels", "--guardrails", "testdata/plan/platform"}, exitFinding},
		"required": {"The operator requires a guardrail.", []string{"-f", "testdata/plan/fine", "--require-guardrail"}, exitFinding},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			args := append([]string{"plan", "--offline"}, tc.args...)
			text := runPlugin("", args...)
			golden(t, "testdata/plan/"+name+".txt", text.stdout)
			program := runPlugin("", append(args, "-o", "json")...)
			golden(t, "testdata/plan/"+name+".json", program.stdout)
			if text.code != tc.code || program.code != tc.code || text.stderr != "" {
				t.Errorf("exit codes %d and %d, want %d: %s", text.code, program.code, tc.code, text.stderr)
			}
		})
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("plan --offline made %d calls", n)
	}
}

func TestPlan_Input(t *testing.T) {
	identity := "apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\nmetadata: {name: a}\n"
	dir := t.TempDir()
	for name, text := range map[string]string{"kustomization.yaml": "namespace: prod\nresources: [a.yaml]\n", "a.yaml": identity} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		reason, in string
		args       []string
		code       int
		says       string
	}{
		"Stdin":         {"The file - is standard input.", identity, []string{"-f", "-"}, exitFine, "✓ PodIdentity default/a (-)"},
		"Namespace":     {"The flag sets the namespace of an object without one.", identity, []string{"-f", "-", "-n", "x"}, exitFine, "PodIdentity x/a"},
		"Kustomize":     {"A kustomization is built.", "", []string{"-k", dir}, exitFine, "PodIdentity prod/a"},
		"NoFile":        {"The file does not exist.", "", []string{"-f", "nope.yaml"}, exitError, "stat nope.yaml: no such file or directory"},
		"Both":          {"Only one of the two flags may be set.", "", []string{"-f", "a", "-k", "b"}, exitError, "exactly one of --filename and --kustomize"},
		"None":          {"One of the flags must be set.", "", nil, exitError, "exactly one of --filename and --kustomize"},
		"Nothing":       {"The user may have named the wrong file.", "kind: Pod\napiVersion: v1\n", []string{"-f", "-"}, exitError, "the input contains no PodIdentity"},
		"BadKustomize":  {"The build of the kustomization fails.", "", []string{"-k", t.TempDir()}, exitError, "kustomization"},
		"Validate":      {"Access Analyzer is in AWS.", identity, []string{"-f", "-", "--validate"}, exitError, "--validate needs AWS"},
		"TwiceTheKey":   {"The API server would use the last value.", identity + "kind: PodIdentity\n", []string{"-f", "-"}, exitFinding, `key "kind" already set`},
		"OtherVersion":  {"This version of the plugin does not know that API version.", strings.Replace(identity, "v1alpha1", "v9", 1), []string{"-f", "-"}, exitFinding, "in version v9"},
		"BadGuardrails": {"An invalid guardrail cannot be evaluated.", identity, []string{"-f", "-", "--guardrails", "testdata/plan/findings"}, exitError, "not a YAML object"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := runPlugin(tc.in, append([]string{"plan", "--offline"}, tc.args...)...)
			if r.code != tc.code || !strings.Contains(r.stdout+r.stderr, tc.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", r.code, tc.code, tc.says, r.stdout, r.stderr)
			}
			if tc.code == exitError && strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("an error is one line:\n%s", r.stderr)
			}
		})
	}
}

// The golden file shows changes as a user sees them.
func TestPlan_OutputIsGolden(t *testing.T) {
	o := forecast.Object{
		File: "checkout.yaml", Kind: "PodIdentity", Namespace: "shop", Name: "checkout", Action: "change", State: check.OK,
		Changes: []forecast.Change{
			{On: "PodIdentity checkout", Action: "update", Before: `{"role":{"description":"a"}}`, After: `{"role":{"description":"b"}}`},
			{On: "role r", Action: "UpdateRole", Detail: `description "b" instead of "a"`},
			{On: "role r", Action: "AttachRolePolicy", Target: "arn:aws:iam::aws:policy/X"},
			{On: "ServiceAccount checkout", Action: "annotate", Detail: "with role arn:aws:iam::123456789012:role/r"},
		},
	}
	o.Add(forecast.Warn(forecast.CheckAnalyzer, "spec.policies.inline[x]: WARNING A: b"))
	var b strings.Builder
	printPlan(output.NewPrinter(&b, false), planned{Objects: []forecast.Object{o}, Notes: []string{"the quotas of the account"}})
	golden(t, "testdata/plan/changes.txt", b.String())
}

// manifests returns n identities, each in a namespace of its own.
func manifests(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: app-%d, namespace: team-%d}
spec:
  policies:
    managed: ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]
    inline:
    - name: bucket
      statements:
      - effect: Allow
        actions: ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]
        resources: ["arn:aws:s3:::app-%d", "arn:aws:s3:::app-%d/*"]
        conditions: [{operator: StringEquals, key: aws:PrincipalTag/team, values: ["%d"]}]
---
`, i, i%10, i, i, i)
	}
	return b.String()
}

// The work for each manifest stays the same, however many there are.
func TestPlan_OfflineIsLinear(t *testing.T) {
	allocations := func(n int) float64 {
		in := manifests(n)
		return testing.AllocsPerRun(1, func() {
			if r := runPlugin(in, "plan", "--offline", "-f", "-"); r.code != exitFine {
				t.Fatalf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
	const step = 40
	one, half, all := allocations(1), allocations(step+1), allocations(2*step+1)
	if first, second := half-one, all-half; second > 1.2*first {
		t.Errorf("the second %d manifests take %.0f allocations, the first %.0f", step, second, first)
	}
}

func BenchmarkPlan_Offline100(b *testing.B) {
	in := manifests(100)
	for b.Loop() {
		if r := runPlugin(in, "plan", "--offline", "-f", "-"); r.code != exitFine {
			b.Fatalf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
}
