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

// maxManagedPolicy is what IAM counts of a managed policy at most.
const maxManagedPolicy = 6144

// shipped returns a policy of config/aws, rendered for a cluster as its README
// says.
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
			t.Errorf("%s: AWS would refuse it: %v", name, err)
		}
		if size := policy.Size(string(p.Document())); size > maxManagedPolicy {
			t.Errorf("%s: %d characters, IAM takes %d", name, size, maxManagedPolicy)
		}
	}
}

// The operator's own role is bound to its ServiceAccount as it binds others.
func TestOperatorTrust_AdmitsItsServiceAccountOnly(t *testing.T) {
	p := shipped(t, "operator-trust-policy.json")
	if err := p.CheckTrust(); err != nil {
		t.Errorf("AWS would refuse it: %v", err)
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

// The operator may do in IAM exactly what API lets the code call. (STS needs no
// permission for GetCallerIdentity.)
func TestOperatorPolicy_AllowsExactlyTheCallsOfTheCode(t *testing.T) {
	called := methods(reflect.TypeFor[API]())
	providers := []string{"AddClientIDToOpenIDConnectProvider", "CreateOpenIDConnectProvider"}

	cases := map[string]struct {
		reason       string
		files        []string
		less, beside []string // than, and what is called
	}{
		"Bounded": {
			reason: "With a forced boundary the operator removes no boundary; it creates providers only if a flag says so.",
			files:  []string{bounded},
			less:   append([]string{"DeleteRolePermissionsBoundary"}, providers...),
		},
		"Unbounded": {
			reason: "Providers are made only if a flag says so.",
			files:  []string{unbounded},
			less:   providers,
		},
		"UnboundedWithProvider": {
			reason: "To create a provider with tags needs the action of tagging one.",
			files:  []string{unbounded, withProvider},
			beside: []string{"TagOpenIDConnectProvider"},
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			needed := slices.DeleteFunc(slices.Concat(called, tc.beside), func(action string) bool { return slices.Contains(tc.less, action) })
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

// owned is the context of a call about a role of ours.
func owned(context map[string][]string) map[string][]string {
	c := map[string][]string{"aws:ResourceTag/" + plan.TagCluster: {"prod"}, "iam:PermissionsBoundary": {boundaryARN}}
	maps.Copy(c, context)
	return c
}

// created is the context of a call that makes a role.
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

// What the operator must do is allowed, and what would let the operator, or an attacker
// with its credentials, reach beyond its own roles is denied.
func TestOperatorPolicy_DeniesBeyondItsOwnRoles(t *testing.T) {
	const (
		foreign  = "arn:aws:iam::123456789012:role/admin"
		operator = "arn:aws:iam::123456789012:role/podidentity-operator"
		neighbor = "arn:aws:iam::123456789012:role/podidentity/test/test_shop_checkout_0f0f0f0f"
		tag      = "aws:ResourceTag/" + plan.TagCluster
		setTag   = "aws:RequestTag/" + plan.TagCluster
		bound    = "iam:PermissionsBoundary"
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
		"Create":          {"A role in the path, bounded and tagged.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: created(nil)}, policy.Allowed, policy.Allowed},
		"CreateTags":      {"To create with tags is to tag.", policy.Request{Action: "iam:TagRole", Resource: roleARN, Context: without(created(nil), bound)}, policy.Allowed, policy.Allowed},
		"CreateBoundary":  {"To create with a boundary is to put one.", policy.Request{Action: "iam:PutRolePermissionsBoundary", Resource: roleARN, Context: created(nil)}, policy.Allowed, policy.Allowed},
		"CreateUnbounded": {"A role without the boundary.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: without(created(nil), bound)}, policy.ExplicitDeny, policy.Allowed},
		"CreateOtherwise": {"A role with another boundary.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: created(map[string][]string{bound: {policyARN}})}, policy.ExplicitDeny, policy.Allowed},
		"CreateUntagged":  {"A role without an owner.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: without(created(nil), setTag)}, policy.ImplicitDeny, policy.ImplicitDeny},
		"CreateForOther":  {"A role in the name of another cluster.", policy.Request{Action: "iam:CreateRole", Resource: roleARN, Context: created(map[string][]string{setTag: {"test"}})}, policy.ExplicitDeny, policy.ExplicitDeny},
		"CreateOutside":   {"A role outside of the path.", policy.Request{Action: "iam:CreateRole", Resource: foreign, Context: created(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},

		"Trust":          {"Who may assume a role of ours.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"TrustForeign":   {"Who may assume the administrators' role.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: foreign, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TrustOwn":       {"Who may be the operator.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: operator, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TrustNeighbor":  {"A role of the cluster next door.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: neighbor, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TrustUntagged":  {"A role in the path that is not ours.", policy.Request{Action: "iam:UpdateAssumeRolePolicy", Resource: roleARN, Context: without(owned(nil), tag)}, policy.ImplicitDeny, policy.ImplicitDeny},
		"Update":         {"Description and session duration.", policy.Request{Action: "iam:UpdateRole", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"Put":            {"An inline policy of a bounded role.", policy.Request{Action: "iam:PutRolePolicy", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"PutUnbounded":   {"An inline policy of a role without a boundary.", policy.Request{Action: "iam:PutRolePolicy", Resource: roleARN, Context: without(owned(nil), bound)}, policy.ImplicitDeny, policy.Allowed},
		"PutOwn":         {"A policy for the operator itself.", policy.Request{Action: "iam:PutRolePolicy", Resource: operator, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Attach":         {"A managed policy.", policy.Request{Action: "iam:AttachRolePolicy", Resource: roleARN, Context: attaches(policyARN)}, policy.Allowed, policy.Allowed},
		"AttachAdmin":    {"All permissions in one policy.", policy.Request{Action: "iam:AttachRolePolicy", Resource: roleARN, Context: attaches("arn:aws:iam::aws:policy/AdministratorAccess")}, policy.ExplicitDeny, policy.ExplicitDeny},
		"AttachIAM":      {"All of IAM.", policy.Request{Action: "iam:AttachRolePolicy", Resource: roleARN, Context: attaches("arn:aws:iam::aws:policy/IAMFullAccess")}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Detach":         {"Rights can be taken from a role without a boundary.", policy.Request{Action: "iam:DetachRolePolicy", Resource: roleARN, Context: without(owned(nil), bound)}, policy.Allowed, policy.Allowed},
		"DeleteInline":   {"Rights can be taken from a role without a boundary.", policy.Request{Action: "iam:DeleteRolePolicy", Resource: roleARN, Context: without(owned(nil), bound)}, policy.Allowed, policy.Allowed},
		"Delete":         {"A role of ours.", policy.Request{Action: "iam:DeleteRole", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"DeleteForeign":  {"A role of another owner.", policy.Request{Action: "iam:DeleteRole", Resource: foreign, Context: owned(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Bound":          {"The boundary, restored.", policy.Request{Action: "iam:PutRolePermissionsBoundary", Resource: roleARN, Context: owned(nil)}, policy.Allowed, policy.Allowed},
		"BoundOtherwise": {"Another boundary.", policy.Request{Action: "iam:PutRolePermissionsBoundary", Resource: roleARN, Context: owned(map[string][]string{bound: {policyARN}})}, policy.ExplicitDeny, policy.Allowed},
		"Unbound":        {"No boundary.", policy.Request{Action: "iam:DeleteRolePermissionsBoundary", Resource: roleARN, Context: owned(nil)}, policy.ExplicitDeny, policy.Allowed},
		"Rewrite":        {"The boundary's own text.", policy.Request{Action: "iam:CreatePolicyVersion", Resource: boundaryARN}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Pass":           {"A role, given to a service.", policy.Request{Action: "iam:PassRole", Resource: roleARN}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Tag":            {"A tag of the user's.", policy.Request{Action: "iam:TagRole", Resource: roleARN, Context: keys("team")}, policy.Allowed, policy.Allowed},
		"TagForeign":     {"The first step to take a role over.", policy.Request{Action: "iam:TagRole", Resource: foreign, Context: created(nil)}, policy.ExplicitDeny, policy.ExplicitDeny},
		"TagForOther":    {"A role of ours, given to another cluster.", policy.Request{Action: "iam:TagRole", Resource: roleARN, Context: owned(map[string][]string{setTag: {"test"}, "aws:TagKeys": {plan.TagCluster}})}, policy.ExplicitDeny, policy.ExplicitDeny},
		"Untag":          {"A tag of the user's.", policy.Request{Action: "iam:UntagRole", Resource: roleARN, Context: keys("team", "stage")}, policy.Allowed, policy.Allowed},
		"UntagOwner":     {"The tags that say whose a role is.", policy.Request{Action: "iam:UntagRole", Resource: roleARN, Context: keys("team", "IAM.podidentity.io/UID")}, policy.ExplicitDeny, policy.ExplicitDeny},
		"LeaveProfile":   {"An instance profile in the path.", policy.Request{Action: "iam:RemoveRoleFromInstanceProfile", Resource: "arn:aws:iam::123456789012:instance-profile/podidentity/prod/p"}, policy.Allowed, policy.Allowed},
		"LeaveNodes":     {"The nodes' instance profile.", policy.Request{Action: "iam:RemoveRoleFromInstanceProfile", Resource: "arn:aws:iam::123456789012:instance-profile/nodes"}, policy.ImplicitDeny, policy.ImplicitDeny},
		"Read":           {"Whose a role is, wherever it lies.", policy.Request{Action: "iam:GetRole", Resource: foreign}, policy.Allowed, policy.Allowed},
		"Quotas":         {"The account's quotas.", policy.Request{Action: "iam:GetAccountSummary"}, policy.Allowed, policy.Allowed},
		"Provider":       {"The issuer's provider.", policy.Request{Action: "iam:GetOpenIDConnectProvider", Resource: providerARN}, policy.Allowed, policy.Allowed},
		"CreateProvider": {"To make one is a permission apart.", policy.Request{Action: "iam:CreateOpenIDConnectProvider", Resource: providerARN}, policy.ImplicitDeny, policy.ImplicitDeny},
		"CreateUser":     {"The operator knows no users.", policy.Request{Action: "iam:CreateUser", Resource: "arn:aws:iam::123456789012:user/u"}, policy.ImplicitDeny, policy.ImplicitDeny},
		"Assume":         {"Nor does it take other roles.", policy.Request{Action: "sts:AssumeRole", Resource: roleARN}, policy.ImplicitDeny, policy.ImplicitDeny},
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

// The example of a boundary keeps workloads from giving themselves more.
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

// A message may only send people to files that are there.
func TestMessages_NameFilesThatExist(t *testing.T) {
	for _, file := range []string{operatorPolicy, providerPolicy, readme} {
		if _, err := os.Stat(filepath.Join("..", "..", file)); err != nil {
			t.Error(err)
		}
	}
}
