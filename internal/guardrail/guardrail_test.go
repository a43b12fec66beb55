package guardrail

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// identity returns PodIdentity checkout with a spec in YAML.
func identity(tb testing.TB, spec string) *v1alpha1.PodIdentity {
	tb.Helper()
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &pi.Spec); err != nil {
		tb.Fatal(err)
	}
	return pi
}

// newGuardrail returns a guardrail with a spec in YAML.
func newGuardrail(tb testing.TB, name, spec string) v1alpha1.PodIdentityGuardrail {
	tb.Helper()
	g := v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}}
	if err := yaml.UnmarshalStrict([]byte(spec), &g.Spec); err != nil {
		tb.Fatal(err)
	}
	return g
}

// allow is a spec with one statement that allows actions on resources.
func allow(actions, resources string) string {
	return `{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ` + actions + `, resources: ` + resources + `}]}]}}`
}

const (
	bucket = `["arn:aws:s3:::shop/*"]`
	all    = `["*"]`
	at     = "spec.policies.inline[p].statements[0]: "
)

func check(t *testing.T, rejection error, want string, kind fault.Kind) {
	t.Helper()
	got := ""
	if rejection != nil {
		got = rejection.Error()
		if fault.KindOf(rejection) != kind || fault.ReasonOf(rejection, "") != v1alpha1.ReasonGuardrailViolated {
			t.Errorf("rejection is %s of reason %q, want %s", fault.KindOf(rejection), fault.ReasonOf(rejection, ""), kind)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// Each limit of a guardrail, with what it allows and what it rejects.
func TestEvaluate_EachLimit(t *testing.T) {
	const policyARN = "spec.policies.managed[0]: arn:aws:iam::123456789012:policy/shop"
	const onlyResources = "; only resources.allowed or resources.additional of a PodIdentityGuardrail can allow that"
	const admin = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	const queue = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:*:*:shop"}}`
	notActions := `{policies: {inline: [{name: p, statements: [{effect: Allow, notActions: ["iam:*"], resources: ` + bucket + `}]}]}}`
	notResources := `{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], notResources: ` + bucket + `}]}]}}`
	for name, tc := range map[string]struct {
		reason   string
		limits   string
		spec     string
		contents string // of the managed policy; a harmless one if empty
		want     string // after the prefix; empty if everything is allowed
	}{
		"ManagedAllowed":    {"A pattern covers the ARN.", `{managedPolicies: {allowed: ["arn:aws:iam::123456789012:policy/sho*"]}}`, managed, "", ""},
		"ManagedNotAllowed": {"No pattern covers the ARN.", `{managedPolicies: {allowed: ["arn:aws:iam::aws:policy/*", "arn:aws:iam::123456789012:policy/Shop"]}}`, managed, "", policyARN + " is not covered by the allowed managed policies: arn:aws:iam::aws:policy/*, arn:aws:iam::123456789012:policy/Shop"},
		"ManagedNone":       {"An empty list allows none.", `{managedPolicies: {allowed: []}}`, managed, "", policyARN + " is not covered by the allowed managed policies: (none)"},
		"ManagedDenied":     {"A denied pattern overrides an allowed one, without regard to case.", `{managedPolicies: {allowed: ["*"], denied: ["*:policy/SHO*"]}}`, managed, "", policyARN + " overlaps with the denied managed policy pattern *:policy/SHO*"},
		"ManagedContents":   {"The ARN is allowed, but the contents are not.", `{managedPolicies: {allowed: ["*"]}}`, managed, admin, policyARN + ": Statement[0]: * allows every action of AWS"},
		"ManagedTrusted":    {"The platform team vouches for its contents.", `{managedPolicies: {trusted: ["*:policy/shop"]}}`, managed, admin, ""},
		"ManagedNotTrusted": {"Trusted patterns are case-sensitive: another policy may differ only in case.", `{managedPolicies: {trusted: ["*:policy/Shop"]}}`, managed, admin, policyARN + ": Statement[0]: * allows every action of AWS"},
		"TrustedNotAllowed": {"Trusted patterns are about contents; the ARN must also be allowed.", `{managedPolicies: {allowed: [], trusted: ["*"]}}`, managed, "", policyARN + " is not covered by the allowed managed policies: (none)"},
		"TrustedDenied":     {"A denied policy stays denied.", `{managedPolicies: {trusted: ["*"], denied: ["*:policy/shop"]}}`, managed, "", policyARN + " overlaps with the denied managed policy pattern *:policy/shop"},
		"ContentsActions":   {"The limits on actions also apply to contents.", `{actions: {allowed: ["s3:*"]}}`, managed, queue, policyARN + ": Statement[0]: sqs:SendMessage is not covered by the allowed actions: s3:*"},
		"ContentsResources": {"The limits on resources also apply to contents.", `{resources: {denied: ["arn:aws:sqs:*:*:shop*"]}}`, managed, queue, policyARN + ": Statement[0]: arn:aws:sqs:*:*:shop overlaps with the denied resource pattern arn:aws:sqs:*:*:shop*"},
		"InlineForbidden":   {"Only managed policies are allowed.", `{inlinePolicies: Forbidden}`, allow(`["s3:GetObject"]`, bucket), "", "spec.policies.inline: inline policies are forbidden; use managed policies"},
		"InlineAbsent":      {"The identity has no inline policy.", `{inlinePolicies: Forbidden}`, managed, "", ""},
		"InlineAllowed":     {"Allowed is the default.", `{inlinePolicies: Allowed}`, allow(`["s3:GetObject"]`, bucket), "", ""},

		"Uncovered":          {"A guardrail on something else leaves the baseline in force.", `{maxIdentities: 9}`, allow(`["iam:*"]`, bucket), "", at + "iam:* administers IAM"},
		"ActionAllowed":      {"Actions are compared without regard to case.", `{actions: {allowed: ["S3:Get*"]}}`, allow(`["s3:GetObject*"]`, bucket), "", ""},
		"ActionNotAllowed":   {"A wider pattern is not covered.", `{actions: {allowed: ["s3:Get*"]}}`, allow(`["s3:*"]`, bucket), "", at + "s3:* is not covered by the allowed actions: s3:Get*"},
		"ActionDenied":       {"An overlap is enough to be denied.", `{actions: {denied: ["s3:Delete*"]}}`, allow(`["s3:*Object"]`, bucket), "", at + "s3:*Object overlaps with the denied action pattern s3:Delete*"},
		"ActionOpened":       {"A guardrail can allow a team to administer IAM.", `{actions: {allowed: ["iam:*"]}}`, allow(`["iam:CreateUser"]`, bucket), "", ""},
		"ActionMany":         {"Several actions are one sentence.", `{actions: {denied: ["s3:Delete*"]}}`, allow(`["s3:DeleteObject", "s3:DeleteBucket"]`, bucket), "", at + "s3:DeleteObject and s3:DeleteBucket overlap with the denied action pattern s3:Delete*"},
		"ActionAdditional":   {"Additional actions extend the baseline.", `{actions: {additional: ["iam:*InstanceProfile"]}}`, allow(`["s3:*", "iam:CreateInstanceProfile"]`, all), "", ""},
		"AdditionalNotMore":  {"The baseline still applies to all other actions.", `{actions: {additional: ["iam:*InstanceProfile"]}}`, allow(`["iam:CreateUser"]`, all), "", at + "iam:CreateUser administers IAM"},
		"AdditionalAllowed":  {"Additional actions extend the allowed ones.", `{actions: {allowed: ["s3:*"], additional: ["sqs:*"]}}`, allow(`["s3:GetObject", "sqs:SendMessage", "sns:Publish"]`, bucket), "", at + "sns:Publish is not covered by the allowed actions: s3:*, sqs:*"},
		"AdditionalDenied":   {"Denied actions override additional ones.", `{actions: {additional: ["iam:*"], denied: ["iam:*User*"]}}`, allow(`["iam:CreateUser"]`, bucket), "", at + "iam:CreateUser overlaps with the denied action pattern iam:*User*"},
		"NotActions":         {"Only * covers everything except a list.", `{actions: {allowed: ["s3:*"]}}`, notActions, "", at + "notActions allows more than permitted; list the required actions instead"},
		"NotActionsAll":      {"The pattern * covers everything except a list.", `{actions: {allowed: ["*"]}}`, notActions, "", ""},
		"NotActionsPassRole": {"notActions includes iam:PassRole, whose roles must also be allowed.", `{actions: {allowed: ["*"]}}`, `{policies: {inline: [{name: p, statements: [{effect: Allow, notActions: ["s3:*"], resources: ["*"]}]}]}}`, "", at + "* cannot be used with iam:PassRole, sts:AssumeRole, sts:AssumeRoot" + onlyResources},
		"WholeServices":      {"The allowed actions override the limit on whole services.", `{actions: {allowed: ["a*:*"]}}`, allow(services(11), all), "", ""},
		"WholeAdditional":    {"Additional services do not count as whole services.", `{actions: {additional: ["a10:*"]}}`, allow(services(11), all), "", ""},

		"PassRole":            {"Allowing iam:PassRole alone allows no role.", `{actions: {additional: ["iam:PassRole"]}}`, allow(`["iam:PassRole"]`, `["arn:aws:iam::123456789012:role/task"]`), "", at + "arn:aws:iam::123456789012:role/task cannot be used with iam:PassRole" + onlyResources},
		"PassRoleOpened":      {"The action and the role are allowed.", `{actions: {additional: ["iam:PassRole"]}, resources: {additional: ["arn:aws:iam::123456789012:role/task-*"]}}`, allow(`["iam:PassRole", "s3:GetObject"]`, `["arn:aws:iam::123456789012:role/task-1", "arn:aws:s3:::shop/*"]`), "", ""},
		"PassRoleOther":       {"Other roles are still rejected.", `{actions: {additional: ["iam:PassRole"]}, resources: {additional: ["arn:aws:iam::123456789012:role/task-*"]}}`, allow(`["iam:PassRole"]`, `["arn:aws:iam::123456789012:role/task-1", "arn:aws:iam::123456789012:role/*-1"]`), "", at + "arn:aws:iam::123456789012:role/*-1 cannot be used with iam:PassRole" + onlyResources},
		"PassRoleVariable":    {"A policy variable counts as *.", `{actions: {additional: ["iam:PassRole"]}, resources: {additional: ["arn:aws:iam::123456789012:role/task-?"]}}`, allow(`["iam:PassRole"]`, `["arn:aws:iam::123456789012:role/task-${aws:PrincipalTag/x}"]`), "", at + "arn:aws:iam::123456789012:role/task-${aws:PrincipalTag/x} cannot be used with iam:PassRole" + onlyResources},
		"PassRoleOfVariable":  {"A policy variable in place of the service counts as * too.", `{actions: {additional: ["iam:PassRole"]}}`, allow(`["iam:PassRole"]`, `["arn:aws:${aws:PrincipalTag/x}::123456789012:role/task"]`), "", at + "arn:aws:${aws:PrincipalTag/x}::123456789012:role/task cannot be used with iam:PassRole" + onlyResources},
		"PassRoleNoRole":      {"iam:PassRole on a bucket passes no role.", `{actions: {additional: ["iam:PassRole"]}}`, allow(`["iam:PassRole"]`, `["arn:aws:s3:::*"]`), "", ""},
		"ResourceAllowed":     {"A pattern covers the resource.", `{resources: {allowed: ["arn:aws:s3:::shop*"]}}`, allow(`["s3:*"]`, bucket), "", ""},
		"ResourceAdditional":  {"Additional resources extend the allowed ones.", `{resources: {allowed: [], additional: ["arn:aws:s3:::shop*"]}}`, allow(`["s3:*"]`, bucket), "", ""},
		"ResourceCase":        {"Allowed resources are case-sensitive, as ARNs are.", `{resources: {allowed: ["arn:aws:s3:::shop/A*"]}}`, allow(`["s3:*"]`, `["arn:aws:s3:::shop/a*"]`), "", at + "arn:aws:s3:::shop/a* is not covered by the allowed resources: arn:aws:s3:::shop/A*"},
		"ResourceNotAllowed":  {"No pattern covers the resource.", `{resources: {allowed: [a, b, c, d, e, f, g]}}`, allow(`["s3:*"]`, bucket), "", at + "arn:aws:s3:::shop/* is not covered by the allowed resources: a, b, c, d, e and 2 more"},
		"ResourceDenied":      {"An overlap is enough to be denied, without regard to case.", `{resources: {denied: ["arn:aws:s3:::secret-*"]}}`, allow(`["s3:*"]`, `["arn:aws:s3:::SECRE*"]`), "", at + "arn:aws:s3:::SECRE* overlaps with the denied resource pattern arn:aws:s3:::secret-*"},
		"ResourceVariable":    {"A policy variable counts as *.", `{resources: {denied: ["arn:aws:s3:::secret-*"]}}`, allow(`["s3:*"]`, `["arn:aws:s3:::${aws:PrincipalTag/team}-x"]`), "", at + "arn:aws:s3:::${aws:PrincipalTag/team}-x overlaps with the denied resource pattern arn:aws:s3:::secret-*"},
		"ResourceOwnVariable": {"A guardrail can allow a policy variable itself.", `{resources: {allowed: ["arn:aws:s3:::shop/${aws:PrincipalTag/team}/*"]}}`, allow(`["s3:*"]`, `["arn:aws:s3:::shop/${aws:PrincipalTag/team}/x"]`), "", ""},
		"NotResources":        {"Only * covers everything except a list.", `{resources: {allowed: ["arn:*"]}}`, notResources, "", at + "notResources covers more than permitted; list the required resources instead"},
		"NotResourcesAll":     {"The pattern * covers everything except a list.", `{resources: {allowed: ["*"]}}`, notResources, "", ""},

		"Tags":            {"Tag keys are compared without regard to case.", `{tagKeys: {allowed: ["Team", "cost-*"]}}`, `{role: {tags: {team: shop, cost-center: x, owner: me}}}`, "", "spec.role.tags: owner is not covered by the allowed tag keys: Team, cost-*"},
		"RoleName":        {"No pattern covers the name in the spec.", `{roleNames: {allowed: ["shop-*"]}}`, `{role: {name: admin}}`, "", "spec.role.name: admin is not covered by the allowed role names: shop-*; omit it to use a generated name"},
		"RoleNameAllowed": {"A pattern covers the name in the spec.", `{roleNames: {allowed: ["shop-*"]}}`, `{role: {name: Shop-x}}`, "", ""},
		"RoleGenerated":   {"A generated name is always allowed.", `{roleNames: {allowed: []}}`, `{}`, "", ""},
		"Accounts":        {"Additional ServiceAccounts are evaluated.", `{serviceAccounts: {allowed: ["check*"], denied: [default]}}`, `{additionalServiceAccounts: [default, checker, web]}`, "", "spec.additionalServiceAccounts: default overlaps with the denied ServiceAccount pattern default; spec.additionalServiceAccounts: web is not covered by the allowed ServiceAccounts: check*"},
		"Account":         {"The first ServiceAccount is evaluated.", `{serviceAccounts: {denied: [web]}}`, `{serviceAccount: {name: web}}`, "", "spec.serviceAccount.name: web overlaps with the denied ServiceAccount pattern web"},
		"TrustForbidden":  {"Each ServiceAccount must be listed.", `{namespaceTrust: Forbidden}`, `{trust: {scope: Namespace}}`, "", "spec.trust.scope: Namespace is forbidden; list the ServiceAccounts in spec.additionalServiceAccounts"},
		"TrustAllowed":    {"Allowed is the default.", `{namespaceTrust: Allowed}`, `{trust: {scope: Namespace}}`, "", ""},
		"TrustTooWide":    {"The namespace also has ServiceAccounts that are not allowed.", `{serviceAccounts: {denied: [default]}}`, `{trust: {scope: Namespace}}`, "", "spec.trust.scope: Namespace would trust ServiceAccounts that are not allowed; list the ServiceAccounts in spec.additionalServiceAccounts"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			set := Set{newGuardrail(t, "g", tc.limits)}
			contents := tc.contents
			if contents == "" {
				contents = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
			}
			result := set.Evaluate(identity(t, tc.spec), known(contents))
			want := tc.want
			if want != "" {
				want = "rejected by PodIdentityGuardrail g: " + want
			}
			check(t, result.Err, want, fault.Terminal)
			if result.Guardrail == nil || result.Guardrail.Name != "g" {
				t.Errorf("result = %+v, want guardrail g", result)
			}
		})
	}
}

// A role is evaluated as it is, whatever the spec of its identity says now.
func TestEvaluateRole_IgnoresTheSpec(t *testing.T) {
	role := plan.Role{
		Name: "r", Boundary: "arn:aws:iam::123456789012:policy/wide", Managed: []string{"arn:aws:iam::123456789012:policy/shop"},
		Tags: map[string]string{"team": "shop", plan.TagCluster: "test"},
		Inline: map[string]plan.InlinePolicy{
			"p": {Document: policy.Policy{Statements: []policy.Statement{{Effect: policy.Allow, Actions: []string{"s3:GetObject"}, Resources: []string{"*"}}}}.Document()},
		},
		Trust: policy.Trust(policy.TrustSpec{ProviderARN: "arn:aws:iam::123456789012:oidc-provider/x", Issuer: "x", Audience: "a", Namespace: "shop", ServiceAccounts: []string{"checkout"}}),
	}
	odd := role
	odd.Inline = map[string]plan.InlinePolicy{"p": {Document: `{"statement": {}}`}}
	wholeNamespace := role
	wholeNamespace.Trust = policy.Trust(policy.TrustSpec{ProviderARN: "arn:aws:iam::123456789012:oidc-provider/x", Issuer: "x", Audience: "a", Namespace: "shop", WholeNamespace: true})
	for name, tc := range map[string]struct {
		reason string
		limits string
		role   plan.Role
		want   string
	}{
		"Allowed":   {"Nothing is limited.", `{}`, role, ""},
		"Inline":    {"The role has an action that is not allowed.", `{actions: {allowed: ["sqs:*"]}}`, role, "managed policy of the role: arn:aws:iam::123456789012:policy/shop: Statement[0]: s3:PutObject is not covered by the allowed actions: sqs:*; inline policy p of the role: Statement[0]: s3:getobject is not covered by the allowed actions: sqs:*"},
		"Forbidden": {"The role has an inline policy.", `{inlinePolicies: Forbidden}`, role, "inline policies of the role: inline policies are forbidden; use managed policies"},
		"Odd":       {"A policy that the operator cannot read may grant anything.", `{}`, odd, "inline policy p of the role: its contents cannot be read"},
		"Managed":   {"The role has a managed policy that is not allowed.", `{managedPolicies: {allowed: []}}`, role, "managed policy of the role: arn:aws:iam::123456789012:policy/shop is not covered by the allowed managed policies: (none)"},
		"Boundary":  {"The role does not have the required boundary.", `{permissionsBoundary: "arn:aws:iam::123456789012:policy/narrow"}`, role, "permissions boundary of the role: is arn:aws:iam::123456789012:policy/wide; required is arn:aws:iam::123456789012:policy/narrow"},
		"Tags":      {"The role has a tag that is not allowed; the operator's own tags do not count.", `{tagKeys: {allowed: []}}`, role, "tags of the role: team is not covered by the allowed tag keys: (none)"},
		"Accounts":  {"The role trusts a ServiceAccount that is not allowed.", `{serviceAccounts: {allowed: [web]}}`, role, "trust policy of the role: checkout is not covered by the allowed ServiceAccounts: web"},
		"Namespace": {"The role trusts the whole namespace.", `{namespaceTrust: Forbidden}`, wholeNamespace, "trust policy of the role: Namespace is forbidden; list the ServiceAccounts in spec.additionalServiceAccounts"},
		"Revoked":   {"A role without trust and permissions can only violate the boundary.", `{actions: {allowed: []}, serviceAccounts: {allowed: []}, namespaceTrust: Forbidden}`, role.Revoked(), ""},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			want := tc.want
			if want != "" {
				want = "rejected by PodIdentityGuardrail g: " + want
			}
			facts := known(`{"Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}}`)
			check(t, Set{newGuardrail(t, "g", tc.limits)}.EvaluateRole(tc.role, "shop", facts).Err, want, fault.Terminal)
		})
	}
}

// If the operator failed to read contents, the identity is rejected with the reason,
// after all other violations. Nothing is revoked: the operator itself may lack a
// permission.
func TestEvaluate_UnreadableContentsRevokeNothing(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:policy/shop"
	denied := fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "the operator is missing the IAM permission iam:GetPolicy")
	facts := Facts{Managed: map[string]Contents{arn: Unreadable(denied)}}
	set := Set{newGuardrail(t, "g", `{onViolation: Revoke}`)}
	for name, tc := range map[string]struct {
		reason     string
		set        Set
		facts      Facts
		spec       string
		want       string
		wantKind   fault.Kind
		wantReason string
	}{
		"Denied":    {"The message names the missing permission.", set, facts, managed, "spec.policies.managed[0]: the operator is missing the IAM permission iam:GetPolicy", fault.Blocked, v1alpha1.ReasonAccessDenied},
		"Baseline":  {"The baseline also needs the contents.", nil, facts, managed, "spec.policies.managed[0]: the operator is missing the IAM permission iam:GetPolicy", fault.Blocked, v1alpha1.ReasonAccessDenied},
		"NotRead":   {"Contents that were not read allow nothing.", set, Facts{}, managed, "spec.policies.managed[0]: the contents of " + arn + " are not known yet", fault.Transient, v1alpha1.ReasonProgressingWithRetry},
		"NoPolicy":  {"Contents that are not a policy may grant anything.", set, known(`{"statement": []}`), managed, "spec.policies.managed[0]: its contents cannot be read: policy document: statement: unknown element; allowed (case-sensitive): Id, Statement, Version", fault.Blocked, v1alpha1.ReasonGuardrailViolated},
		"WrongSpec": {"A violation that an edit can remove is reported first.", Set{newGuardrail(t, "g", `{inlinePolicies: Forbidden}`)}, facts, `{policies: {managed: ["` + arn + `"], inline: [{name: p, document: "{}"}]}}`, "rejected by PodIdentityGuardrail g: spec.policies.inline: inline policies are forbidden; use managed policies", fault.Terminal, v1alpha1.ReasonGuardrailViolated},
		"Trusted":   {"The contents of a trusted policy need not be read.", Set{newGuardrail(t, "g", `{managedPolicies: {trusted: ["*"]}}`)}, facts, managed, "", 0, ""},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			result := tc.set.Evaluate(identity(t, tc.spec), tc.facts)
			if result.Revoke {
				t.Error("the result revokes")
			}
			got, err := "", cmp.Or(result.Err, result.Unread)
			if err != nil {
				got = err.Error()
				if fault.KindOf(err) != tc.wantKind || fault.ReasonOf(err, "") != tc.wantReason {
					t.Errorf("is %s of reason %s, want %s of reason %s", fault.KindOf(err), fault.ReasonOf(err, ""), tc.wantKind, tc.wantReason)
				}
			}
			if diff := gocmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestReads_OmitsTrustedAndRejectedPolicies(t *testing.T) {
	arns := []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::123456789012:policy/b"}
	for name, tc := range map[string]struct {
		reason string
		limits []string
		want   []string
	}{
		"Baseline": {"The baseline evaluates all contents.", nil, arns},
		"Trusted":  {"The contents of a trusted policy are not read.", []string{`{managedPolicies: {trusted: ["arn:aws:iam::aws:policy/*"]}}`}, arns[1:]},
		"Rejected": {"The contents of a rejected policy are not needed.", []string{`{managedPolicies: {allowed: ["arn:aws:iam::aws:policy/*"]}}`}, arns[:1]},
		"Several":  {"One guardrail that evaluates the contents is enough.", []string{`{managedPolicies: {trusted: ["*"]}}`, `{managedPolicies: {trusted: ["*b"]}}`}, arns[:1]},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			var set Set
			for i, limits := range tc.limits {
				set = append(set, newGuardrail(t, fmt.Sprint(i), limits))
			}
			if diff := gocmp.Diff(tc.want, set.Reads(arns)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// An edit of the spec does not help against too many identities.
func TestEvaluate_MaxIdentitiesIsBlocked(t *testing.T) {
	set := Set{newGuardrail(t, "g", `{maxIdentities: 2}`)}
	const want = "rejected by PodIdentityGuardrail g: namespace limit of 2 PodIdentities reached; delete one or ask the platform team to raise maxIdentities"
	t.Log("The second is the last.")
	check(t, set.Evaluate(identity(t, `{}`), Facts{Older: 1}).Err, "", fault.Blocked)
	t.Log("The third is one too many.")
	check(t, set.Evaluate(identity(t, `{}`), Facts{Older: 2}).Err, want, fault.Blocked)
	if bad := set.Evaluate(identity(t, allow(`["iam:*"]`, bucket)), Facts{Older: 2}).Err; fault.KindOf(bad) != fault.Terminal {
		t.Errorf("%v is %s, want it to be terminal: the spec is wrong too", bad, fault.KindOf(bad))
	}
	if !set.LimitsCount() || (Set{newGuardrail(t, "g", `{}`)}).LimitsCount() {
		t.Error("LimitsCount must report exactly whether a guardrail has maxIdentities")
	}
	if (Set{newGuardrail(t, "g", `{maxIdentities: 0}`)}).Evaluate(identity(t, `{}`), Facts{}).Err == nil {
		t.Error("with maxIdentities: 0 the first identity is allowed")
	}
}

func TestEvaluate_AllGuardrailsMustAllow(t *testing.T) {
	set := Set{
		newGuardrail(t, "a", `{actions: {allowed: ["s3:*", "sqs:*"]}}`),
		newGuardrail(t, "b", `{actions: {allowed: ["s3:*"]}, onViolation: Revoke}`),
		newGuardrail(t, "c", `{maxIdentities: 0}`),
	}
	result := set[:2].Evaluate(identity(t, allow(`["s3:*"]`, bucket)), Facts{})
	t.Log("Both allow it.")
	check(t, result.Err, "", fault.Terminal)
	if result.Guardrail.Name != "a" || result.Revoke {
		t.Errorf("result = %+v, want the first guardrail, and nothing revoked", result)
	}
	result = set.Evaluate(identity(t, allow(`["sqs:*"]`, all)), Facts{})
	t.Log("Two reject it, the first of them because of the spec.")
	check(t, result.Err,
		"rejected by PodIdentityGuardrail b: "+at+"sqs:* is not covered by the allowed actions: s3:*; "+
			"rejected by PodIdentityGuardrail c: namespace limit of 0 PodIdentities reached; delete one or ask the platform team to raise maxIdentities",
		fault.Terminal)
	if result.Guardrail.Name != "b" || !result.Revoke {
		t.Errorf("result = %+v, want the first guardrail that rejects, which revokes", result)
	}
	if set[2:].Evaluate(identity(t, `{}`), Facts{}).Revoke {
		t.Error("a guardrail that only reports revokes")
	}
	if !set.Revokes() || set[2:].Revokes() {
		t.Error("Revokes must report exactly whether a guardrail has onViolation: Revoke")
	}
}

func TestBoundary_GuardrailsMustAgree(t *testing.T) {
	const one, other = "arn:aws:iam::123456789012:policy/one", "arn:aws:iam::123456789012:policy/other"
	const operator = "the operator's --permissions-boundary"
	for name, tc := range map[string]struct {
		reason     string
		configured string
		guardrails []string
		want       Boundary
		wantErr    string
	}{
		"None":       {"No boundary is required.", "", []string{`{}`}, Boundary{}, ""},
		"Configured": {"The operator requires a boundary.", one, []string{`{}`}, Boundary{one, operator}, ""},
		"Guardrail":  {"A guardrail requires a boundary.", "", []string{`{}`, `{permissionsBoundary: "` + one + `"}`}, Boundary{one, "PodIdentityGuardrail b"}, ""},
		"Same":       {"All require the same boundary.", one, []string{`{permissionsBoundary: "` + one + `"}`, `{permissionsBoundary: "` + one + `"}`}, Boundary{one, operator}, ""},
		"Operator":   {"The operator and a guardrail require different boundaries.", one, []string{`{permissionsBoundary: "` + other + `"}`}, Boundary{}, "conflicting permissions boundaries: the operator's --permissions-boundary requires " + one + ", PodIdentityGuardrail a requires " + other + "; the platform team must remove one of them"},
		"Guardrails": {"Two guardrails require different boundaries.", "", []string{`{permissionsBoundary: "` + one + `"}`, `{permissionsBoundary: "` + other + `"}`}, Boundary{}, "conflicting permissions boundaries: PodIdentityGuardrail a requires " + one + ", PodIdentityGuardrail b requires " + other + "; the platform team must remove one of them"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			var set Set
			for i, spec := range tc.guardrails {
				set = append(set, newGuardrail(t, string(rune('a'+i)), spec))
			}
			got, err := set.Boundary(tc.configured)
			if got != tc.want {
				t.Errorf("boundary = %v, want %v", got, tc.want)
			}
			check(t, err, tc.wantErr, fault.Blocked)
		})
	}
}

func TestMatch_SelectsByLabels(t *testing.T) {
	shop := map[string]string{"kubernetes.io/metadata.name": "shop", "tier": "gold"}
	for name, tc := range map[string]struct {
		reason   string
		selector string
		want     bool
	}{
		"All":               {"There is no requirement.", `{}`, true},
		"Name":              {"A label contains the name of the namespace.", `{matchLabels: {kubernetes.io/metadata.name: shop}}`, true},
		"Other":             {"The label names another namespace.", `{matchLabels: {kubernetes.io/metadata.name: bank}}`, false},
		"Both":              {"All requirements must hold.", `{matchLabels: {tier: gold}, matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}`, false},
		"In":                {"The label has one of the values.", `{matchExpressions: [{key: tier, operator: In, values: [silver, gold]}]}`, true},
		"Exists":            {"The label exists.", `{matchExpressions: [{key: tier, operator: Exists}]}`, true},
		"DoesNotExist":      {"The label exists.", `{matchExpressions: [{key: tier, operator: DoesNotExist}]}`, false},
		"DoesNotExistAtAll": {"The label does not exist.", `{matchExpressions: [{key: team, operator: DoesNotExist}]}`, true},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			set, err := Match([]v1alpha1.PodIdentityGuardrail{
				newGuardrail(t, "z", `{namespaceSelector: `+tc.selector+`}`),
				newGuardrail(t, "a", `{namespaceSelector: {matchLabels: {tier: gold}}}`),
			}, shop)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(set) == 2; got != tc.want || set[0].Name != "a" {
				t.Errorf("matches = %t, want %t, and guardrails sorted by name", got, tc.want)
			}
		})
	}
	_, err := Match([]v1alpha1.PodIdentityGuardrail{newGuardrail(t, "g", `{namespaceSelector: {matchExpressions: [{key: tier, operator: In}]}}`)}, shop)
	t.Log("An invalid guardrail lets nothing pass.")
	check(t, err,
		`PodIdentityGuardrail g: spec.namespaceSelector: values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty; all PodIdentities are rejected until it is fixed`, fault.Blocked)
}

// However many violations there are, the message stays readable.
func TestEvaluate_MessageIsBounded(t *testing.T) {
	var statements []string
	for range 50 {
		statements = append(statements, `{effect: Allow, actions: ["iam:A", "iam:B", "iam:C", "sso:*", "ram:*"], resources: ["arn:aws:s3:::`+strings.Repeat("x", 30)+`"]}`)
	}
	spec := `{policies: {inline: [{name: p, statements: [` + strings.Join(statements, ", ") + `]}]}}`
	err := Set(nil).Evaluate(identity(t, spec), Facts{}).Err
	if err == nil || len(err.Error()) > 2048 || !strings.HasSuffix(err.Error(), "; and 140 more violations; a PodIdentityGuardrail for this namespace can allow it") {
		t.Errorf("message of %d characters: %v", len(err.Error()), err)
	}
}
