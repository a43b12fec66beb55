package guardrail

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// The patterns are few, so that policies, limits and requests meet often.
var (
	actions = rapid.SampledFrom([]string{
		"*", "s3:*", "s3:Get*", "S3:getobject", "s3:*Object", "s3:?etObject", "iam:*", "iam:Get*", "iam:*Role", "IAM:create*", "iam:CreateUser",
		"iam:PassRole", "iam:Pa??Role", "sts:*", "sts:Assume*", "sts:assumerole", "organizations:*", "organizations:Describe*", "organizations:Leave*",
	})
	resources = rapid.SampledFrom([]string{
		"*", "arn:*", "arn:aws:iam::*", "arn:aws:iam::*:role/*", "arn:aws:iam::123456789012:role/?*", "arn:aws:iam::123456789012:role/app-*",
		"arn:aws:iam::123456789012:*", "arn:aws:s3:::*", "arn:aws:s3:::shop/*", "arn:aws:s3:::s?op/a", "arn:aws:s3:::secre*", "arn:aws:s3:::${aws:username}",
	})
	requested = rapid.SampledFrom([]policy.Request{
		{Action: "s3:GetObject", Resource: "arn:aws:s3:::shop/a"},
		{Action: "s3:PutObject", Resource: "arn:aws:s3:::secret-1"},
		{Action: "iam:CreateUser", Resource: "arn:aws:iam::123456789012:user/u"},
		{Action: "iam:AttachRolePolicy", Resource: "arn:aws:iam::123456789012:role/app-1"},
		{Action: "iam:UpdateAssumeRolePolicy", Resource: "arn:aws:iam::123456789012:role/app-1"},
		{Action: "iam:GetRole", Resource: "arn:aws:iam::123456789012:role/app-1"},
		{Action: "iam:PassRole", Resource: "arn:aws:iam::123456789012:role/unheard-of"},
		{Action: "sts:AssumeRole", Resource: "arn:aws:iam::123456789012:role/unheard-of"},
		{Action: "sts:AssumeRole", Resource: "arn:aws:iam::123456789012:role/app-1"},
		{Action: "organizations:LeaveOrganization"},
	})
)

func truncateList[T any](of *rapid.Generator[T], least int) *rapid.Generator[[]T] {
	return rapid.SliceOfN(of, least, 3)
}

// declared draws an inline policy, typed or as a document, and what IAM makes of it.
var declared = rapid.Custom(func(t *rapid.T) (in v1alpha1.InlinePolicy) {
	var p policy.Policy
	p.Version = policy.Version2012
	for range rapid.IntRange(1, 2).Draw(t, "statements") {
		s := policy.Statement{Effect: rapid.SampledFrom([]policy.Effect{policy.Allow, policy.Allow, policy.Deny}).Draw(t, "effect")}
		if s.Actions = truncateList(actions, 1).Draw(t, "actions"); rapid.IntRange(0, 9).Draw(t, "not") == 0 {
			s.Actions, s.NotActions = nil, s.Actions
		}
		if s.Resources = truncateList(resources, 1).Draw(t, "resources"); rapid.IntRange(0, 9).Draw(t, "not") == 0 {
			s.Resources, s.NotResources = nil, s.Resources
		}
		p.Statements = append(p.Statements, s)
	}
	in.Name = "p"
	if rapid.Bool().Draw(t, "document") {
		in.Document = string(p.Document())
		return in
	}
	for _, s := range p.Statements {
		in.Statements = append(in.Statements, v1alpha1.Statement{
			Effect:  v1alpha1.Effect(s.Effect),
			Actions: as[v1alpha1.Action](s.Actions), NotActions: as[v1alpha1.Action](s.NotActions),
			Resources: as[v1alpha1.Resource](s.Resources), NotResources: as[v1alpha1.Resource](s.NotResources),
		})
	}
	return in
})

func as[S ~string](in []string) []S {
	var out []S
	for _, s := range in {
		out = append(out, S(s))
	}
	return out
}

// granted reports whether IAM would grant the request by an inline policy.
func granted(in v1alpha1.InlinePolicy, r policy.Request) bool {
	p := policy.Policy{Version: policy.Version2012, Statements: statements(in.Document)}
	for _, s := range in.Statements {
		p.Statements = append(p.Statements, policy.Statement{
			Effect:  policy.Effect(s.Effect),
			Actions: toStrings(s.Actions), NotActions: toStrings(s.NotActions),
			Resources: toStrings(s.Resources), NotResources: toStrings(s.NotResources),
		})
	}
	r.Context = map[string][]string{"aws:username": {"secret-1"}}
	return policy.Evaluate(r, p) == policy.Allowed
}

func requesting(in v1alpha1.InlinePolicy) *v1alpha1.PodIdentity {
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Name: "checkout"}}
	pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{in}
	return pi
}

// Nothing that passes the baseline administers IAM, by IAM's own evaluation.
func TestBaselineHolds(t *testing.T) {
	harmless := map[string]bool{"s3:GetObject": true, "s3:PutObject": true, "iam:GetRole": true}
	rapid.Check(t, func(t *rapid.T) {
		in, r := declared.Draw(t, "policy"), requested.Draw(t, "request")
		if Set(nil).Evaluate(requesting(in), 0).Err != nil || !granted(in, r) {
			return
		}
		oneRole := r.Action == "sts:AssumeRole" && r.Resource == "arn:aws:iam::123456789012:role/app-1" // which a pattern may name
		if !harmless[r.Action] && !oneRole {
			t.Fatalf("passes the baseline, and grants %s on %s", r.Action, r.Resource)
		}
	})
}

// Nothing that passes a guardrail grants what is denied, or more than is allowed.
func TestLimitsHold(t *testing.T) {
	limits := func(t *rapid.T, label string, of *rapid.Generator[string]) v1alpha1.PatternLimit {
		return v1alpha1.PatternLimit{
			Allowed: as[v1alpha1.Pattern](truncateList(of, 1).Draw(t, label+" allowed")),
			Denied:  as[v1alpha1.Pattern](truncateList(of, 0).Draw(t, label+" denied")),
		}
	}
	meets := func(patterns []v1alpha1.Pattern, text string) bool {
		for _, p := range patterns {
			if policy.CoversFold(string(p), text) {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		in, r := declared.Draw(t, "policy"), requested.Draw(t, "request")
		g := v1alpha1.PodIdentityGuardrail{Spec: v1alpha1.PodIdentityGuardrailSpec{
			Actions: limits(t, "actions", actions), Resources: limits(t, "resources", resources),
		}}
		if (Set{g}).Evaluate(requesting(in), 0).Err != nil || !granted(in, r) {
			return
		}
		for _, part := range []struct {
			limit v1alpha1.PatternLimit
			text  string
		}{{g.Spec.Actions, r.Action}, {g.Spec.Resources, r.Resource}} {
			if part.text != "" && (!meets(part.limit.Allowed, part.text) || meets(part.limit.Denied, part.text)) {
				t.Fatalf("passes a guardrail that allows %v but %v, and grants %s on %s", part.limit.Allowed, part.limit.Denied, r.Action, r.Resource)
			}
		}
	})
}
