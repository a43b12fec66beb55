package plugin_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// requestsForEverything are policies that lead to administrator access, by kind. The demo
// has created the policy and the role that they name.
func requestsForEverything() map[string][]string {
	const account = "arn:aws:iam::123456789012:"
	managed := func(arn string) string { return fmt.Sprintf("{managed: [%q]}", arn) }
	inline := func(resource string, actions ...string) string {
		return fmt.Sprintf(`{inline: [{name: p, statements: [{effect: Allow, actions: ["%s"], resources: [%q]}]}]}`, strings.Join(actions, `", "`), resource)
	}
	all := map[string][]string{
		"policies-of-the-account": {managed(account + "policy/team-shop-read-only"), managed(account + "policy/podidentity-operator-demo")},
		"sts-assume-root":         {inline("*", "sts:AssumeRoot")},
		"whole-services":          {inline("*", strings.Fields("s3:* sqs:* sns:* dynamodb:* kms:* lambda:* ec2:* rds:* ecs:* glue:* athena:*")...)},
	}
	for _, name := range []string{
		"AdministratorAccess", "AdministratorAccess-Amplify", "AWSOrganizationsFullAccess", "AWSSSOMasterAccountAdministrator",
		"AWSSSODirectoryAdministrator", "AWSSSOMemberAccountAdministrator", "AmazonElasticMapReduceFullAccess",
	} {
		all["policies-of-aws"] = append(all["policies-of-aws"], managed("arn:aws:iam::aws:policy/"+name))
	}
	for _, role := range []string{"??*", "*-*", "*/*", "${aws:PrincipalTag/x}*", "platform"} {
		all["roles"] = append(all["roles"], inline(account+"role/"+role, "iam:PassRole"), inline(account+"role/"+role, "sts:AssumeRole"))
	}
	for _, service := range []string{"sso", "sso-directory", "identitystore", "account", "rolesanywhere", "eks"} {
		all["services"] = append(all["services"], inline("*", service+":*"))
	}
	return all
}

// baseline applies them with kubectl in a namespace that no guardrail selects. None of them
// becomes ready, and none gets a role or a ServiceAccount.
func (d *demo) baseline(t *testing.T) {
	const namespace = "greedy"
	var manifest strings.Builder
	fmt.Fprintf(&manifest, "{apiVersion: v1, kind: Namespace, metadata: {name: %s}}\n", namespace)
	identities := 0
	for kind, all := range requestsForEverything() {
		for i, policies := range all {
			identities++
			fmt.Fprintf(&manifest, "---\napiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\nmetadata: {name: %s-%d, namespace: %s}\nspec: {policies: %s}\n", kind, i, namespace, policies)
		}
	}
	file := filepath.Join(t.TempDir(), "greedy.yaml")
	if err := os.WriteFile(file, []byte(manifest.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl := func(args ...string) string {
		t.Helper()
		r := d.kubectl(t, args...)
		if r.code != 0 {
			t.Fatalf("kubectl %v ended with %d:\n%s%s", args, r.code, r.stdout, r.stderr)
		}
		return r.stdout
	}
	before := d.roles(t)
	kubectl("apply", "--filename", file)
	kubectl("wait", "podid", "--all", "--namespace", namespace, "--for", "condition=Stalled", "--timeout", "60s")
	var list v1alpha1.PodIdentityList
	if err := json.Unmarshal([]byte(kubectl("get", "podid", "--namespace", namespace, "--output", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != identities {
		t.Errorf("%d identities exist, want %d", len(list.Items), identities)
	}
	for i := range list.Items {
		pi := &list.Items[i]
		for _, c := range pi.Status.Conditions {
			if c.Type == v1alpha1.ConditionReady && (c.Status != "False" || c.Reason != v1alpha1.ReasonGuardrailViolated || !strings.Contains(c.Message, "rejected by the built-in baseline")) {
				t.Errorf("%s: Ready is %s: %s", pi.Name, c.Status, c.Message)
			}
		}
		if pi.Status.Role != nil || len(pi.Finalizers) > 0 {
			t.Errorf("%s: role %v, finalizers %v", pi.Name, pi.Status.Role, pi.Finalizers)
		}
	}
	for account := range strings.FieldsSeq(kubectl("get", "serviceaccounts", "--namespace", namespace, "--output", "name")) {
		if account != "serviceaccount/default" {
			t.Errorf("%s exists", account)
		}
	}
	if after := d.roles(t); after != before {
		t.Errorf("the roles of the account are\n%s\nwant\n%s", after, before)
	}
	kubectl("delete", "namespace", namespace)
}

// roles returns the names of all roles of the account.
func (d *demo) roles(t *testing.T) string {
	t.Helper()
	client := iam.New(iam.Options{
		BaseEndpoint: aws.String(d.vars["AWS_ENDPOINT_URL"]), Region: d.vars["AWS_DEFAULT_REGION"],
		Credentials: credentials.NewStaticCredentialsProvider(d.vars["AWS_ACCESS_KEY_ID"], d.vars["AWS_SECRET_ACCESS_KEY"], ""),
	})
	out, err := client.ListRoles(t.Context(), &iam.ListRolesInput{})
	if err != nil || out.IsTruncated {
		t.Fatalf("listing the roles: %v, truncated: %t", err, out != nil && out.IsTruncated)
	}
	var names []string
	for _, role := range out.Roles {
		names = append(names, aws.ToString(role.Path)+aws.ToString(role.RoleName))
	}
	return strings.Join(names, "\n")
}
