package guardrail

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// reserved are actions that the baseline must never let a policy allow. The list is
// written from AWS's documentation, not from the table in baseline.go.
var reserved = []string{
	"iam:CreateUser", "iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:CreatePolicyVersion",
	"iam:SetDefaultPolicyVersion", "iam:DeleteRolePermissionsBoundary", "iam:CreateAccessKey", "iam:PassRole", "iam:TagRole",
	"sts:AssumeRole", "sts:AssumeRoot",
	"sso:CreateAccountAssignment", "sso:PutInlinePolicyToPermissionSet", "sso-directory:AddMemberToGroup",
	"identitystore:CreateGroupMembership", "organizations:AttachPolicy", "organizations:LeaveOrganization",
	"account:StartPrimaryEmailUpdate", "rolesanywhere:CreateTrustAnchor", "ram:CreateResourceShare", "controltower:EnableControl",
	"eks:CreateAccessEntry", "eks:AssociateAccessPolicy", "eks:UpdateAccessEntry", "eks:CreatePodIdentityAssociation",
}

// resourcesOf are resources of requests.
var resourcesOf = []string{
	"arn:aws:iam::123456789012:role/app-1", "arn:aws:iam::123456789012:user/u", "arn:aws:iam::123456789012:root",
	"arn:aws:s3:::shop/a", "arn:aws:s3:::secret-1", "",
}

// encoding returns a generator of patterns that resemble text: with other case, and
// with wildcards and policy variables for some of its characters.
func encoding(texts ...string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for _, r := range rapid.SampledFrom(texts).Draw(t, "text") {
			switch rapid.IntRange(0, 24).Draw(t, "change") {
			case 0:
				b.WriteString("*")
			case 1:
				b.WriteString("?")
			case 2:
				b.WriteString(rapid.SampledFrom([]string{"${aws:username}", "${aws:PrincipalTag/x, 'a'}", "${*}", "${?}", "${$}", "$", "{}"}).Draw(t, "variable"))
			case 3:
				return b.String() + "*"
			case 4:
				b.WriteString(strings.ToUpper(string(r)))
			case 5:
				b.WriteString(strings.ToLower(string(r)))
			default:
				b.WriteRune(r)
			}
		}
		return b.String()
	})
}

var (
	actions   = encoding(append([]string{"s3:GetObject", "s3:PutObject", "iam:GetRole", "sqs:*", "*"}, reserved...)...)
	resources = encoding(append([]string{"*", "arn:aws:iam::123456789012:role/*", "arn:aws:s3:::*"}, resourcesOf[:5]...)...)
	requests  = rapid.Custom(func(t *rapid.T) policy.Request {
		return policy.Request{
			Action:   rapid.SampledFrom(append([]string{"s3:GetObject", "s3:PutObject", "iam:GetRole"}, reserved...)).Draw(t, "action"),
			Resource: rapid.SampledFrom(resourcesOf).Draw(t, "resource"),
			Context:  map[string][]string{"aws:username": {rapid.SampledFrom([]string{"a", "secret-1", "*", "CreateUser", "iam"}).Draw(t, "username")}},
		}
	})
)

// policies draws a policy of any form.
var policies = rapid.Custom(func(t *rapid.T) policy.Policy {
	p := policy.Policy{Version: rapid.SampledFrom([]string{policy.Version2012, policy.Version2008, ""}).Draw(t, "version")}
	for range rapid.IntRange(1, 3).Draw(t, "statements") {
		s := policy.Statement{Effect: rapid.SampledFrom([]policy.Effect{policy.Allow, policy.Allow, policy.Deny}).Draw(t, "effect")}
		if s.Actions = rapid.SliceOfN(actions, 1, 3).Draw(t, "actions"); rapid.IntRange(0, 9).Draw(t, "not") == 0 {
			s.Actions, s.NotActions = nil, s.Actions
		}
		if s.Resources = rapid.SliceOfN(resources, 1, 3).Draw(t, "resources"); rapid.IntRange(0, 9).Draw(t, "not") == 0 {
			s.Resources, s.NotResources = nil, s.Resources
		}
		p.Statements = append(p.Statements, s)
	}
	return p
})

const drawnARN = "arn:aws:iam::123456789012:policy/drawn"

// asks returns an identity that requests a policy: as statements, as a document, or as a
// managed policy.
func asks(t *rapid.T, p policy.Policy) (*v1alpha1.PodIdentity, Facts) {
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Name: "checkout"}}
	in := v1alpha1.InlinePolicy{Name: "p"}
	switch form := rapid.SampledFrom([]string{"statements", "document", "managed"}).Draw(t, "form"); {
	case form == "managed":
		pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{drawnARN}
		return pi, Facts{Managed: map[string]Contents{drawnARN: ReadContents(string(p.Document()))}}
	case form == "statements" && p.Version == policy.Version2012:
		for _, s := range p.Statements {
			in.Statements = append(in.Statements, v1alpha1.Statement{
				Effect:  v1alpha1.Effect(s.Effect),
				Actions: as[v1alpha1.Action](s.Actions), NotActions: as[v1alpha1.Action](s.NotActions),
				Resources: as[v1alpha1.Resource](s.Resources), NotResources: as[v1alpha1.Resource](s.NotResources),
			})
		}
	default:
		in.Document = string(p.Document())
	}
	pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{in}
	return pi, Facts{}
}

func as[S ~string](in []string) []S {
	var out []S
	for _, s := range in {
		out = append(out, S(s))
	}
	return out
}

// passes reports whether an identity is allowed.
func passes(set Set, pi *v1alpha1.PodIdentity, facts Facts) bool {
	result := set.Evaluate(pi, facts)
	return result.Err == nil && result.Unread == nil
}

// Nothing that passes the baseline allows a reserved action, by IAM's own evaluation.
func TestBaseline_HoldsForGeneratedPolicies(t *testing.T) {
	isReserved := map[string]bool{}
	for _, action := range reserved {
		isReserved[action] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		p, r := policies.Draw(t, "policy"), requests.Draw(t, "request")
		if policy.Evaluate(r, p) != policy.Allowed || !isReserved[r.Action] {
			return
		}
		if pi, facts := asks(t, p); passes(nil, pi, facts) {
			t.Fatalf("passes the baseline, and grants %s on %s", r.Action, r.Resource)
		}
	})
}

// Nothing that passes a guardrail grants what is denied, or more than is allowed.
func TestEvaluate_LimitsHoldForGeneratedPolicies(t *testing.T) {
	patterns := func(t *rapid.T, of *rapid.Generator[string], least int) []v1alpha1.Pattern {
		return as[v1alpha1.Pattern](rapid.SliceOfN(of, least, 3).Draw(t, "patterns"))
	}
	// A guardrail's own patterns have no variables: what one stands for in a request
	// is not known here.
	plain := func(g *rapid.Generator[string]) *rapid.Generator[string] {
		return g.Filter(func(s string) bool { return !strings.Contains(s, "${") })
	}
	matches := func(patterns []v1alpha1.Pattern, text string) bool {
		for _, p := range patterns {
			if policy.NewAllowlist(policy.AnyCase, p).Covers(text) {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		p, r := policies.Draw(t, "policy"), requests.Draw(t, "request")
		if policy.Evaluate(r, p) != policy.Allowed {
			return
		}
		var g v1alpha1.PodIdentityGuardrail
		g.Spec.Actions = v1alpha1.PermissionLimit{Allowed: patterns(t, plain(actions), 1), Additional: patterns(t, plain(actions), 0), Denied: patterns(t, plain(actions), 0)}
		g.Spec.Resources = v1alpha1.PermissionLimit{Allowed: patterns(t, plain(resources), 1), Additional: patterns(t, plain(resources), 0), Denied: patterns(t, plain(resources), 0)}
		if pi, facts := asks(t, p); !passes(Set{g}, pi, facts) {
			return
		}
		for _, part := range []struct {
			limit v1alpha1.PermissionLimit
			text  string
		}{{g.Spec.Actions, r.Action}, {g.Spec.Resources, r.Resource}} {
			allowed := matches(part.limit.Allowed, part.text) || matches(part.limit.Additional, part.text)
			if part.text != "" && (!allowed || matches(part.limit.Denied, part.text)) {
				t.Fatalf("passes a guardrail with %+v, and grants %s on %s", part.limit, r.Action, r.Resource)
			}
		}
	})
}

// FuzzEvaluate evaluates the baseline on documents of any text.
func FuzzEvaluate(f *testing.F) {
	for _, document := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","NotAction":"s3:*","NotResource":"arn:aws:s3:::a"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"i?m:${aws:username}*","Resource":"arn:aws:iam::*:role/${*}"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"\u0049AM:pass\u002a","Resource":"*","Condition":{"Null":{"aws:x":"true"}}}}`,
		`{"Version":"2008-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"sts:Assume*","Resource":"*"}]}`,
	} {
		for i := range reserved {
			f.Add(document, i, i)
		}
	}
	f.Fuzz(func(t *testing.T, document string, action, resource int) {
		p, err := policy.Decode([]byte(document))
		if err != nil {
			return
		}
		r := policy.Request{
			Action: reserved[abs(action)%len(reserved)], Resource: resourcesOf[abs(resource)%len(resourcesOf)],
			Context: map[string][]string{"aws:username": {"CreateUser"}},
		}
		if policy.Evaluate(r, p) != policy.Allowed {
			return
		}
		pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Name: "checkout"}}
		pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: document}}
		if passes(nil, pi, Facts{}) {
			t.Errorf("passes the baseline as an inline policy, and grants %s on %s", r.Action, r.Resource)
		}
		pi.Spec.Policies = v1alpha1.PoliciesSpec{Managed: []v1alpha1.PolicyARN{drawnARN}}
		facts := Facts{Managed: map[string]Contents{drawnARN: ReadContents(document)}}
		if passes(nil, pi, facts) {
			t.Errorf("passes the baseline as a managed policy, and grants %s on %s", r.Action, r.Resource)
		}
	})
}

func abs(i int) int { return max(i, -(i + 1)) }
