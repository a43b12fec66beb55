package guardrail

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// identity returns PodIdentity checkout with a spec in YAML.
func identity(t *testing.T, spec string) *v1alpha1.PodIdentity {
	t.Helper()
	pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &pi.Spec); err != nil {
		t.Fatal(err)
	}
	return pi
}

// newGuardrail returns a guardrail with a spec in YAML.
func newGuardrail(t *testing.T, name, spec string) v1alpha1.PodIdentityGuardrail {
	t.Helper()
	g := v1alpha1.PodIdentityGuardrail{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}}
	if err := yaml.UnmarshalStrict([]byte(spec), &g.Spec); err != nil {
		t.Fatal(err)
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

// What rules where no guardrail does.
func TestBaseline(t *testing.T) {
	const refuses = "the operator's built-in baseline refuses: "
	for name, tc := range map[string]struct {
		reason string
		spec   string
		want   string // after who refuses; empty if all is allowed
	}{
		"Empty":             {"An identity without rights does no harm.", `{}`, ""},
		"OneBucket":         {"What most ask for.", allow(`["s3:GetObject"]`, bucket), ""},
		"WholeService":      {"A service that is not IAM.", allow(`["s3:*", "dynamodb:*"]`, all), ""},
		"Everything":        {"Everything is IAM too.", allow(all, all), at + "* administers IAM"},
		"EverythingOnOne":   {"Even on one bucket: nobody means it.", allow(all, bucket), at + "* administers IAM"},
		"IAM":               {"Who administers IAM gives itself any right.", allow(`["iam:*"]`, bucket), at + "iam:* administers IAM"},
		"IAMCase":           {"Actions have no case.", allow(`["IAM:CreateUser"]`, bucket), at + "IAM:CreateUser administers IAM"},
		"IAMPart":           {"By any pattern.", allow(`["iam:?ttach*"]`, bucket), at + "iam:?ttach* administers IAM"},
		"IAMRead":           {"To look does no harm.", allow(`["iam:Get*", "iam:ListRoles", "iam:simulateprincipalpolicy"]`, all), ""},
		"IAMReadAndMore":    {"A pattern that reaches beyond.", allow(`["iam:*Role"]`, bucket), at + "iam:*Role administers IAM"},
		"ServiceLinked":     {"Roles that AWS itself defines.", allow(`["iam:CreateServiceLinkedRole"]`, all), ""},
		"PassOne":           {"A role that is named.", allow(`["iam:PassRole"]`, `["arn:aws:iam::123456789012:role/task"]`), ""},
		"PassAll":           {"Any role.", allow(`["iam:PassRole"]`, all), at + "* would have iam:PassRole on every role"},
		"PassAllOfAccount":  {"Any role, said otherwise.", allow(`["iam:PassRole"]`, `["arn:aws:iam::123456789012:role/*"]`), at + "arn:aws:iam::123456789012:role/* would have iam:PassRole on every role"},
		"PassAllButNone":    {"Every name has a character.", allow(`["iam:PassRole"]`, `["arn:aws:iam::*:role/?*"]`), at + "arn:aws:iam::*:role/?* would have iam:PassRole on every role"},
		"PassPrefix":        {"Roles of one prefix.", allow(`["iam:PassRole"]`, `["arn:aws:iam::123456789012:role/task-*"]`), ""},
		"AssumeOne":         {"A role that is named.", allow(`["sts:AssumeRole"]`, `["arn:aws:iam::210987654321:role/reader"]`), ""},
		"AssumeAll":         {"Any role that trusts the account.", allow(`["sts:AssumeRole"]`, all), at + "* would have sts:AssumeRole on every role"},
		"AssumePattern":     {"By any pattern.", allow(`["sts:*"]`, `["arn:aws:iam::*"]`), at + "arn:aws:iam::* would have sts:AssumeRole on every role"},
		"AssumeOtherThings": {"All of another service are no roles.", allow(`["sts:AssumeRole"]`, `["arn:aws:s3:::*"]`), ""},
		"CallerIdentity":    {"What everybody may.", allow(`["sts:GetCallerIdentity"]`, all), ""},
		"Organizations":     {"The organization is not one team's.", allow(`["organizations:*"]`, all), at + "organizations:* administers the organization"},
		"OrganizationsRead": {"To look does no harm.", allow(`["organizations:DescribeAccount"]`, all), ""},
		"NotAction":         {"All but some is nearly all.", `{policies: {inline: [{name: p, statements: [{effect: Allow, notActions: ["s3:*"], resources: ` + bucket + `}]}]}}`, at + "allows all actions but some, and so more than is allowed; name those that are needed"},
		"NotResource":       {"The same for resources.", `{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], notResources: ` + bucket + `}]}]}}`, at + "is about all resources but some, and so about more than is allowed; name those that are needed"},
		"Deny":              {"To deny does no harm.", `{policies: {inline: [{name: p, statements: [{effect: Deny, notActions: ["s3:*"], notResources: ` + bucket + `}]}]}}`, ""},
		"Document":          {"A document is read like statements.", `{policies: {inline: [{name: p, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"IAM:*","Resource":"*"}}'}]}}`, "spec.policies.inline[p].document: iam:* administers IAM"},
		"DocumentNot":       {"Also in what it leaves out.", `{policies: {inline: [{name: p, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"s3:*","NotResource":"arn:aws:s3:::shop"}}'}]}}`, "spec.policies.inline[p].document: allows all actions but some, and so more than is allowed; name those that are needed; spec.policies.inline[p].document: is about all resources but some, and so about more than is allowed; name those that are needed"},
		"NoPolicy":          {"What is no policy is for the plan to refuse.", `{policies: {inline: [{name: p, document: "{"}]}}`, ""},
		"Huge":              {"What no role can hold is not even read.", `{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], resources: ["arn:` + strings.Repeat("a", 1<<16) + `"]}]}]}}`, "spec.policies.inline: has more than 65536 characters, which no role can hold"},
		"Administrator":     {"AWS's own name for everything.", `{policies: {managed: ["arn:aws:iam::aws:policy/AdministratorAccess"]}}`, "spec.policies.managed[0]: arn:aws:iam::aws:policy/AdministratorAccess amounts to administering the account"},
		"FullIAM":           {"In any partition.", `{policies: {managed: ["arn:aws-cn:iam::aws:policy/IAMFullAccess"]}}`, "spec.policies.managed[0]: arn:aws-cn:iam::aws:policy/IAMFullAccess amounts to administering the account"},
		"PowerUser":         {"In any case.", `{policies: {managed: ["arn:aws:iam::aws:policy/poweruseraccess"]}}`, "spec.policies.managed[0]: arn:aws:iam::aws:policy/poweruseraccess amounts to administering the account"},
		"Managed":           {"Other policies are let pass.", `{policies: {managed: ["arn:aws:iam::aws:policy/AmazonS3FullAccess", "arn:aws:iam::123456789012:policy/AdministratorAccess"]}}`, ""},
		"Trust":             {"Who is trusted is the namespace's affair.", `{trust: {scope: Namespace}, role: {name: any, tags: {any: x}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			verdict := Set(nil).Evaluate(identity(t, tc.spec), 1000)
			want := ""
			if tc.want != "" {
				want = refuses + tc.want + "; the platform team can allow it by a PodIdentityGuardrail for this namespace"
			}
			check(t, tc.reason, verdict.Err, want, fault.Terminal)
			if verdict.Guardrail != nil || verdict.Revoke {
				t.Errorf("verdict = %+v, want it to rest on no guardrail", verdict)
			}
		})
	}
}

func check(t *testing.T, reason string, refusal error, want string, kind fault.Kind) {
	t.Helper()
	got := ""
	if refusal != nil {
		got = refusal.Error()
		if fault.KindOf(refusal) != kind || fault.ReasonOf(refusal, "") != v1alpha1.ReasonGuardrailViolated {
			t.Errorf("%s\nrefusal is %s of reason %q, want %s", reason, fault.KindOf(refusal), fault.ReasonOf(refusal, ""), kind)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s", reason, diff)
	}
}

// Each limit of a guardrail, with what it allows and what it refuses.
func TestLimits(t *testing.T) {
	const managed = `{policies: {managed: ["arn:aws:iam::123456789012:policy/shop-read"]}}`
	for name, tc := range map[string]struct {
		reason string
		limits string
		spec   string
		want   string // after "PodIdentityGuardrail g refuses: "; empty if all is allowed
	}{
		"ManagedAllowed":     {"A pattern covers it.", `{managedPolicies: {allowed: ["arn:aws:iam::123456789012:policy/shop-*"]}}`, managed, ""},
		"ManagedNotAllowed":  {"None covers it.", `{managedPolicies: {allowed: ["arn:aws:iam::aws:policy/*", "arn:aws:iam::123456789012:policy/Shop-*"]}}`, managed, "spec.policies.managed[0]: arn:aws:iam::123456789012:policy/shop-read is not among the managed policies that are allowed: arn:aws:iam::aws:policy/*, arn:aws:iam::123456789012:policy/Shop-*"},
		"ManagedNone":        {"An empty list allows none.", `{managedPolicies: {allowed: []}}`, managed, "spec.policies.managed[0]: arn:aws:iam::123456789012:policy/shop-read is not among the managed policies that are allowed: none is"},
		"ManagedDenied":      {"Denied is denied.", `{managedPolicies: {allowed: ["*"], denied: ["*:policy/SHOP-*"]}}`, managed, "spec.policies.managed[0]: arn:aws:iam::123456789012:policy/shop-read meets *:policy/SHOP-*, which is among the managed policies that are denied"},
		"ManagedLifted":      {"A guardrail may allow what the baseline does not.", `{managedPolicies: {allowed: ["arn:aws:iam::aws:policy/AdministratorAccess"]}}`, `{policies: {managed: ["arn:aws:iam::aws:policy/AdministratorAccess"]}}`, ""},
		"ManagedUnsaid":      {"What it leaves open the baseline does not.", `{managedPolicies: {denied: ["arn:aws:iam::aws:policy/Other"]}}`, `{policies: {managed: ["arn:aws:iam::aws:policy/AdministratorAccess"]}}`, "spec.policies.managed[0]: arn:aws:iam::aws:policy/AdministratorAccess amounts to administering the account"},
		"Unsaid":             {"A guardrail that speaks of something else leaves the baseline in force.", `{maxIdentities: 9}`, allow(`["iam:*"]`, bucket), at + "iam:* administers IAM"},
		"InlineForbidden":    {"Managed policies only.", `{inlinePolicies: Forbidden}`, allow(`["s3:GetObject"]`, bucket), "spec.policies.inline: inline policies are forbidden; use managed policies"},
		"InlineNotThere":     {"None is asked for.", `{inlinePolicies: Forbidden}`, managed, ""},
		"InlineAllowed":      {"Said as it is by default.", `{inlinePolicies: Allowed}`, allow(`["s3:GetObject"]`, bucket), ""},
		"ActionAllowed":      {"Without regard to case.", `{actions: {allowed: ["S3:Get*"]}}`, allow(`["s3:GetObject*"]`, bucket), ""},
		"ActionNotAllowed":   {"A pattern that reaches beyond is not covered.", `{actions: {allowed: ["s3:Get*"]}}`, allow(`["s3:*"]`, bucket), at + "s3:* is not among the actions that are allowed: s3:Get*"},
		"ActionDenied":       {"To reach what is denied is enough.", `{actions: {denied: ["s3:Delete*"]}}`, allow(`["s3:*Object"]`, bucket), at + "s3:*Object meets s3:Delete*, which is among the actions that are denied"},
		"ActionLifted":       {"A guardrail for a team that administers IAM.", `{actions: {allowed: ["iam:*"]}}`, allow(`["iam:CreateUser"]`, bucket), ""},
		"ActionNot":          {"All but some is covered by all only.", `{actions: {allowed: ["s3:*"]}}`, `{policies: {inline: [{name: p, statements: [{effect: Allow, notActions: ["iam:*"], resources: ` + bucket + `}]}]}}`, at + "allows all actions but some, and so more than is allowed; name those that are needed"},
		"ActionNotAll":       {"By which it is.", `{actions: {allowed: ["*"]}}`, `{policies: {inline: [{name: p, statements: [{effect: Allow, notActions: ["iam:*"], resources: ` + bucket + `}]}]}}`, ""},
		"ActionNotPass":      {"All but some is also sts:AssumeRole.", `{actions: {allowed: ["*"]}}`, `{policies: {inline: [{name: p, statements: [{effect: Allow, notActions: ["iam:*"], resources: ["*"]}]}]}}`, at + "* would have iam:PassRole on every role"},
		"ResourceAllowed":    {"A pattern covers it.", `{resources: {allowed: ["arn:aws:s3:::shop*"]}}`, allow(`["s3:*"]`, bucket), ""},
		"ResourceCase":       {"With regard to case: they are two buckets' objects.", `{resources: {allowed: ["arn:aws:s3:::shop/A*"]}}`, allow(`["s3:*"]`, `["arn:aws:s3:::shop/a*"]`), at + "arn:aws:s3:::shop/a* is not among the resources that are allowed: arn:aws:s3:::shop/A*"},
		"ResourceNotAllowed": {"None covers it.", `{resources: {allowed: [a, b, c, d, e, f, g]}}`, allow(`["s3:*"]`, bucket), at + "arn:aws:s3:::shop/* is not among the resources that are allowed: a, b, c, d, e and 2 more"},
		"ResourceDenied":     {"To reach what is denied is enough, in any case.", `{resources: {denied: ["arn:aws:s3:::secret-*"]}}`, allow(`["s3:*"]`, `["arn:aws:s3:::SECRE*"]`), at + "arn:aws:s3:::SECRE* meets arn:aws:s3:::secret-*, which is among the resources that are denied"},
		"ResourceVariable":   {"A variable may stand for anything.", `{resources: {denied: ["arn:aws:s3:::secret-*"]}}`, allow(`["s3:*"]`, `["arn:aws:s3:::${aws:PrincipalTag/team}-x"]`), at + "arn:aws:s3:::${aws:PrincipalTag/team}-x meets arn:aws:s3:::secret-*, which is among the resources that are denied"},
		"ResourceLifted":     {"A guardrail for a team that may pass any role.", `{resources: {allowed: ["*"]}}`, allow(`["iam:PassRole"]`, all), ""},
		"ResourceNot":        {"All but some is covered by all only.", `{resources: {allowed: ["arn:*"]}}`, `{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], notResources: ` + bucket + `}]}]}}`, at + "is about all resources but some, and so about more than is allowed; name those that are needed"},
		"ResourceNotAll":     {"By which it is.", `{resources: {allowed: ["*"]}}`, `{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], notResources: ` + bucket + `}]}]}}`, ""},
		"Tags":               {"A key is covered, without regard to case.", `{tagKeys: {allowed: ["Team", "cost-*"]}}`, `{role: {tags: {team: shop, cost-center: x, owner: me}}}`, "spec.role.tags: owner is not among the tag keys that are allowed: Team, cost-*"},
		"RoleName":           {"A name that is chosen.", `{roleNames: {allowed: ["shop-*"]}}`, `{role: {name: admin}}`, "spec.role.name: admin is not among the role names that are allowed: shop-*; leave it out to have a name generated"},
		"RoleNameAllowed":    {"A name that may be chosen.", `{roleNames: {allowed: ["shop-*"]}}`, `{role: {name: Shop-x}}`, ""},
		"RoleGenerated":      {"A generated one is not chosen.", `{roleNames: {allowed: []}}`, `{}`, ""},
		"Accounts":           {"All that get the identity.", `{serviceAccounts: {allowed: ["check*"], denied: [default]}}`, `{additionalServiceAccounts: [default, checker, web]}`, "spec.additionalServiceAccounts: default meets default, which is among the ServiceAccounts that are denied; spec.additionalServiceAccounts: web is not among the ServiceAccounts that are allowed: check*"},
		"Account":            {"The first too.", `{serviceAccounts: {denied: [web]}}`, `{serviceAccount: {name: web}}`, "spec.serviceAccount.name: web meets web, which is among the ServiceAccounts that are denied"},
		"TrustForbidden":     {"One by one.", `{namespaceTrust: Forbidden}`, `{trust: {scope: Namespace}}`, "spec.trust.scope: Namespace is forbidden; name the ServiceAccounts in spec.additionalServiceAccounts"},
		"TrustAllowed":       {"Said as it is by default.", `{namespaceTrust: Allowed}`, `{trust: {scope: Namespace}}`, ""},
		"TrustReach":         {"The namespace has other ServiceAccounts.", `{serviceAccounts: {denied: [default]}}`, `{trust: {scope: Namespace}}`, "spec.trust.scope: Namespace trusts every ServiceAccount, and not every one is allowed; name them in spec.additionalServiceAccounts"},
	} {
		t.Run(name, func(t *testing.T) {
			rails := Set{newGuardrail(t, "g", tc.limits)}
			verdict := rails.Evaluate(identity(t, tc.spec), 0)
			want := tc.want
			if want != "" {
				want = "PodIdentityGuardrail g refuses: " + want
			}
			check(t, tc.reason, verdict.Err, want, fault.Terminal)
			if verdict.Guardrail == nil || verdict.Guardrail.Name != "g" {
				t.Errorf("verdict = %+v, want it to rest on g", verdict)
			}
		})
	}
}

// Too many identities is nothing that the spec of one of them can mend.
func TestMaxIdentities(t *testing.T) {
	rails := Set{newGuardrail(t, "g", `{maxIdentities: 2}`)}
	const want = "PodIdentityGuardrail g refuses: the namespace may have 2 PodIdentities, and that many came before this one: delete one, or ask the platform team for more"
	check(t, "The second is the last.", rails.Evaluate(identity(t, `{}`), 1).Err, "", fault.Blocked)
	check(t, "The third is one too many.", rails.Evaluate(identity(t, `{}`), 2).Err, want, fault.Blocked)
	bad := rails.Evaluate(identity(t, allow(`["iam:*"]`, bucket)), 2).Err
	if fault.KindOf(bad) != fault.Terminal {
		t.Error("What is wrong with the spec as well does not pass by itself.")
	}
	if !rails.LimitsCount() || (Set{newGuardrail(t, "g", `{}`)}).LimitsCount() {
		t.Error("Only a bound on their number has identities counted.")
	}
	none := Set{newGuardrail(t, "g", `{maxIdentities: 0}`)}
	if none.Evaluate(identity(t, `{}`), 0).Err == nil {
		t.Error("Of none the first is one too many.")
	}
}

// Several guardrails must all allow it.
func TestSeveral(t *testing.T) {
	rails := Set{
		newGuardrail(t, "a", `{actions: {allowed: ["s3:*", "sqs:*"]}}`),
		newGuardrail(t, "b", `{actions: {allowed: ["s3:*"]}, onViolation: Revoke}`),
		newGuardrail(t, "c", `{maxIdentities: 0}`),
	}
	verdict := rails[:2].Evaluate(identity(t, allow(`["s3:*"]`, bucket)), 0)
	check(t, "All allow it.", verdict.Err, "", fault.Terminal)
	if verdict.Guardrail.Name != "a" || verdict.Revoke {
		t.Errorf("verdict = %+v, want it to rest on the first, and nothing to be revoked", verdict)
	}
	verdict = rails.Evaluate(identity(t, allow(`["sqs:*"]`, all)), 0)
	check(t, "Two refuse it, the second because of the spec.", verdict.Err,
		"PodIdentityGuardrail b refuses: "+at+"sqs:* is not among the actions that are allowed: s3:*; "+
			"PodIdentityGuardrail c refuses: the namespace may have 0 PodIdentities, and that many came before this one: delete one, or ask the platform team for more",
		fault.Terminal)
	if verdict.Guardrail.Name != "b" || !verdict.Revoke {
		t.Errorf("verdict = %+v, want it to rest on the first that refuses, which revokes", verdict)
	}
	verdict = rails[2:].Evaluate(identity(t, `{}`), 0)
	if verdict.Revoke {
		t.Error("A guardrail that only reports revokes.")
	}
}

func TestBoundary(t *testing.T) {
	const one, other = "arn:aws:iam::123456789012:policy/one", "arn:aws:iam::123456789012:policy/other"
	for name, tc := range map[string]struct {
		reason     string
		configured string
		rails      []string
		want       string
		wantErr    string
	}{
		"None":       {"Nobody forces any.", "", []string{`{}`}, "", ""},
		"Configured": {"The operator does.", one, []string{`{}`}, one, ""},
		"Guardrail":  {"A guardrail does.", "", []string{`{}`, `{permissionsBoundary: "` + one + `"}`}, one, ""},
		"Same":       {"All force the same.", one, []string{`{permissionsBoundary: "` + one + `"}`, `{permissionsBoundary: "` + one + `"}`}, one, ""},
		"Operator":   {"A role has one.", one, []string{`{permissionsBoundary: "` + other + `"}`}, "", "PodIdentityGuardrail a forces the permissions boundary " + other + ", and the operator's --permissions-boundary forces " + one + "; a role has one boundary: the platform team has to choose"},
		"Rails":      {"Of two guardrails too.", "", []string{`{permissionsBoundary: "` + one + `"}`, `{permissionsBoundary: "` + other + `"}`}, "", "PodIdentityGuardrail b forces the permissions boundary " + other + ", and PodIdentityGuardrail a forces " + one + "; a role has one boundary: the platform team has to choose"},
	} {
		t.Run(name, func(t *testing.T) {
			var rails Set
			for i, spec := range tc.rails {
				rails = append(rails, newGuardrail(t, string(rune('a'+i)), spec))
			}
			got, err := rails.Boundary(tc.configured)
			if got != tc.want {
				t.Errorf("%s\nboundary = %q, want %q", tc.reason, got, tc.want)
			}
			check(t, tc.reason, err, tc.wantErr, fault.Blocked)
		})
	}
}

func TestFor(t *testing.T) {
	shop := map[string]string{"kubernetes.io/metadata.name": "shop", "tier": "gold"}
	for name, tc := range map[string]struct {
		reason   string
		selector string
		want     bool
	}{
		"All":         {"Nothing is demanded.", `{}`, true},
		"Name":        {"A namespace has its name for a label.", `{matchLabels: {kubernetes.io/metadata.name: shop}}`, true},
		"Other":       {"It is not this one.", `{matchLabels: {kubernetes.io/metadata.name: bank}}`, false},
		"Both":        {"All must hold.", `{matchLabels: {tier: gold}, matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}`, false},
		"In":          {"One of several.", `{matchExpressions: [{key: tier, operator: In, values: [silver, gold]}]}`, true},
		"Exists":      {"Whatever it is.", `{matchExpressions: [{key: tier, operator: Exists}]}`, true},
		"DoesNot":     {"It is there.", `{matchExpressions: [{key: tier, operator: DoesNotExist}]}`, false},
		"DoesNotAtAl": {"It is not there.", `{matchExpressions: [{key: team, operator: DoesNotExist}]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			rails, err := Match([]v1alpha1.PodIdentityGuardrail{
				newGuardrail(t, "z", `{namespaceSelector: `+tc.selector+`}`),
				newGuardrail(t, "a", `{namespaceSelector: {matchLabels: {tier: gold}}}`),
			}, shop)
			if err != nil {
				t.Fatal(err)
			}
			got := len(rails) == 2
			if got != tc.want || rails[0].Name != "a" {
				t.Errorf("%s\nmatches = %t, want %t, and guardrails sorted by name", tc.reason, got, tc.want)
			}
		})
	}
	_, err := Match([]v1alpha1.PodIdentityGuardrail{newGuardrail(t, "g", `{namespaceSelector: {matchExpressions: [{key: tier, operator: In}]}}`)}, shop)
	check(t, "A guardrail that cannot be read lets nothing pass.", err,
		`PodIdentityGuardrail g: spec.namespaceSelector: values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty; nothing is allowed until the platform team corrects it`, fault.Blocked)
}
