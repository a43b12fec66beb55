package plugin_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	// The test builds the demo, which the cache of go test does not know otherwise.
	_ "github.com/podidentity/podidentity-operator/test/awslocal"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/controlplane/assets"
)

// demo is what `make demo` runs, and the shell of a user who did as it says.
type demo struct {
	*testing.T
	dir  string
	vars map[string]string
}

// Each command works on what `make demo` has running, in a shell with the variables that the
// demo prints, as a plugin that kubectl finds.
func TestPlugin_OnTheDemo(t *testing.T) {
	d := &demo{T: t, dir: t.TempDir(), vars: map[string]string{}}
	d.build()
	d.start()
	d.byHand()
	for name, tc := range d.commands() {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			r := d.kubectl(t, append([]string{"podidentity"}, tc.args...)...)
			if r.code != tc.code || strings.Contains(r.stderr, "panic") {
				t.Errorf("exit code %d, want %d:\n%s%s", r.code, tc.code, r.stdout, r.stderr)
			}
			for _, words := range tc.says {
				if !strings.Contains(r.stdout+r.stderr, words) {
					t.Errorf("it does not say %q:\n%s%s", words, r.stdout, r.stderr)
				}
			}
		})
	}
	t.Run("Baseline", d.baseline)
	t.Run("Doctor", d.doctor)
	t.Run("Operations", d.operations)
}

// build makes a project whose programs are new and whose manifests are those of the real
// one, as `make demo` has it.
func (d *demo) build() {
	d.Helper()
	config, err := filepath.Abs(filepath.Join(root, "config"))
	if err == nil {
		err = os.Symlink(config, filepath.Join(d.dir, "config"))
	}
	if err != nil {
		d.Fatal(err)
	}
	for program, source := range map[string]string{
		"manager": root, "awslocal": root + "/cmd/awslocal", "kubectl-podidentity": "..", "demo": root + "/hack/demo",
	} {
		build(d.T, filepath.Join(d.dir, "bin", program), source)
	}
}

var export = regexp.MustCompile(`([A-Z_]+)=(\S+)`)

// start runs the demo until it says what to try, and takes the variables that it prints.
// The demo is interrupted in the end, as by Ctrl-C, and then leaves nothing.
func (d *demo) start() {
	d.Helper()
	programs, err := assets.Locate()
	if err != nil {
		d.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(d.dir, "bin", "demo")) //nolint:noctx // it is interrupted, not killed
	cmd.Dir, cmd.Env = d.dir, append(controlplane.Environ(nil), "KUBEBUILDER_ASSETS="+programs, "PATH="+os.Getenv("PATH"), "TMPDIR="+d.TempDir())
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout
		err = cmd.Start()
	}
	if err != nil {
		d.Fatal(err)
	}
	var printed bytes.Buffer
	lines := bufio.NewScanner(io.TeeReader(out, &printed))
	d.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			d.Error(err)
		}
		for lines.Scan() {
			d.Log(lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			d.Errorf("the demo ended with %v", err)
		}
	})
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "  export ") {
			for _, pair := range export.FindAllStringSubmatch(line, -1) {
				d.vars[pair[1]] = pair[2]
			}
		}
		if strings.Contains(line, "kubectl podidentity audit") {
			return // the last line
		}
	}
	d.Fatalf("the demo ended before it said what to try:\n%s", printed.String())
}

// kubectl runs kubectl in the user's shell.
func (d *demo) kubectl(t *testing.T, args ...string) run {
	t.Helper()
	return d.kubectlWith(t, nil, args...)
}

func (d *demo) kubectlWith(t *testing.T, vars map[string]string, args ...string) run {
	t.Helper()
	all := maps.Clone(d.vars)
	maps.Copy(all, vars)
	all["PATH"] = strings.ReplaceAll(all["PATH"], "$PATH", "/usr/bin:/bin")
	all["HOME"] = t.TempDir()
	path := ""
	for dir := range strings.SplitSeq(all["PATH"], ":") { // as a shell finds it
		if _, err := os.Stat(filepath.Join(dir, "kubectl")); err == nil && path == "" {
			path = filepath.Join(dir, "kubectl")
		}
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = controlplane.Environ(all)
	cmd.Dir = d.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	exited, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		t.Fatal(err)
	}
	r := run{stdout: stdout.String(), stderr: stderr.String()}
	if failed {
		r.code = exited.ExitCode()
	}
	return r
}

// byHand creates a pod as the webhook would make it: the demo has none.
func (d *demo) byHand() {
	d.Helper()
	arn := d.kubectl(d.T, "get", "podid", "-n", "shop", "checkout", "-o", "jsonpath={.status.role.arn}").stdout
	manifest := filepath.Join(d.TempDir(), "pod.yaml")
	err := os.WriteFile(manifest, []byte(`apiVersion: v1
kind: Pod
metadata: {name: by-hand, namespace: shop}
spec:
  serviceAccountName: checkout
  containers:
  - name: app
    image: app
    env:
    - {name: AWS_ROLE_ARN, value: "`+arn+`"}
    - {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /var/run/secrets/eks.amazonaws.com/serviceaccount/token}
    volumeMounts: [{name: aws-iam-token, mountPath: /var/run/secrets/eks.amazonaws.com/serviceaccount}]
  volumes:
  - name: aws-iam-token
    projected: {sources: [{serviceAccountToken: {path: token, audience: sts.amazonaws.com, expirationSeconds: 86400}}]}
`), 0o600)
	if err != nil {
		d.Fatal(err)
	}
	if r := d.kubectl(d.T, "apply", "-f", manifest); r.code != 0 {
		d.Fatal(r.stderr)
	}
}

// command is a command line of a user, and what it ends with.
type command struct {
	reason string
	args   []string
	code   int
	says   []string
}

func (d *demo) commands() map[string]command {
	const sample = "config/samples/iam_v1alpha1_podidentity.yaml"
	put := []string{"why", "-n", "shop", "by-hand", "--action", "sqs:DeleteMessage", "--resource", "arn:aws:sqs:us-east-1:123456789012:shop-orders"}
	return map[string]command{
		"Status":       {"The identity of the sample is ready.", []string{"status", "-n", "shop", "checkout"}, 0, []string{"shop/checkout  Ready", "trusts system:serviceaccount:shop:checkout", "inline policy receipts", "Pod by-hand: 1 of 1 pods up to date"}},
		"StatusAll":    {"All identities as JSON; the demo has some that are rejected.", []string{"status", "-A", "-o", "json"}, 1, []string{`"name": "checkout"`}},
		"Why":          {"The request is allowed.", put, 0, []string{"✓ trust", "✓ permissions", "of inline policy orders allows sqs:DeleteMessage"}},
		"WhyNot":       {"No policy allows the request.", append(slices.Clone(put[:4]), "--action", "s3:DeleteBucket"), 1, []string{"Broken: permissions"}},
		"WhyNew":       {"The demo has no webhook.", []string{"why", "-n", "shop", "sa/checkout"}, 1, []string{"Broken: webhook"}},
		"Verify":       {"The role can be assumed.", []string{"verify", "-n", "shop", "checkout"}, 0, []string{"is arn:aws:sts::123456789012:assumed-role/demo_shop_checkout_"}},
		"Plan":         {"Nothing would change.", []string{"plan", "-f", sample, "--cluster-name", "demo"}, 0, []string{"with changes: 0", "Not checked: the permissions boundary"}},
		"PlanBoundary": {"The user sets the boundary that the operator applies.", []string{"plan", "-f", sample, "--cluster-name", "demo", "--permissions-boundary", "arn:aws:iam::123456789012:policy/other"}, 1, []string{"PutRolePermissionsBoundary arn:aws:iam::123456789012:policy/other"}},
		"PlanOffline":  {"Neither the cluster nor AWS is called.", []string{"plan", "--offline", "-f", sample}, 0, []string{"✓ PodIdentity shop/checkout"}},
		"Validate":     {"The endpoint has no Access Analyzer and returns an error.", []string{"plan", "--validate", "-f", sample, "--cluster-name", "demo"}, 2, []string{"error: AWS rejects access-analyzer:ValidatePolicy: UnknownOperationException"}},
		"ImportSA":     {"The role of a ServiceAccount.", []string{"import", "serviceaccount", "shop/checkout"}, 0, []string{"kind: PodIdentity", "name: checkout"}},
		"IAMPolicy":    {"The policy that the operator of the demo has.", []string{"iam-policy", "operator-policy", "--cluster-name", "demo"}, 0, []string{"arn:aws:iam::123456789012:role/podidentity/demo/*"}},
		"Restart":      {"The pod has the role.", []string{"restart", "-n", "shop", "checkout", "--dry-run"}, 0, []string{"nothing to restart"}},
		"Orphans":      {"The demo leaves no orphaned role.", []string{"orphans", "--cluster-name", "demo"}, 0, []string{"Every role of cluster demo in account 123456789012 has a PodIdentity."}},
		"Audit":        {"All identities with their permissions.", []string{"audit"}, 1, []string{"shop/checkout", "s3, sqs", "podidentity-boundary"}},
		"AuditAction":  {"The identities that may write.", []string{"audit", "--action", "s3:PutObject"}, 1, []string{"shop/checkout  maybe"}},
		"AuditHTML":    {"A page for an auditor.", []string{"audit", "-o", "html"}, 1, []string{"<!DOCTYPE html>"}},
		"Suggest":      {"Only STS was used.", []string{"suggest", "-n", "shop", "checkout"}, 1, []string{"Would be removed: inline policy receipts: s3:PutObject"}},
		"Version":      {"The version of the plugin.", []string{"version"}, 0, []string{"dev"}},
		"Help":         {"The help names the plugin as kubectl calls it.", []string{"--help"}, 0, []string{"kubectl podidentity [command]"}},
	}
}

// doctor finds what the demo lacks: a Deployment, as there are no nodes, and with it the
// operator's annotation and AWS's webhook.
func (d *demo) doctor(t *testing.T) {
	kubeconfig := d.kubectl(t, "config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}")
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, authorityOf(t, kubeconfig.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	r := d.kubectlWith(t, map[string]string{"SSL_CERT_FILE": authority}, "podidentity", "doctor", "--cluster-name", "demo", "-o", "json")
	var checks []struct{ Check, State, Message string }
	if err := json.Unmarshal([]byte(r.stdout), &checks); err != nil {
		t.Fatalf("no JSON: %v\n%s%s", err, r.stdout, r.stderr)
	}
	got := map[string]string{}
	for _, c := range checks {
		if c.State != "ok" {
			got[c.Check] = c.State
		}
	}
	want := map[string]string{"operator": "warning", "identity": "broken", "permissions": "unknown", "webhook": "broken"}
	if diff := cmp.Diff(want, got); r.code != 1 || diff != "" {
		t.Errorf("exit code %d; checks that are not OK: -want, +got:\n%s\n%s", r.code, diff, r.stdout)
	}
}

func authorityOf(t *testing.T, encoded string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) == 0 {
		t.Fatalf("no certificate in the kubeconfig: %v", err)
	}
	return raw
}

// operations suspends an identity, lets it go on, and has it reconciled.
func (d *demo) operations(t *testing.T) {
	for _, tc := range []command{
		{"Suspend it.", []string{"suspend", "-n", "shop", "checkout", "--wait"}, 0, []string{"shop/checkout suspended"}},
		{"Status shows it.", []string{"status", "-n", "shop", "checkout"}, 0, []string{", suspended"}},
		{"Let it go on.", []string{"resume", "-n", "shop", "checkout", "--wait"}, 0, []string{"shop/checkout resumed", "Succeeded"}},
		{"Reconcile it.", []string{"reconcile", "-n", "shop", "checkout", "--wait"}, 0, []string{"Succeeded"}},
	} {
		r := d.kubectl(t, append([]string{"podidentity"}, tc.args...)...)
		for _, words := range tc.says {
			if r.code != tc.code || !strings.Contains(r.stdout, words) {
				t.Errorf("%s %v ended with %d, and should say %q:\n%s%s", tc.reason, tc.args, r.code, words, r.stdout, r.stderr)
			}
		}
	}
}
