package guardrail

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// document is a spec with one inline policy as JSON.
func document(json string) string {
	return `{policies: {inline: [{name: p, document: '` + json + `'}]}}`
}

// managed is a spec with one managed policy.
const managed = `{policies: {managed: ["arn:aws:iam::123456789012:policy/shop"]}}`

// known are the contents of that policy.
func known(document string) Facts {
	return Facts{Managed: map[string]Contents{"arn:aws:iam::123456789012:policy/shop": ReadContents(document)}}
}

func TestBaseline_RejectsPrivilegeEscalation(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		spec   string
		want   string // after the prefix; empty if everything is allowed
	}{
		"Empty":                {"An identity without permissions does no harm.", `{}`, ""},
		"OneBucket":            {"A read of one bucket is the most common request.", allow(`["s3:GetObject"]`, bucket), ""},
		"WholeService":         {"An application may use all actions of a few services.", allow(`["s3:*", "dynamodb:*"]`, all), ""},
		"Everything":           {"Everything includes IAM.", allow(all, all), at + "* allows every action of AWS"},
		"EverythingOnOne":      {"IAM actions that have no resource are allowed even with one bucket.", allow(all, bucket), at + "* allows every action of AWS"},
		"EveryService":         {"A pattern over services includes IAM.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*:Get*","Resource":"*"}}`), "spec.policies.inline[p].document: Statement[0]: *:Get* matches actions of several services; name each service"},
		"ServicePart":          {"A pattern over a part of a service prefix may include IAM.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["ia?:GetUser","s*:Get*"],"Resource":"*"}}`), "spec.policies.inline[p].document: Statement[0]: ia?:GetUser and s*:Get* match actions of several services; name each service"},
		"ServiceVariable":      {"A policy variable counts as *.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"${aws:PrincipalTag/x}:GetUser","Resource":"*"}}`), "spec.policies.inline[p].document: Statement[0]: ${aws:PrincipalTag/x}:GetUser matches actions of several services; name each service"},
		"NoService":            {"A pattern without a colon may match across services.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam*","Resource":"*"}}`), "spec.policies.inline[p].document: Statement[0]: iam* matches actions of several services; name each service"},
		"IAM":                  {"IAM grants any permission.", allow(`["iam:*"]`, bucket), at + "iam:* administers IAM"},
		"IAMCase":              {"Actions are case-insensitive.", allow(`["IAM:CreateUser"]`, bucket), at + "IAM:CreateUser administers IAM"},
		"IAMPart":              {"A pattern may match a write.", allow(`["iam:?ttach*"]`, bucket), at + "iam:?ttach* administers IAM"},
		"IAMVariable":          {"A policy variable counts as *.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:${aws:username}","Resource":"*"}}`), "spec.policies.inline[p].document: Statement[0]: iam:${aws:username} administers IAM"},
		"IAMRead":              {"Reads do no harm.", allow(`["iam:Get*", "iam:ListRoles", "iam:simulateprincipalpolicy"]`, all), ""},
		"IAMReadAndMore":       {"A pattern that matches reads and writes.", allow(`["iam:*Role"]`, bucket), at + "iam:*Role administers IAM"},
		"ServiceLinked":        {"AWS defines the permissions of these roles.", allow(`["iam:CreateServiceLinkedRole"]`, all), ""},
		"ServiceLinkedDelete":  {"Other users of the service need the role.", allow(`["iam:DeleteServiceLinkedRole"]`, all), at + "iam:DeleteServiceLinkedRole administers IAM"},
		"PassOne":              {"A named role may be an administrator.", allow(`["iam:PassRole"]`, `["arn:aws:iam::123456789012:role/task"]`), at + "iam:PassRole grants the permissions of other roles"},
		"PassAll":              {"Any role includes administrators.", allow(`["iam:PassRole"]`, all), at + "iam:PassRole grants the permissions of other roles"},
		"PassPart":             {"A pattern may match iam:PassRole and writes.", allow(`["iam:Pa??Role"]`, all), at + "iam:Pa??Role administers IAM"},
		"AssumeOne":            {"A named role may trust the whole account.", allow(`["sts:AssumeRole"]`, `["arn:aws:iam::210987654321:role/reader"]`), at + "sts:AssumeRole grants the permissions of other roles"},
		"AssumeRoot":           {"The root user of another account has all permissions there.", allow(`["sts:AssumeRoot"]`, all), at + "sts:AssumeRoot grants the permissions of other roles"},
		"AssumePattern":        {"A pattern may match sts:AssumeRole.", allow(`["sts:*"]`, `["arn:aws:iam::*"]`), at + "sts:* grants the permissions of other roles"},
		"CallerIdentity":       {"Every caller is allowed to do that.", allow(`["sts:GetCallerIdentity", "sts:TagSession"]`, all), ""},
		"IdentityCenter":       {"IAM Identity Center controls the permissions of users.", allow(`["sso:*", "SSO-Directory:CreateUser", "identitystore:CreateGroupMembership"]`, all), at + "sso:*, SSO-Directory:CreateUser and identitystore:CreateGroupMembership administer IAM Identity Center"},
		"IdentityCenterRead":   {"Reads do no harm.", allow(`["sso:Describe*", "sso-directory:ListUsers", "identitystore:IsMemberInGroups"]`, all), ""},
		"Organizations":        {"The organization belongs to no team.", allow(`["organizations:*"]`, all), at + "organizations:* administers AWS Organizations"},
		"OrganizationsRead":    {"Reads do no harm.", allow(`["organizations:DescribeAccount"]`, all), ""},
		"Account":              {"The account's contacts can recover its root user.", allow(`["account:PutContactInformation"]`, all), at + "account:PutContactInformation administers the AWS account"},
		"RolesAnywhere":        {"IAM Roles Anywhere gives roles to machines outside AWS.", allow(`["rolesanywhere:CreateTrustAnchor"]`, all), at + "rolesanywhere:CreateTrustAnchor administers IAM Roles Anywhere"},
		"ResourceShares":       {"A resource share gives other accounts access.", allow(`["ram:*"]`, all), at + "ram:* shares resources with other accounts"},
		"ControlTower":         {"AWS Control Tower administers all accounts.", allow(`["controltower:EnableControl"]`, all), at + "controltower:EnableControl administers AWS Control Tower"},
		"ClusterAdministrator": {"An access entry can make a principal cluster administrator.", allow(`["eks:CreateAccessEntry", "eks:AssociateAccessPolicy"]`, all), at + "eks:CreateAccessEntry and eks:AssociateAccessPolicy grant access to EKS clusters"},
		"ClusterWhole":         {"The whole service includes access entries.", allow(`["eks:*"]`, all), at + "eks:* grants access to EKS clusters"},
		"ClusterCreatePattern": {"A part of the service includes access entries.", allow(`["eks:Create*"]`, all), at + "eks:Create* grants access to EKS clusters"},
		"ClusterAssociation":   {"An association gives pods a role.", allow(`["eks:createpodidentityassociation"]`, all), at + "eks:createpodidentityassociation grants access to EKS clusters"},
		"ClusterRead":          {"Reads do no harm.", allow(`["eks:Describe*", "eks:ListAccessEntries", "eks:UpdateNodegroupConfig"]`, all), ""},
		"TenWhole":             {"The baseline allows ten whole services.", allow(services(10), all), ""},
		"ElevenWhole":          {"More than ten whole services are nearly everything.", allow(services(11), all), "spec.policies: allows 11 whole services on all resources (a0, a1 and 9 more); the baseline allows 10"},
		"ElevenOnTheirOwn":     {"All ARNs of a service are all of its resources.", allow(services(11), `["arn:aws:s3:::*"]`), "spec.policies: allows 11 whole services on all resources (a0, a1 and 9 more); the baseline allows 10"},
		"ElevenOnVariable":     {"A policy variable can have any value, also one with colons.", allow(services(11), `["arn:aws:s3:${aws:PrincipalTag/x}::*"]`), "spec.policies: allows 11 whole services on all resources (a0, a1 and 9 more); the baseline allows 10"},
		"ElevenOnNamed":        {"Named resources are not everything.", allow(services(11), bucket), ""},
		"ElevenPolicies":       {"Whole services are counted over all policies.", `{policies: {inline: [` + strings.Join(elevenPolicies(), ", ") + `]}}`, "spec.policies: allows 11 whole services on all resources (a0, a1 and 9 more); the baseline allows 10"},
		"NotAction":            {"Everything except a list is nearly everything.", `{policies: {inline: [{name: p, statements: [{effect: Allow, notActions: ["s3:*"], resources: ` + bucket + `}]}]}}`, at + "notActions allows more than permitted; list the required actions instead"},
		"NotResource":          {"All resources except a list are nearly all.", `{policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], notResources: ` + bucket + `}]}]}}`, at + "notResources covers more than permitted; list the required resources instead"},
		"Deny":                 {"A denial does no harm.", `{policies: {inline: [{name: p, statements: [{effect: Deny, notActions: ["s3:*"], notResources: ` + bucket + `}]}]}}`, ""},
		"Document":             {"A document is evaluated like statements, and quoted as written.", document(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},{"Effect":"Allow","Action":"IAM:CreateUser","Resource":"*"}]}`), "spec.policies.inline[p].document: Statement[1]: IAM:CreateUser administers IAM"},
		"DocumentNot":          {"NotAction and NotResource of a document have their own names.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"s3:*","NotResource":"arn:aws:s3:::shop"}}`), "spec.policies.inline[p].document: Statement[0]: NotAction allows more than permitted; list the required actions instead; Statement[0]: NotResource covers more than permitted; list the required resources instead"},
		"Invalid":              {"plan.Desired rejects a document that is not a policy.", document(`{`), ""},
		"Many":                 {"Many violations of one kind are one sentence.", allow(`["iam:CreateGroup", "iam:DeleteGroup", "iam:CreateUser", "iam:DeleteUser"]`, all), at + "iam:CreateGroup, iam:DeleteGroup and 2 more administer IAM"},
		"Repeated":             {"A pattern that a policy repeats is named once.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:*","iam:*","iam:*","iam:*","iam:*"],"Resource":"*"}}`), "spec.policies.inline[p].document: Statement[0]: iam:* administers IAM"},
		"RepeatedTwo":          {"Two patterns that a policy repeats are named once each.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:*","iam:*","iam:*","iam:CreateUser","iam:*"],"Resource":"*"}}`), "spec.policies.inline[p].document: Statement[0]: iam:* and iam:CreateUser administer IAM"},
		"LargestAllowed":       {"IAM does not count white space.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::` + strings.Repeat("a", 10240-98) + `"}}` + strings.Repeat(" ", 9999)), ""},
		"Control":              {"Control characters are shown, not sent.", document(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:\u202e\nx","Resource":"*"}}`), `spec.policies.inline[p].document: Statement[0]: iam:\u202e\nx administers IAM`},
		"Trust":                {"The baseline does not limit which ServiceAccounts are trusted.", `{trust: {scope: Namespace}, role: {name: any, tags: {any: x}}}`, ""},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			result := Set(nil).Evaluate(identity(t, tc.spec), Facts{Older: 1000})
			check(t, result.Err, byBaseline(tc.want), fault.Terminal)
			if result.Guardrail != nil || result.Revoke {
				t.Errorf("result = %+v, want no guardrail", result)
			}
		})
	}
}

// Inline policies that no role can have are not evaluated, which would take long, and no
// guardrail can allow them. All other violations come first.
func TestEvaluate_InlinePoliciesTooLarge(t *testing.T) {
	inline := `inline: [{name: small, document: "{}"}, {name: p, statements: [{effect: Allow, actions: ["iam:*"], resources: ["arn:` + strings.Repeat("a", 10240) + `"]}]}]`
	const want = "spec.policies.inline: inline policies total 10255 characters without white space; the limit is 10240 (RolePolicySizeQuota): p has 10253, small has 2; move some to a managed policy"
	revoking := Set{{Spec: v1alpha1.PodIdentityGuardrailSpec{OnViolation: v1alpha1.ViolationRevoke}}}
	for name, set := range map[string]Set{"Baseline": nil, "Guardrail": revoking} {
		t.Run(name, func(t *testing.T) {
			result := set.Evaluate(identity(t, `{policies: {`+inline+`}}`), Facts{})
			if diff := gocmp.Diff(want, fmt.Sprint(result.Err)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if fault.KindOf(result.Err) != fault.Terminal || fault.ReasonOf(result.Err, "") != v1alpha1.ReasonQuotaExceeded || result.Revoke {
				t.Errorf("%s, reason %s, revoke %t; want a terminal QuotaExceeded that leaves the role as it is",
					fault.KindOf(result.Err), fault.ReasonOf(result.Err, ""), result.Revoke)
			}
		})
	}
	both := identity(t, `{policies: {managed: ["arn:aws:iam::123456789012:policy/shop"], `+inline+`}}`)
	everything := known(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	if result := revoking.Evaluate(both, everything); fault.ReasonOf(result.Err, "") != v1alpha1.ReasonGuardrailViolated || !result.Revoke {
		t.Errorf("result = %+v, want the managed policy rejected and the role revoked", result)
	}
}

// byBaseline returns the message of the baseline, empty if there is none.
func byBaseline(violations string) string {
	if violations == "" {
		return ""
	}
	return "rejected by the built-in baseline: " + violations + "; a PodIdentityGuardrail for this namespace can allow it"
}

// services returns that many whole services.
func services(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"a%d:*"`, i)
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func elevenPolicies() []string {
	var list []string
	for i := range 11 {
		list = append(list, fmt.Sprintf(`{name: p%d, statements: [{effect: Allow, actions: ["a%d:?*"], resources: ["*"]}]}`, i, i))
	}
	return list
}

// The contents of managed policies are subject to the same rules as inline policies.
func TestBaseline_AppliesToContentsOfManagedPolicies(t *testing.T) {
	const policyARN = "spec.policies.managed[0]: arn:aws:iam::123456789012:policy/shop"
	for name, tc := range map[string]struct{ reason, contents, want string }{
		"Harmless":   {"The policy contains what an inline policy may allow.", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`, ""},
		"Everything": {"The policy of the account allows everything.", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, policyARN + ": Statement[0]: * allows every action of AWS"},
		"Condition":  {"A condition may always hold.", `{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`, policyARN + ": Statement[1]: iam:PutRolePolicy administers IAM"},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			check(t, Set(nil).Evaluate(identity(t, managed), known(tc.contents)).Err, byBaseline(tc.want), fault.Terminal)
		})
	}
}

// Every row of the baseline rejects each of its patterns and a whole service, and allows
// its exceptions.
func TestBaseline_EveryRowRejectsItsPatterns(t *testing.T) {
	for _, row := range baseline {
		for _, action := range row.actions {
			example := strings.ReplaceAll(action, "*", "Create")
			for _, text := range []string{action, example, strings.ToUpper(example), strings.SplitN(action, ":", 2)[0] + ":*"} {
				if got := baselineAction(text); got == (phrase{}) {
					t.Errorf("%s: %s is allowed", row.title, text)
				}
			}
		}
		for _, action := range row.except {
			if got := baselineAction(action); got != (phrase{}) && action != passRole {
				t.Errorf("%s: %s %s, want it to stay allowed", row.title, action, got.one)
			}
		}
		if row.reason == "" || row.phrase.one == "" || row.phrase.many == "" {
			t.Errorf("%s: no reason or phrase", row.title)
		}
	}
}

// The exceptions of a row are not reserved by another row.
func TestBaseline_ExceptionsAreReads(t *testing.T) {
	reads := []string{"Get*", "List*", "Describe*", "Search*", "Simulate*", "Generate*", "IsMember*", "BatchGet*", "CreateServiceLinkedRole"}
	for _, row := range baseline {
		for _, action := range row.except {
			_, name, _ := strings.Cut(action, ":")
			covered := action == passRole
			for _, read := range reads {
				covered = covered || policy.NewAllowlist(policy.ExactCase, read).Covers(name)
			}
			if !covered {
				t.Errorf("%s: %s is excepted, and no read", row.title, action)
			}
		}
	}
}
