package plugin_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// verify assumes the role of an identity that the operator created, without any AWS
// credentials of the user, and states why another cannot.
func (e *env) verify() {
	e.Helper()
	e.namespace("verify", nil)
	e.Must(e.Client.Create(e.Context(), &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "verify", Name: "checkout"}}))
	noKeys := map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

	var ready struct {
		Status struct{ Ready string } `json:"status"`
	}
	waited := e.kubectl(noKeys, "reconcile", "-n", "verify", "checkout", "--wait", "-o", "json")
	e.decode(waited, &ready)
	if waited.code != 0 || ready.Status.Ready != "True" {
		e.Fatalf("reconcile --wait ended with %d:\n%s%s", waited.code, waited.stdout, waited.stderr)
	}
	e.Run("Works", func(t *testing.T) {
		e := e.with(t)
		var got struct {
			Caller string `json:"caller"`
		}
		r := e.kubectl(noKeys, "verify", "-n", "verify", "checkout", "-o", "json")
		e.decode(r, &got)
		if r.code != 0 || !strings.HasPrefix(got.Caller, "arn:aws:sts::"+testenv.AccountID+":assumed-role/test_verify_checkout_") {
			e.Errorf("exit code %d, caller %q", r.code, got.Caller)
		}
		text := e.kubectl(noKeys, "verify", "-n", "verify", "checkout")
		for _, secret := range []string{"ASIA", "eyJ"} {
			if strings.Contains(text.stdout+r.stdout, secret) {
				e.Errorf("the output holds credentials: %s", secret)
			}
		}
	})
	e.Run("Rejected", func(t *testing.T) {
		e := e.with(t)
		scenario{trust: trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": "system:serviceaccount:a:b"})}.setUp(e, "rejected")
		r := e.kubectl(nil, "verify", "-n", "rejected", "sa/rejected")
		for _, words := range []string{"AccessDenied", "trust policy does not admit this token", "expected system:serviceaccount:a:b", "Broken: trust"} {
			if r.code != 1 || !strings.Contains(r.stdout, words) {
				e.Errorf("exit code %d, and %q is missing:\n%s%s", r.code, words, r.stdout, r.stderr)
			}
		}
		blind := e.kubectl(noKeys, "verify", "-n", "rejected", "sa/rejected")
		if blind.code != 1 || !strings.Contains(blind.stdout, "AccessDenied") || !strings.Contains(blind.stdout, "as far as it could be checked") {
			e.Errorf("without AWS credentials the rejection is missing, exit code %d:\n%s%s", blind.code, blind.stdout, blind.stderr)
		}
	})
}

// iamPolicy fills the policies for this cluster: as the installation of the tests
// does, under which the operator runs.
func (e *env) iamPolicy() {
	e.Helper()
	dir := filepath.Join(e.TempDir(), "policies")
	r := e.kubectl(nil, "iam-policy", "--cluster-name", clusterName, "--dir", dir)
	if r.code != 0 {
		e.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	want := strings.NewReplacer("PARTITION", "aws", "ACCOUNT_ID", testenv.AccountID, "CLUSTER", clusterName, "ISSUER", strings.TrimPrefix(e.Issuer, "https://"))
	for _, name := range []string{"operator-policy.json", "operator-trust-policy.json", "boundary-policy.json"} {
		source, err := os.ReadFile(filepath.Join(root, "config", "aws", name))
		e.Must(err)
		got, err := os.ReadFile(filepath.Join(dir, name))
		e.Must(err)
		if want.Replace(string(source)) != string(got) {
			e.Errorf("%s is not filled as its README says:\n%s", name, got)
		}
	}
	pipe := e.kubectl(nil, "iam-policy", "operator-policy", "--cluster-name", clusterName)
	file, err := os.ReadFile(filepath.Join(dir, "operator-policy.json"))
	e.Must(err)
	if pipe.code != 0 || pipe.stdout != string(file) {
		e.Errorf("iam-policy operator-policy is not the document alone, exit code %d:\n%s", pipe.code, pipe.stdout)
	}
	e.oneLine(e.kubectl(nil, "iam-policy", "--cluster-name", "*"), "--cluster-name", "lower-case letters")
	e.oneLine(e.kubectl(nil, "iam-policy", "--operator-namespace", "nowhere"), "--cluster-name is required")
}
