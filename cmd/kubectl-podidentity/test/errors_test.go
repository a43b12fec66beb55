package plugin_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/podidentity-operator/test/testenv"
)

// Every error is one line that says what to do, with exit code 2.
func (e *env) errors() {
	e.Helper()
	dir := e.TempDir()
	broken := filepath.Join(dir, "kubeconfig")
	e.Must(os.WriteFile(broken, []byte("apiVersion: v1\nkind: Config\nclusters:\n- {name: gone, cluster: {server: \"https://127.0.0.1:1\"}}\n"+
		"contexts:\n- {name: gone, context: {cluster: gone, user: gone}}\nusers:\n- {name: gone, user: {}}\ncurrent-context: gone\n"), 0o600))
	e.createPod("errors", nil, true) // of the ServiceAccount that withoutCRDs created
	noKeys := map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
	cases := map[string]struct {
		reason string
		vars   map[string]string
		args   []string
		words  []string
	}{
		"KubeconfigFlag":  {"The file of the flag does not exist.", nil, []string{"why", "errors", "--kubeconfig", filepath.Join(dir, "none")}, []string{"the kubeconfig cannot be read", "none"}},
		"NoPod":           {"The pod does not exist.", nil, []string{"why", "nope", "-n", "errors"}, []string{`pods "nope" not found`, "--namespace"}},
		"Forbidden":       {"The user lacks a permission.", nil, []string{"why", "errors", "-n", "errors", "--as", "stranger"}, []string{"you lack a permission in Kubernetes", `cannot get resource "pods"`}},
		"Unauthorized":    {"The token is not valid.", nil, []string{"why", "errors", "--token", "x", "--user", "", "--kubeconfig", broken, "--server", e.URL, "--insecure-skip-tls-verify"}, []string{"the cluster rejects your credentials"}},
		"NoCredentials":   {"There are no AWS credentials.", noKeys, []string{"why", "errors", "-n", "errors"}, []string{"no AWS credentials found", "AWS_PROFILE"}},
		"WrongKeys":       {"AWS does not know the keys.", map[string]string{"AWS_ACCESS_KEY_ID": "AKIANOPE"}, []string{"why", "errors", "-n", "errors"}, []string{"AWS rejects your credentials"}},
		"NoProfile":       {"The profile does not exist.", noKeys, []string{"why", "errors", "-n", "errors", "--aws-profile", "nope"}, []string{"AWS profile nope does not exist"}},
		"AWSUnreachable":  {"Nothing listens on the address.", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}, []string{"why", "errors", "-n", "errors"}, []string{"cannot reach AWS at http://127.0.0.1:1"}},
		"SuggestNoObject": {"The identity does not exist.", nil, []string{"suggest", "nope", "-n", "errors"}, []string{`podidentities.iam.podidentity.io "nope" not found`, "--namespace"}},
		"AuditForbidden":  {"The user may not list identities.", nil, []string{"audit", "--as", "stranger"}, []string{"you lack a permission in Kubernetes", "podidentities"}},
		"OrphansCluster":  {"Nothing sets the name of the cluster.", nil, []string{"orphans"}, []string{"--cluster-name is required"}},
		"UnknownCommand":  {"The command is misspelled.", nil, []string{"wyh"}, []string{`unknown command "wyh"`}},
		"UnknownFlag":     {"The flag is misspelled.", nil, []string{"why", "errors", "--nope"}, []string{"unknown flag: --nope"}},
		"UnknownFormat":   {"The format is misspelled.", nil, []string{"why", "errors", "-o", "jsn"}, []string{"must be json or yaml"}},
		"UnknownColor":    {"The value is misspelled.", nil, []string{"why", "errors", "-n", "errors", "--color", "red"}, []string{"must be auto, always or never"}},
		"MissingArgument": {"The argument is missing.", nil, []string{"why"}, []string{"accepts 1 arg"}},
	}
	for name, tc := range cases {
		e.Run(name+": "+tc.reason, func(t *testing.T) {
			e := e.with(t)
			e.oneLine(e.kubectl(tc.vars, tc.args...), tc.words...)
		})
	}
}

// session returns the credentials of a role with that inline policy, none if it is
// empty.
func (e *env) session(name, document string) map[string]string {
	e.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + testenv.AccountID + `"},"Action":"sts:AssumeRole"}]}`
	role, err := e.AWS.IAM.CreateRole(e.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	e.Must(err)
	if document != "" {
		_, err = e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: &document})
		e.Must(err)
	}
	out, err := e.AWS.STS.AssumeRole(e.Context(), &sts.AssumeRoleInput{RoleArn: role.Role.Arn, RoleSessionName: aws.String("user")})
	e.Must(err)
	c := out.Credentials
	return map[string]string{
		"AWS_ACCESS_KEY_ID": *c.AccessKeyId, "AWS_SECRET_ACCESS_KEY": *c.SecretAccessKey, "AWS_SESSION_TOKEN": *c.SessionToken,
	}
}
