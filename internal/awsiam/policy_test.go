package awsiam

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// The policies that installers give to the operator.
const (
	bounded      = "operator-policy.json"
	unbounded    = "operator-policy-without-boundary.json"
	withProvider = "operator-policy-oidc-provider.json"
	withQueue    = "operator-policy-event-queue.json"
	boundary     = "boundary-policy.json"
)

// maxManagedPolicy is the maximum size of a managed policy, as IAM counts it.
const maxManagedPolicy = 6144

// shipped returns a policy of config/aws, rendered for a cluster as its README describes.
func shipped(t *testing.T, name string) policy.Policy {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "aws", name))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("EVENT_REGION", "us-east-1", "PARTITION", "aws", "ACCOUNT_ID", "123456789012", "CLUSTER", "prod", "ISSUER", "oidc.example.com/id/0123").Replace(string(raw))
	document, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return document.Policy()
}

func TestShippedPolicies_AreAcceptedByIAM(t *testing.T) {
	for _, name := range []string{bounded, unbounded, withProvider, withQueue, boundary} {
		p := shipped(t, name)
		if err := p.CheckIdentity(); err != nil {
			t.Errorf("%s: AWS would reject it: %v", name, err)
		}
		if size := policy.Size(string(p.Document())); size > maxManagedPolicy {
			t.Errorf("%s: %d characters, IAM takes %d", name, size, maxManagedPolicy)
		}
	}
}

// The trust policy of the operator's own role requires its ServiceAccount, as those of
// managed roles do.
func TestOperatorTrust_AdmitsItsServiceAccountOnly(t *testing.T) {
	p := shipped(t, "operator-trust-policy.json")
	if err := p.CheckTrust(); err != nil {
		t.Errorf("AWS would reject it: %v", err)
	}
	const subject = "system:serviceaccount:podidentity-system:podidentity-controller-manager"
	cases := map[string]struct {
		subject, audience string
		want              policy.Decision
	}{
		"Operator":      {subject, "sts.amazonaws.com", policy.Allowed},
		"Workload":      {"system:serviceaccount:shop:checkout", "sts.amazonaws.com", policy.ImplicitDeny},
		"OtherAudience": {subject, "vault", policy.ImplicitDeny},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := policy.Evaluate(policy.Request{
				Principals: []policy.Principal{{Type: policy.Federated, ID: providerARN}},
				Action:     "sts:AssumeRoleWithWebIdentity",
				Context:    map[string][]string{"oidc.example.com/id/0123:sub": {tc.subject}, "oidc.example.com/id/0123:aud": {tc.audience}},
			}, p)
			if got != tc.want {
				t.Errorf("%s with audience %s is %v, want %v", tc.subject, tc.audience, got, tc.want)
			}
		})
	}
}

// The operator's policy allows exactly the calls of interface API. (STS needs no
// permission for GetCallerIdentity.)
func TestOperatorPolicy_AllowsExactlyTheCallsOfTheCode(t *testing.T) {
	called := methods(reflect.TypeFor[API]())
	providers := []string{"AddClientIDToOpenIDConnectProvider", "CreateOpenIDConnectProvider"}

	cases := map[string]struct {
		reason     string
		files      []string
		less, also []string // than, and what is called
	}{
		"Bounded": {
			reason: "With a forced boundary the operator removes no boundary; it creates providers only with a flag.",
			files:  []string{bounded},
			less:   append([]string{"DeleteRolePermissionsBoundary"}, providers...),
		},
		"Unbounded": {
			reason: "The operator creates providers only with a flag.",
			files:  []string{unbounded},
			less:   providers,
		},
		"UnboundedWithProvider": {
			reason: "Creating a provider with tags also needs the permission to tag it.",
			files:  []string{unbounded, withProvider},
			also:   []string{"TagOpenIDConnectProvider"},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			needed := slices.DeleteFunc(slices.Concat(called, tc.also), func(action string) bool { return slices.Contains(tc.less, action) })
			if diff := cmp.Diff(canonical(needed), granted(t, tc.files)); diff != "" {
				t.Errorf("%v: -called, +granted:\n%s", tc.files, diff)
			}
		})
	}
}

// canonical returns the actions of calls as policies in canonical form have
// them: in lower case.
func canonical(calls []string) []string {
	var actions []string
	for _, c := range calls {
		actions = append(actions, "iam:"+strings.ToLower(c))
	}
	slices.Sort(actions)
	return actions
}

// granted returns the actions that policies of config/aws allow.
func granted(t *testing.T, files []string) []string {
	t.Helper()
	var actions []string
	for _, file := range files {
		for _, s := range shipped(t, file).Statements {
			if s.Effect == policy.Allow && s.Actions == nil {
				t.Errorf("%s: %s allows all but something", file, s.SID)
			}
			if s.Effect == policy.Allow {
				actions = append(actions, s.Actions...)
			}
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// owned is the context of a call about an own role.
func owned(context map[string][]string) map[string][]string {
	c := map[string][]string{"aws:ResourceTag/" + plan.TagCluster: {"prod"}, "iam:PermissionsBoundary": {boundaryARN}}
	maps.Copy(c, context)
	return c
}

// created is the context of a call that creates a role.
func created(context map[string][]string) map[string][]string {
	c := map[string][]string{
		"iam:PermissionsBoundary":           {boundaryARN},
		"aws:RequestTag/" + plan.TagCluster: {"prod"}, "aws:RequestTag/" + plan.TagManagedBy: {plan.ManagedBy},
		"aws:TagKeys": {plan.TagCluster, plan.TagManagedBy, plan.TagNamespace, plan.TagName, plan.TagUID},
	}
	maps.Copy(c, context)
	return c
}

// without returns the context without a key.
func without(context map[string][]string, key string) map[string][]string {
	delete(context, key)
	return context
}

// The policy allows what the operator needs, and denies everything that would let the
// operator, or an attacker with its credentials, reach beyond its own roles.
func TestOperatorPolicy_DeniesBeyondItsOwnRoles(t *testing.T) {
	const (
		foreign   = "arn:aws:iam::123456789012:role/admin"
		operator  = "arn:aws:iam::123456789012:role/podidentity-operator"
		otherRole = "arn:aws:iam::123456789012:role/podidentity/test/test_shop_checkout_0f0f0f0f"
		tag       = "aws:ResourceTag/" + plan.TagCluster
		setTag    = "aws:RequestTag/" + plan.TagCluster
		bound     = "iam:PermissionsBoundary"
	)
	keys := func(keys ...string) map[string][]string { return owned(map[string][]string{"aws:TagKeys": keys}) }
	attaches := func(arn string) map[string][]string {
		return owned(map[string][]string{"iam:PolicyARN": {arn}})
	}

	cases := map[string]struct {
		reason  string
		request policy.Request
		want    policy.Decision // with a forced boundary
		free    policy.Decision // without
	}{
		"Create":          {"The role has the path, the boundary and the tags of the operator.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: created(nil)}, policy.Allowed, policy.Allowed},
		"CreateTags":      {"Creating a role with tags also needs iam:TagRole.", policy.Request{Action: "iam:TagRole", Resource: roleARN, Context: without(created(nil), bound)}, policy.Allowed, policy.Allowed},
		"CreateBoundary":  {"Creating a role with a boundary also needs iam:PutRolePermissionsBoundary.", policy.Request{Action: "iam:PutRolePermissionsBoundary", Resource: roleARN, Context: created(nil)}, policy.Allowed, policy.Allowed},
		"CreateUnbounded": {"The role has no boundary.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: without(created(nil), bound)}, policy.ExplicitDeny, policy.Allowed},
		"CreateOtherwise": {"The role has another boundary.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: created(map[string][]string{bound: {policyARN}})}, policy.ExplicitDeny, policy.Allowed},
		"CreateUntagged":  {"The role has no tag of an owner.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: without(created(nil), setTag)}, policy.ImplicitDeny, policy.ImplicitDeny},
		"CreateForOther":  {"The role has the tag of another cluster.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: created(map[string][]string{setTag: {"test"}})}, policy.ExplicitDeny, policy.ExplicitDeny},
		"CreateOutside":   {"The role is outside the operator's path.", policy.Request{Action: "iam:CreateRole", Resource: foreign, Context: created(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},

		"Trust":          {"The trust policy of an own role.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"TrustForeign":   {"The trust policy of a role outside the path.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: foreign, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TrustOwn":       {"The trust policy of the operator's own role.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: operator, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TrustOtherRole": {"The trust policy of another cluster's role.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: otherRole, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TrustUntagged":  {"The trust policy of a role in the path without the tag.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: roleARN, Context: without(owned(nil), tag)}, policy.ImplicitDeny, policy.ImplicitDeny},
		"Update":         {"The description and session duration of an own role.", policy.Request{Action: "iam:UpdateRole", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"Put":            {"An inline policy of a role with the boundary.", policy.Request{Action: "iam:PutRolePolicy", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"PutUnbounded":   {"An inline policy of a role without a boundary.", policy.Request{Action: "iam:PutRolePolicy", Resource: roleARN, Context: without(owned(nil), bound)}, policy.ImplicitDeny, policy.Allowed},
		"PutOwn":         {"An inline policy of the operator's own role.", policy.Request{Action: "iam:PutRolePolicy", Resource: operator, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Attach":         {"A customer managed policy.", policy.Request{Action: "iam:AttachRolePolicy", Resource: roleARN, Context: attaches(policyARN)}, policy.Allowed, policy.Allowed},
		"AttachAdmin":    {"A policy with all permissions.", policy.Request{Action: "iam:AttachRolePolicy", Resource: roleARN, Context: attaches("arn:aws:iam::aws:policy/AdministratorAccess")}, policy.ExplicitDeny, policy.ExplicitDeny},
		"AttachIAM":      {"A policy with all IAM permissions.", policy.Request{Action: "iam:AttachRolePolicy", Resource: roleARN, Context: attaches("arn:aws:iam::aws:policy/IAMFullAccess")}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Detach":         {"Permissions can be removed from a role without a boundary.", policy.Request{Action: "iam:DetachRolePolicy", Resource: roleARN, Context: without(owned(nil), bound)}, policy.Allowed, policy.Allowed},
		"DeleteInline":   {"Permissions can be removed from a role without a boundary.", policy.Request{Action: "iam:DeleteRolePolicy", Resource: roleARN, Context: without(owned(nil), bound)}, policy.Allowed, policy.Allowed},
		"Delete":         {"The deletion of an own role.", policy.Request{Action: "iam:DeleteRole", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"DeleteForeign":  {"The deletion of a role of another owner.", policy.Request{Action: "iam:DeleteRole", Resource: foreign, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Bound":          {"The boundary is restored.", policy.Request{Action: "iam:PutRolePermissionsBoundary", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"BoundOtherwise": {"The boundary is replaced by another one.", policy.Request{Action: "iam:PutRolePermissionsBoundary", Resource: roleARN, Context: owned(map[string][]string{bound: {policyARN}})}, policy.ExplicitDeny, policy.Allowed},
		"Unbound":        {"The boundary is removed.", policy.Request{Action: "iam:DeleteRolePermissionsBoundary", Resource: roleARN, Context: owned(nil)}, policy.ExplicitDeny, policy.Allowed},
		"Rewrite":        {"The boundary policy itself is changed.", policy.Request{Action: "iam:CreatePolicyVersion", Resource: boundaryARN}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Pass":           {"A role is passed to a service.", policy.Request{Action: "iam:PassRole", Resource: roleARN}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Tag":            {"A tag of the user.", policy.Request{Action: "iam:TagRole", Resource: roleARN, Context: keys("team")}, policy.Allowed, policy.Allowed},
		"TagForeign":     {"The tags of a role of another owner, which would take it over.", policy.Request{Action: "iam:TagRole", Resource: foreign, Context: created(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TagForOther":    {"The tags of an own role, which would give it to another cluster.", policy.Request{Action: "iam:TagRole", Resource: roleARN, Context: owned(map[string][]string{setTag: {"test"}, "aws:TagKeys": {plan.TagCluster}})}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Untag":          {"A tag of the user.", policy.Request{Action: "iam:UntagRole", Resource: roleARN, Context: keys("team", "stage")}, policy.Allowed, policy.Allowed},
		"UntagOwner":     {"The tags that identify the owner.", policy.Request{Action: "iam:UntagRole", Resource: roleARN, Context: keys("team", "IAM.podidentity.io/UID")}, policy.ExplicitDeny, policy.ExplicitDeny},
		"LeaveProfile":   {"An instance profile in the path.", policy.Request{Action: "iam:RemoveRoleFromInstanceProfile", Resource: "arn:aws:iam::123456789012:instance-profile/podidentity/prod/p"}, policy.Allowed, policy.Allowed},
		"LeaveNodes":     {"The instance profile of the nodes.", policy.Request{Action: "iam:RemoveRoleFromInstanceProfile", Resource: "arn:aws:iam::123456789012:instance-profile/nodes"}, policy.ImplicitDeny, policy.ImplicitDeny},
		"Read":           {"The owner of any role can be read.", policy.Request{Action: "iam:GetRole", Resource: foreign}, policy.Allowed, policy.Allowed},
		"Quotas":         {"The quotas of the account can be read.", policy.Request{Action: "iam:GetAccountSummary"}, policy.Allowed, policy.Allowed},
		"Provider":       {"The provider of the issuer can be read.", policy.Request{Action: "iam:GetOpenIDConnectProvider", Resource: providerARN}, policy.Allowed, policy.Allowed},
		"CreateProvider": {"Creating a provider is a separate permission.", policy.Request{Action: "iam:CreateOpenIDConnectProvider", Resource: providerARN}, policy.ImplicitDeny, policy.ImplicitDeny},
		"CreateUser":     {"The operator does not manage users.", policy.Request{Action: "iam:CreateUser", Resource: "arn:aws:iam::123456789012:user/u"}, policy.ImplicitDeny, policy.ImplicitDeny},
		"Assume":         {"The operator does not assume other roles.", policy.Request{Action: "sts:AssumeRole", Resource: roleARN}, policy.ImplicitDeny, policy.ImplicitDeny},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			for file, want := range map[string]policy.Decision{bounded: tc.want, unbounded: tc.free} {
				if got := policy.Evaluate(tc.request, shipped(t, file)); got != want {
					t.Errorf("%s: %s is %v, want %v", file, tc.request.Action, got, want)
				}
			}
		})
	}
}

func TestProviderPolicy_DeniesOtherProviders(t *testing.T) {
	p := shipped(t, withProvider)
	for _, action := range []string{"iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider", "iam:AddClientIDToOpenIDConnectProvider"} {
		if got := policy.Evaluate(policy.Request{Action: action, Resource: providerARN}, p); got != policy.Allowed {
			t.Errorf("%s on the cluster's provider is %v", action, got)
		}
		if got := policy.Evaluate(policy.Request{Action: action, Resource: providerARN + "4"}, p); got == policy.Allowed {
			t.Errorf("%s on another provider is %v", action, got)
		}
	}
}

// The example of a boundary prevents workloads from extending their own permissions.
func TestBoundary_DeniesPrivilegeEscalation(t *testing.T) {
	cases := map[string]struct {
		action, resource string
		want             policy.Decision
	}{
		"Data":   {"s3:GetObject", "arn:aws:s3:::shop/a", policy.Allowed},
		"Secret": {"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s", policy.Allowed},
		"IAM":    {"iam:CreateRole", roleARN, policy.ExplicitDeny},
		"Chain":  {"sts:AssumeRole", roleARN, policy.ExplicitDeny},
		"Rest":   {"ec2:RunInstances", "arn:aws:ec2:eu-west-1:123456789012:instance/*", policy.ImplicitDeny},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := policy.Evaluate(policy.Request{Action: tc.action, Resource: tc.resource}, shipped(t, boundary)); got != tc.want {
				t.Errorf("%s is %v, want %v", tc.action, got, tc.want)
			}
		})
	}
}

// Messages refer only to files that exist.
func TestMessages_NameFilesThatExist(t *testing.T) {
	for _, file := range []string{operatorPolicy, providerPolicy, readme} {
		if _, err := os.Stat(filepath.Join("..", "..", file)); err != nil {
			t.Error(err)
		}
	}
}
