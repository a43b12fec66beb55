package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A rule is one thing that a schema demands of the spec of a new object.
type rule struct {
	reason  string
	allowed string
	refused string
	want    []string // what the user reads
}

// check has the API server judge both, as specs of a PodIdentity.
func (r rule) check(t *testing.T) {
	t.Helper()
	r.checkOf(t, object)
}

// checkOf has it judge them as specs of what object makes.
func (r rule) checkOf(t *testing.T, object func(t *testing.T, name, spec string) *unstructured.Unstructured) {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	if err := user.Create(t.Context(), object(t, name, r.allowed)); err != nil {
		t.Errorf("%s\nrefused what is allowed: %v", r.reason, err)
	}
	err := user.Create(t.Context(), object(t, name+"-refused", r.refused))
	if err == nil {
		t.Fatalf("%s\nlet pass: %s", r.reason, r.refused)
	}
	message := err.Error()
	for _, want := range r.want {
		if !strings.Contains(message, want) {
			t.Errorf("%s\nmessage = %q, want it to say %q", r.reason, message, want)
		}
	}
}

// list returns n different items, in YAML's flow style, made by format from a number.
func list(n int, format string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// What an object may hold at all.
func TestAdmission_ObjectRules(t *testing.T) {
	for name, r := range map[string]rule{
		"UnknownField": {"A field that is misspelled is not silently ignored.", `{policies: {managed: ["` + policyARN + `"]}}`, `{policies: {manged: ["` + policyARN + `"]}}`, []string{`unknown field "spec.policies.manged"`}},
		"UnknownDeep":  {"Nor is one deep in a list.", inline(`document: "{}"`), inline(`dokument: "{}"`), []string{`unknown field "spec.policies.inline[0].dokument"`}},
		"Type":         {"A word is no truth.", `{suspend: true}`, `{suspend: "yes"}`, []string{"spec.suspend", "boolean"}},
		"Deletion":     {"The words that there are.", `{deletionPolicy: Retain}`, `{deletionPolicy: Orphan}`, []string{"spec.deletionPolicy", `"Delete", "Retain"`}},
		"Mode":         {"The same for modes.", `{mode: Plan}`, `{mode: plan}`, []string{"spec.mode", `"Apply", "Plan"`}},
	} {
		t.Run(name, r.check)
	}
}

// Which ServiceAccounts have the identity.
func TestAdmission_ServiceAccountRules(t *testing.T) {
	const words = "the name of a ServiceAccount must contain only lower case letters, digits, - and ., and begin and end with a letter or digit"
	long := strings.Repeat("a", 254)
	for name, r := range map[string]rule{
		"Name":        {"A name that Kubernetes allows.", `{serviceAccount: {name: web.v2-x}}`, `{serviceAccount: {name: Web}}`, []string{"spec.serviceAccount.name", words}},
		"NameEnd":     {"To its end.", `{serviceAccount: {name: w}}`, `{serviceAccount: {name: web-}}`, []string{"spec.serviceAccount.name", words}},
		"LongName":    {"And no longer.", `{serviceAccount: {name: ` + long[:253] + `}}`, `{serviceAccount: {name: ` + long + `}}`, []string{"spec.serviceAccount.name", "253"}},
		"Mode":        {"Create or Annotate.", `{serviceAccount: {mode: Annotate}}`, `{serviceAccount: {mode: Adopt}}`, []string{"spec.serviceAccount.mode", `"Create", "Annotate"`}},
		"TokenShort":  {"Kubernetes gives no token for less than ten minutes.", `{serviceAccount: {tokenExpirationSeconds: 600}}`, `{serviceAccount: {tokenExpirationSeconds: 599}}`, []string{"spec.serviceAccount.tokenExpirationSeconds", "600"}},
		"TokenLong":   {"Nor does AWS's webhook ask for more than a day.", `{serviceAccount: {tokenExpirationSeconds: 86400}}`, `{serviceAccount: {tokenExpirationSeconds: 86401}}`, []string{"spec.serviceAccount.tokenExpirationSeconds", "86400"}},
		"More":        {"More names are names too.", `{additionalServiceAccounts: [a]}`, `{additionalServiceAccounts: [a, "b/c"]}`, []string{"spec.additionalServiceAccounts[1]", words}},
		"MoreTwice":   {"Each once.", `{additionalServiceAccounts: [a, b]}`, `{additionalServiceAccounts: [a, a]}`, []string{"spec.additionalServiceAccounts[1]", "Duplicate"}},
		"MoreTooMany": {"And not too many.", `{additionalServiceAccounts: ` + list(50, "a%d") + `}`, `{additionalServiceAccounts: ` + list(51, "a%d") + `}`, []string{"spec.additionalServiceAccounts", "50"}},
		"TrustAll":    {"An identity that trusts the whole namespace names no ServiceAccount.", `{additionalServiceAccounts: [a], trust: {scope: ServiceAccount}}`, `{additionalServiceAccounts: [a], trust: {scope: Namespace}}`, []string{"spec.additionalServiceAccounts", "must be empty when trust.scope is Namespace"}},
		"TrustWord":   {"Two scopes there are.", `{trust: {scope: Namespace}}`, `{trust: {scope: Cluster}}`, []string{"spec.trust.scope", `"ServiceAccount", "Namespace"`}},
	} {
		t.Run(name, r.check)
	}
}

// The role, apart from its policies.
func TestAdmission_RoleRules(t *testing.T) {
	const key, arn = "a tag key must contain only letters, digits, spaces and _ . : / = + - @", "must be the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/name"
	long := strings.Repeat("a", 1001)
	tags := func(n int) string { return `{role: {tags: {` + strings.Trim(list(n, "k%d: v"), "[]") + `}}}` }
	for name, r := range map[string]rule{
		"Name":        {"IAM's characters.", `{role: {name: "A_b+c=d,e.f@g-h"}}`, `{role: {name: path/role}}`, []string{"spec.role.name", "the name of a role must contain only letters, digits and _ + = , . @ -; it has no path"}},
		"LongName":    {"64 of them.", `{role: {name: ` + long[:64] + `}}`, `{role: {name: ` + long[:65] + `}}`, []string{"spec.role.name", "64"}},
		"Description": {"IAM takes Latin-1.", `{role: {description: "Läden, ¡ole!"}}`, `{role: {description: "ж"}}`, []string{"spec.role.description", "a description must contain only Latin-1 characters"}},
		"Long":        {"A thousand of it.", `{role: {description: ` + long[:1000] + `}}`, `{role: {description: ` + long + `}}`, []string{"spec.role.description", "1000"}},
		"ShortWork":   {"Not under an hour.", `{role: {maxSessionDurationSeconds: 3600}}`, `{role: {maxSessionDurationSeconds: 3599}}`, []string{"spec.role.maxSessionDurationSeconds", "3600"}},
		"LongWork":    {"Not over twelve.", `{role: {maxSessionDurationSeconds: 43200}}`, `{role: {maxSessionDurationSeconds: 43201}}`, []string{"spec.role.maxSessionDurationSeconds", "43200"}},
		"Boundary":    {"A boundary is named by its ARN.", `{role: {permissionsBoundary: "` + policyARN + `"}}`, `{role: {permissionsBoundary: boundary}}`, []string{"spec.role.permissionsBoundary", arn}},
		"Adoption":    {"Never or IfTagged.", `{role: {adoptionPolicy: IfTagged}}`, `{role: {adoptionPolicy: Always}}`, []string{"spec.role.adoptionPolicy", `"Never", "IfTagged"`}},
		"Reserved":    {"Tags that say whose the role is are the operator's.", `{role: {tags: {Team: shop, "a b": ""}}}`, `{role: {tags: {"IAM.podidentity.io/uid": x}}}`, []string{"spec.role.tags", "must not begin with aws: or iam.podidentity.io/"}},
		"ReservedAWS": {"And some are AWS's.", `{role: {tags: {awsome: x}}}`, `{role: {tags: {"AWS:x": x}}}`, []string{"spec.role.tags", "must not begin with aws: or iam.podidentity.io/"}},
		"Key":         {"IAM's characters.", `{role: {tags: {"ж:/=+-@": "é"}}}`, `{role: {tags: {"a!": x}}}`, []string{"spec.role.tags", key}},
		"LongKey":     {"128 of them.", `{role: {tags: {` + long[:128] + `: x}}}`, `{role: {tags: {` + long[:129] + `: x}}}`, []string{"spec.role.tags", "a tag key must have 1 to 128 characters"}},
		"Value":       {"The same for values.", `{role: {tags: {a: "ж _.:/=+-@"}}}`, `{role: {tags: {a: "x!"}}}`, []string{"spec.role.tags", "a tag value must contain only letters, digits, spaces and _ . : / = + - @"}},
		"LongValue":   {"256 of them.", `{role: {tags: {a: ` + long[:256] + `}}}`, `{role: {tags: {a: ` + long[:257] + `}}}`, []string{"spec.role.tags", "256"}},
		"TooMany":     {"IAM takes 50, of which five are the operator's.", tags(45), tags(46), []string{"spec.role.tags", "45"}},
	} {
		t.Run(name, r.check)
	}
}

// The lists of policies.
func TestAdmission_PolicyRules(t *testing.T) {
	const arn = "must be the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/name"
	managed := func(arns string) string { return `{policies: {managed: ` + arns + `}}` }
	documents := func(n int) string {
		text := strings.Repeat("a", n)
		return `{policies: {inline: [{name: p, document: "` + text + `"}, {name: q, document: "` + text + `"}]}}`
	}
	// Fifty statements, in which TEXT stands for n characters.
	statements := func(form string, n int) string {
		return inline(`statements: [` + strings.Repeat(strings.ReplaceAll(form, "TEXT", strings.Repeat("a", n))+", ", 49) + strings.ReplaceAll(form, "TEXT", strings.Repeat("a", n)) + `]`)
	}
	const (
		some   = `{effect: Allow, actions: ["s3:*"], resources: ["arn:TEXT"]}`
		except = `{effect: Allow, notActions: ["s3:*"], notResources: ["arn:TEXT"]}`
		when   = `{effect: Allow, actions: ["s3:*"], resources: ["*"], conditions: [{operator: StringLike, key: k, values: [TEXT]}]}`
		many   = "the statements have more than 10240 characters together, which is the most that IAM stores of inline policies for a role"
	)
	long := strings.Repeat("a", 129)
	for name, r := range map[string]rule{
		"Managed":        {"A managed policy is named by its ARN.", managed(`["arn:aws-us-gov:iam::aws:policy/job-function/X"]`), managed(`["arn:aws:iam::123:policy/p"]`), []string{"spec.policies.managed[0]", arn}},
		"ManagedName":    {"A name is not enough.", managed(`["arn:aws-cn:iam::123456789012:policy/p"]`), managed(`["AmazonS3ReadOnlyAccess"]`), []string{"spec.policies.managed[0]", arn}},
		"ManagedRole":    {"A role is no policy.", managed(`["` + policyARN + `"]`), managed(`["arn:aws:iam::123456789012:role/p"]`), []string{"spec.policies.managed[0]", arn}},
		"ManagedTwice":   {"A policy is attached once.", managed(`["` + policyARN + `", "` + policyARN + `2"]`), managed(`["` + policyARN + `", "` + policyARN + `"]`), []string{"spec.policies.managed[1]", "Duplicate"}},
		"ManagedTooMany": {"IAM's highest quota.", managed(list(25, policyARN+"%d")), managed(list(26, policyARN+"%d")), []string{"spec.policies.managed", "25"}},
		"InlineName":     {"IAM's characters.", `{policies: {inline: [{name: "a_+=,.@-", document: "{}"}]}}`, `{policies: {inline: [{name: "a b", document: "{}"}]}}`, []string{"spec.policies.inline[0].name", "the name of a policy must contain only letters, digits and _ + = , . @ -"}},
		"InlineLongName": {"128 of them.", `{policies: {inline: [{name: ` + long[:128] + `, document: "{}"}]}}`, `{policies: {inline: [{name: ` + long + `, document: "{}"}]}}`, []string{"spec.policies.inline[0].name", "128"}},
		"InlineNameless": {"A name it has.", `{policies: {inline: [{name: p, document: "{}"}]}}`, `{policies: {inline: [{document: "{}"}]}}`, []string{"spec.policies.inline[0].name", "Required"}},
		"InlineTwice":    {"And its own.", `{policies: {inline: [{name: p, document: "{}"}, {name: q, document: "{}"}]}}`, `{policies: {inline: [{name: p, document: "{}"}, {name: p, document: "{}"}]}}`, []string{"spec.policies.inline[1]", "Duplicate"}},
		"InlineTooMany":  {"Not too many.", `{policies: {inline: ` + list(20, `{name: p%d, document: "{}"}`) + `}}`, `{policies: {inline: ` + list(21, `{name: p%d, document: "{}"}`) + `}}`, []string{"spec.policies.inline", "20"}},
		"Document":       {"More than IAM stores, for white space.", inline(`document: "` + strings.Repeat("a", 32768) + `"`), inline(`document: "` + strings.Repeat("a", 32769) + `"`), []string{"spec.policies.inline[0].document", "32768"}},
		"Documents":      {"Four times what IAM stores, for white space.", documents(20480), documents(20481), []string{"spec.policies.inline", "the documents have more than 40960 characters together"}},
		"Statements":     {"IAM stores no more.", statements(some, 196), statements(some, 197), []string{"spec.policies.inline", many}},
		"NotStatements":  {"Whatever their form.", statements(except, 196), statements(except, 197), []string{"spec.policies.inline", many}},
		"WhenStatements": {"Nor more of conditions.", statements(when, 203), statements(when, 204), []string{"spec.policies.inline", many}},
		"Both":           {"A policy is said once.", inline(`statements: [` + statement + `]`), inline(`statements: [` + statement + `], document: "{}"`), []string{"spec.policies.inline[0]", "exactly one of statements and document must be set"}},
		"Neither":        {"And not left out.", inline(`document: "{}"`), `{policies: {inline: [{name: p}]}}`, []string{"spec.policies.inline[0]", "exactly one of statements and document must be set"}},
	} {
		t.Run(name, r.check)
	}
}

// What a statement may say.
func TestAdmission_StatementRules(t *testing.T) {
	const at = "spec.policies.inline[0].statements[0]"
	const action = "must be service:Action, such as s3:GetObject (wildcards allowed in the action name), or *"
	one := func(fields string) string { return inline(`statements: [{` + fields + `}]`) }
	actions := func(actions string) string { return one(`effect: Allow, resources: ["*"], actions: ` + actions) }
	resources := func(resources string) string {
		return one(`effect: Allow, actions: ["s3:*"], resources: ` + resources)
	}
	condition := func(fields string) string {
		return one(`effect: Allow, actions: ["s3:*"], resources: ["*"], conditions: [{` + fields + `}]`)
	}
	for name, r := range map[string]rule{
		"Effect":          {"Allow or Deny.", one(`effect: Deny, actions: ["*"], resources: ["*"]`), one(`effect: allow, actions: ["*"], resources: ["*"]`), []string{at + ".effect", `"Allow", "Deny"`}},
		"SID":             {"IAM's characters.", one(`sid: Read1, effect: Deny, actions: ["*"], resources: ["*"]`), one(`sid: read it, effect: Deny, actions: ["*"], resources: ["*"]`), []string{at + ".sid", "a sid must contain only letters and digits"}},
		"ActionsBoth":     {"A statement is about actions, or about all but some.", one(`effect: Deny, notActions: ["s3:*"], resources: ["*"]`), one(`effect: Deny, actions: ["s3:*"], notActions: ["s3:*"], resources: ["*"]`), []string{at, "exactly one of actions and notActions must be set"}},
		"ActionsNeither":  {"About one of them.", actions(`["s3:*"]`), one(`effect: Deny, resources: ["*"]`), []string{at, "exactly one of actions and notActions must be set"}},
		"ResourceBoth":    {"The same for resources.", one(`effect: Deny, actions: ["s3:*"], notResources: ["*"]`), one(`effect: Deny, actions: ["s3:*"], resources: ["*"], notResources: ["*"]`), []string{at, "exactly one of resources and notResources must be set"}},
		"ResourceNeither": {"About one of them.", resources(`["*"]`), one(`effect: Deny, actions: ["s3:*"]`), []string{at, "exactly one of resources and notResources must be set"}},
		"Action":          {"An action is service:Name.", actions(`["*", "s3:*", "s3:Get?bject*", "execute-api:Invoke"]`), actions(`["GetObject"]`), []string{at + ".actions[0]", action}},
		"NotAction":       {"Also one that is not meant.", one(`effect: Deny, notActions: ["s3:*"], resources: ["*"]`), one(`effect: Deny, notActions: ["S3"], resources: ["*"]`), []string{at + ".notActions[0]", action}},
		"ActionService":   {"No wildcard in the service: AWS refuses it.", actions(`["s3:*Object"]`), actions(`["s*:GetObject"]`), []string{at + ".actions[0]"}},
		"ActionNameless":  {"A service is not enough.", actions(`["s3:*"]`), actions(`["s3:"]`), []string{at + ".actions[0]"}},
		"ActionsEmpty":    {"None is not a list.", actions(`["s3:*"]`), actions(`[]`), []string{at + ".actions", "at least 1"}},
		"Resource":        {"A resource is an ARN.", resources(`["arn:aws:s3:::shop/*", "*"]`), resources(`["shop/*"]`), []string{at + ".resources[0]", "must be an ARN (wildcards allowed), or *"}},
		"NotResource":     {"Also one that is not meant.", one(`effect: Deny, actions: ["s3:*"], notResources: ["arn:aws:s3:::shop"]`), one(`effect: Deny, actions: ["s3:*"], notResources: [shop]`), []string{at + ".notResources[0]", "must be an ARN"}},
		"Operator":        {"IAM's operators.", condition(`operator: "ForAllValues:StringLike", key: k, values: [""]`), condition(`operator: "ForSome:StringLike", key: k, values: [""]`), []string{at + ".conditions[0].operator"}},
		"Values":          {"A condition compares with something.", condition(`operator: "Null", key: k, values: ["true"]`), condition(`operator: "Null", key: k, values: []`), []string{at + ".conditions[0].values", "at least 1"}},
		"Key":             {"And compares something.", condition(`operator: "Null", key: k, values: ["true"]`), condition(`operator: "Null", values: ["true"]`), []string{at + ".conditions[0].key", "Required"}},
	} {
		t.Run(name, r.check)
	}
}
