package plugin_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// invocation is a command line that works in the cluster of the tests, and what it needs:
// c for the cluster, d for the CustomResourceDefinitions, a for AWS credentials, p for
// permissions in AWS.
type invocation struct {
	args  []string
	needs string
}

// commands returns each command once, with all kinds of import and both ways to plan. It
// needs the objects of errors and verify.
func (e *env) commands() map[string]invocation {
	e.Helper()
	identity := e.file("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\nmetadata: {name: planned, namespace: verify}\n")
	state := e.file(`{"version":4,"resources":[{"mode":"managed","type":"aws_iam_role","name":"x","instances":[{"attributes":` +
		text(map[string]string{"name": "x", "assume_role_policy": trustPolicy(e.Issuer, "StringEquals", map[string]string{"sub": "system:serviceaccount:a:b", "aud": "sts.amazonaws.com"})}) + `}]}]}`)
	return map[string]invocation{
		"status":                {[]string{"status", "-n", "verify", "checkout"}, "cdap"},
		"status --skip-aws":     {[]string{"status", "-n", "verify", "checkout", "--skip-aws"}, "cd"},
		"why":                   {[]string{"why", "-n", "errors", "errors"}, "cap"},
		"verify":                {[]string{"verify", "-n", "verify", "checkout"}, "cd"},
		"doctor":                {[]string{"doctor"}, "cap"},
		"plan":                  {[]string{"plan", "-f", identity, "--cluster-name", clusterName}, "cdap"},
		"plan --offline":        {[]string{"plan", "-f", identity, "--offline"}, ""},
		"import role":           {[]string{"import", "role", "errors"}, "cap"},
		"import serviceaccount": {[]string{"import", "serviceaccount", "errors/errors"}, "cap"},
		"import eksctl":         {[]string{"import", "eksctl"}, "cap"},
		"import terraform":      {[]string{"import", "terraform", "-f", state}, ""},
		"iam-policy":            {[]string{"iam-policy", "--cluster-name", clusterName}, "ca"},
		"restart":               {[]string{"restart", "-n", "verify", "checkout"}, "cd"},
		"suspend":               {[]string{"suspend", "-n", "verify", "checkout"}, "cd"},
		"resume":                {[]string{"resume", "-n", "verify", "checkout"}, "cd"},
		"reconcile":             {[]string{"reconcile", "-n", "verify", "checkout"}, "cd"},
		"orphans":               {[]string{"orphans", "--cluster-name", clusterName}, "cdap"},
		"audit":                 {[]string{"audit"}, "cdap"},
		"suggest":               {[]string{"suggest", "-n", "verify", "checkout"}, "cdap"},
		"version":               {[]string{"version"}, ""},
		"completion":            {[]string{"completion", "kubectl"}, ""},
	}
}

// cause is why a command cannot do its work.
type cause struct {
	reason string
	vars   map[string]string
	args   []string
	needs  string   // what is missing
	says   []string // what the error says
}

func (e *env) causes() map[string]cause {
	e.Helper()
	dir := e.TempDir()
	sso := filepath.Join(dir, "config")
	e.Must(os.WriteFile(sso, []byte("[profile work]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = dev\nregion = eu-west-1\n"+
		"[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n"), 0o600))
	gone := filepath.Join(dir, "kubeconfig")
	e.Must(os.WriteFile(gone, []byte("apiVersion: v1\nkind: Config\nclusters:\n- {name: gone, cluster: {server: \"https://127.0.0.1:1\"}}\n"+
		"contexts:\n- {name: gone, context: {cluster: gone, user: gone}}\nusers:\n- {name: gone, user: {}}\ncurrent-context: gone\n"), 0o600))
	return map[string]cause{
		"no kubeconfig": {"Nothing names a cluster.", map[string]string{"KUBECONFIG": filepath.Join(dir, "none")}, nil, "c", []string{"no kubeconfig found"}},
		"wrong context": {"The context does not exist.", nil, []string{"--context", "nope"}, "c", []string{`context "nope" is not in the kubeconfig`, "kubectl config get-contexts"}},
		"unreachable":   {"The cluster of the context does not exist.", map[string]string{"KUBECONFIG": gone}, nil, "c", []string{"cannot reach the API server at https://127.0.0.1:1"}},
		"AWS denied":    {"The user has no permission in AWS.", e.session("causes-nothing", ""), nil, "p", []string{"AWS denies you iam:"}},
		"expired SSO": {
			"The user has to log in again.",
			map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": sso},
			[]string{"--aws-profile", "work"},
			"a",
			[]string{"your AWS SSO session has expired", "aws sso login --profile work"},
		},
	}
}

// everyCause runs every command with every cause. If it needs what is missing, it ends with
// exit code 2 and one line on standard error that names the cause; otherwise it works.
func (e *env) everyCause() {
	e.Helper()
	trusted := map[string]string{"SSL_CERT_FILE": e.CAFile}
	commands := e.commands()
	for name, c := range e.causes() {
		e.Run(name+": "+c.reason, func(t *testing.T) {
			for name, v := range commands {
				t.Run(name, func(t *testing.T) {
					e := e.with(t)
					r := e.kubectl(with(trusted, c.vars), slices.Concat(v.args, c.args)...)
					if strings.Contains(v.needs, c.needs) {
						e.oneLine(r, c.says...)
						return
					}
					if r.code == 2 || strings.Contains(r.stderr, "error: ") {
						t.Errorf("it needs nothing of that, and ended with %d:\n%s", r.code, r.stderr)
					}
				})
			}
		})
	}
	e.Run("nothing is missing", func(t *testing.T) {
		for name, v := range commands {
			t.Run(name, func(t *testing.T) {
				if r := e.with(t).kubectl(trusted, v.args...); r.code == 2 {
					t.Errorf("it ended with 2, so that the other cases show nothing:\n%s", r.stderr)
				}
			})
		}
	})
	e.labelOfEksctl("null")
	if r := e.kubectl(nil, "resume", "-n", "verify", "checkout", "--wait"); r.code != 0 {
		e.Errorf("resume ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// labelOfEksctl sets the label of eksctl on ServiceAccount errors/errors, so that import
// eksctl finds it.
func (e *env) labelOfEksctl(value string) {
	e.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "errors", Name: "errors"}}
	e.Must(e.Client.Patch(e.Context(), sa, mergePatch(`{"metadata":{"labels":{"app.kubernetes.io/managed-by":`+value+`}}}`)))
}

// withoutCRDs runs the commands in a cluster without the operator's API. Doctor finds that
// out, which is its work.
func (e *env) withoutCRDs() {
	e.Helper()
	e.healthyAccount("errors")
	e.labelOfEksctl(`"eksctl"`) // until the end of everyCause
	for name, v := range e.commands() {
		e.Run(name, func(t *testing.T) {
			e := e.with(t)
			r := e.kubectl(nil, v.args...)
			switch {
			case name == "doctor":
				if r.code != 1 || !strings.Contains(r.stdout, "✗ crds") || !strings.Contains(r.stdout, "does not serve PodIdentity") {
					t.Errorf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
				}
			case strings.Contains(v.needs, "d"):
				e.oneLine(r, "does not serve iam.podidentity.io/v1alpha1", "--context")
			case name == "why":
				e.oneLine(r, `pods "errors" not found`) // there is no webhook yet, and no pod
			case r.code == 2:
				t.Errorf("it needs no CustomResourceDefinition, and ended with 2:\n%s", r.stderr)
			}
		})
	}
}
