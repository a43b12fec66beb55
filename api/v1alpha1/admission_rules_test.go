package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A rule is one thing that a schema demands of the spec of a new object.
type rule struct {
	reason   string
	allowed  string
	rejected string
	want     []string // what the user reads
}

// check applies both as specs of a PodIdentity.
func (r rule) check(t *testing.T) {
	t.Helper()
	r.checkOf(t, object)
}

// checkOf applies both as specs of what object returns.
func (r rule) checkOf(t *testing.T, object func(t *testing.T, name, spec string) *unstructured.Unstructured) {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	if err := user.Create(t.Context(), object(t, name, r.allowed)); err != nil {
		t.Errorf("%s\nrejected what is allowed: %v", r.reason, err)
	}
	err := user.Create(t.Context(), object(t, name+"-rejected", r.rejected))
	if err == nil {
		t.Fatalf("%s\naccepted: %s", r.reason, r.rejected)
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

// The fields and values that an object may have.
func TestAdmission_ObjectRules(t *testing.T) {
	for name, r := range map[string]rule{
		"UnknownField": {"A misspelled field is not silently ignored.", `{policies: {managed: ["` + policyARN + `"]}}`, `{policies: {manged: ["` + policyARN + `"]}}`, []string{`unknown field "spec.policies.manged"`}},
		"UnknownDeep":  {"Nor is a misspelled field of a list item.", inline(`document: "{}"`), inline(`dokument: "{}"`), []string{`unknown field "spec.policies.inline[0].dokument"`}},
		"Type":         {"A string is not a boolean.", `{suspend: true}`, `{suspend: "yes"}`, []string{"spec.suspend", "boolean"}},
		"Deletion":     {"The values are Delete and Retain.", `{deletionPolicy: Retain}`, `{deletionPolicy: Orphan}`, []string{"spec.deletionPolicy", `"Delete", "Retain"`}},
		"Mode":         {"The value must be one of the listed ones.", `{mode: Plan}`, `{mode: plan}`, []string{"spec.mode", `"Apply", "Plan"`}},
	} {
		t.Run(name, r.check)
	}
}

// The ServiceAccounts of an identity.
func TestAdmission_ServiceAccountRules(t *testing.T) {
	const words = "the name of a ServiceAccount must contain only lower case letters, digits, - and ., and begin and end with a letter or digit"
	long := strings.Repeat("a", 254)
	for name, r := range map[string]rule{
		"Name":        {"The name must be valid in Kubernetes.", `{serviceAccount: {name: web.v2-x}}`, `{serviceAccount: {name: Web}}`, []string{"spec.serviceAccount.name", words}},
		"NameEnd":     {"The last character must also be valid.", `{serviceAccount: {name: w}}`, `{serviceAccount: {name: web-}}`, []string{"spec.serviceAccount.name", words}},
		"LongName":    {"The name has a maximum length.", `{serviceAccount: {name: ` + long[:253] + `}}`, `{serviceAccount: {name: ` + long + `}}`, []string{"spec.serviceAccount.name", "253"}},
		"Mode":        {"The values are Create and Annotate.", `{serviceAccount: {mode: Annotate}}`, `{serviceAccount: {mode: Adopt}}`, []string{"spec.serviceAccount.mode", `"Create", "Annotate"`}},
		"TokenShort":  {"Kubernetes issues no token that expires in less than ten minutes.", `{serviceAccount: {tokenExpirationSeconds: 600}}`, `{serviceAccount: {tokenExpirationSeconds: 599}}`, []string{"spec.serviceAccount.tokenExpirationSeconds", "600"}},
		"TokenLong":   {"AWS's webhook requests no token that expires after more than a day.", `{serviceAccount: {tokenExpirationSeconds: 86400}}`, `{serviceAccount: {tokenExpirationSeconds: 86401}}`, []string{"spec.serviceAccount.tokenExpirationSeconds", "86400"}},
		"More":        {"Additional names must also be valid.", `{additionalServiceAccounts: [a]}`, `{additionalServiceAccounts: [a, "b/c"]}`, []string{"spec.additionalServiceAccounts[1]", words}},
		"MoreTwice":   {"Additional names must be unique.", `{additionalServiceAccounts: [a, b]}`, `{additionalServiceAccounts: [a, a]}`, []string{"spec.additionalServiceAccounts[1]", "Duplicate"}},
		"MoreTooMany": {"The number of additional names is limited.", `{additionalServiceAccounts: ` + list(50, "a%d") + `}`, `{additionalServiceAccounts: ` + list(51, "a%d") + `}`, []string{"spec.additionalServiceAccounts", "50"}},
		"TrustAll":    {"An identity that trusts the whole namespace names no ServiceAccount.", `{additionalServiceAccounts: [a], trust: {scope: ServiceAccount}}`, `{additionalServiceAccounts: [a], trust: {scope: Namespace}}`, []string{"spec.additionalServiceAccounts", "must be empty when trust.scope is Namespace"}},
		"TrustWord":   {"The values are ServiceAccount and Namespace.", `{trust: {scope: Namespace}}`, `{trust: {scope: Cluster}}`, []string{"spec.trust.scope", `"ServiceAccount", "Namespace"`}},
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
		"Name":        {"IAM allows only these characters in a role name.", `{role: {name: "A_b+c=d,e.f@g-h"}}`, `{role: {name: path/role}}`, []string{"spec.role.name", "the name of a role must contain only letters, digits and _ + = , . @ -; it has no path"}},
		"LongName":    {"IAM allows 64 characters in a role name.", `{role: {name: ` + long[:64] + `}}`, `{role: {name: ` + long[:65] + `}}`, []string{"spec.role.name", "64"}},
		"Description": {"IAM allows only Latin-1 in a description.", `{role: {description: "Läden, ¡ole!"}}`, `{role: {description: "ж"}}`, []string{"spec.role.description", "a description must contain only Latin-1 characters"}},
		"Long":        {"IAM allows 1,000 characters in a description.", `{role: {description: ` + long[:1000] + `}}`, `{role: {description: ` + long + `}}`, []string{"spec.role.description", "1000"}},
		"ShortWork":   {"The minimum session duration is an hour.", `{role: {maxSessionDurationSeconds: 3600}}`, `{role: {maxSessionDurationSeconds: 3599}}`, []string{"spec.role.maxSessionDurationSeconds", "3600"}},
		"LongWork":    {"The maximum session duration is twelve hours.", `{role: {maxSessionDurationSeconds: 43200}}`, `{role: {maxSessionDurationSeconds: 43201}}`, []string{"spec.role.maxSessionDurationSeconds", "43200"}},
		"Boundary":    {"A boundary is named by its ARN.", `{role: {permissionsBoundary: "` + policyARN + `"}}`, `{role: {permissionsBoundary: boundary}}`, []string{"spec.role.permissionsBoundary", arn}},
		"Adoption":    {"The values are Never and IfTagged.", `{role: {adoptionPolicy: IfTagged}}`, `{role: {adoptionPolicy: Always}}`, []string{"spec.role.adoptionPolicy", `"Never", "IfTagged"`}},
		"Reserved":    {"Tags that identify the owner of the role are reserved for the operator.", `{role: {tags: {Team: shop, "a b": ""}}}`, `{role: {tags: {"IAM.podidentity.io/uid": x}}}`, []string{"spec.role.tags", "must not begin with aws: or iam.podidentity.io/"}},
		"ReservedAWS": {"Keys that begin with aws: are reserved for AWS.", `{role: {tags: {awsome: x}}}`, `{role: {tags: {"AWS:x": x}}}`, []string{"spec.role.tags", "must not begin with aws: or iam.podidentity.io/"}},
		"Key":         {"IAM allows only these characters in a tag key.", `{role: {tags: {"ж:/=+-@": "é"}}}`, `{role: {tags: {"a!": x}}}`, []string{"spec.role.tags", key}},
		"LongKey":     {"IAM allows 128 characters in a tag key.", `{role: {tags: {` + long[:128] + `: x}}}`, `{role: {tags: {` + long[:129] + `: x}}}`, []string{"spec.role.tags", "a tag key must have 1 to 128 characters"}},
		"Value":       {"IAM allows only these characters in a tag value.", `{role: {tags: {a: "ж _.:/=+-@"}}}`, `{role: {tags: {a: "x!"}}}`, []string{"spec.role.tags", "a tag value must contain only letters, digits, spaces and _ . : / = + - @"}},
		"LongValue":   {"IAM allows 256 characters in a tag value.", `{role: {tags: {a: ` + long[:256] + `}}}`, `{role: {tags: {a: ` + long[:257] + `}}}`, []string{"spec.role.tags", "256"}},
		"TooMany":     {"IAM allows 50 tags, of which the operator needs five.", tags(45), tags(46), []string{"spec.role.tags", "45"}},
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
		"ManagedName":    {"A name is not an ARN.", managed(`["arn:aws-cn:iam::123456789012:policy/p"]`), managed(`["AmazonS3ReadOnlyAccess"]`), []string{"spec.policies.managed[0]", arn}},
		"ManagedRole":    {"The ARN of a role is not that of a policy.", managed(`["` + policyARN + `"]`), managed(`["arn:aws:iam::123456789012:role/p"]`), []string{"spec.policies.managed[0]", arn}},
		"ManagedTwice":   {"A policy is attached once.", managed(`["` + policyARN + `", "` + policyARN + `2"]`), managed(`["` + policyARN + `", "` + policyARN + `"]`), []string{"spec.policies.managed[1]", "Duplicate"}},
		"ManagedTooMany": {"IAM's highest quota is the maximum.", managed(list(25, policyARN+"%d")), managed(list(26, policyARN+"%d")), []string{"spec.policies.managed", "25"}},
		"InlineName":     {"IAM allows only these characters in a policy name.", `{policies: {inline: [{name: "a_+=,.@-", document: "{}"}]}}`, `{policies: {inline: [{name: "a b", document: "{}"}]}}`, []string{"spec.policies.inline[0].name", "the name of a policy must contain only letters, digits and _ + = , . @ -"}},
		"InlineLongName": {"IAM allows 128 characters in a policy name.", `{policies: {inline: [{name: ` + long[:128] + `, document: "{}"}]}}`, `{policies: {inline: [{name: ` + long + `, document: "{}"}]}}`, []string{"spec.policies.inline[0].name", "128"}},
		"InlineNameless": {"An inline policy must have a name.", `{policies: {inline: [{name: p, document: "{}"}]}}`, `{policies: {inline: [{document: "{}"}]}}`, []string{"spec.policies.inline[0].name", "Required"}},
		"InlineTwice":    {"The name must be unique within the identity.", `{policies: {inline: [{name: p, document: "{}"}, {name: q, document: "{}"}]}}`, `{policies: {inline: [{name: p, document: "{}"}, {name: p, document: "{}"}]}}`, []string{"spec.policies.inline[1]", "Duplicate"}},
		"InlineTooMany":  {"The number of inline policies is limited.", `{policies: {inline: ` + list(20, `{name: p%d, document: "{}"}`) + `}}`, `{policies: {inline: ` + list(21, `{name: p%d, document: "{}"}`) + `}}`, []string{"spec.policies.inline", "20"}},
		"Document":       {"A document may exceed what IAM stores, as IAM does not count white space.", inline(`document: "` + strings.Repeat("a", 32768) + `"`), inline(`document: "` + strings.Repeat("a", 32769) + `"`), []string{"spec.policies.inline[0].document", "32768"}},
		"Documents":      {"All documents together may be four times what IAM stores, because of white space.", documents(20480), documents(20481), []string{"spec.policies.inline", "the documents have more than 40960 characters together"}},
		"Statements":     {"All statements together must not exceed what IAM stores.", statements(some, 196), statements(some, 197), []string{"spec.policies.inline", many}},
		"NotStatements":  {"notActions and notResources also count.", statements(except, 196), statements(except, 197), []string{"spec.policies.inline", many}},
		"WhenStatements": {"Conditions also count.", statements(when, 203), statements(when, 204), []string{"spec.policies.inline", many}},
		"Both":           {"A policy has either statements or a document.", inline(`statements: [` + statement + `]`), inline(`statements: [` + statement + `], document: "{}"`), []string{"spec.policies.inline[0]", "exactly one of statements and document must be set"}},
		"Neither":        {"A policy must have statements or a document.", inline(`document: "{}"`), `{policies: {inline: [{name: p}]}}`, []string{"spec.policies.inline[0]", "exactly one of statements and document must be set"}},
	} {
		t.Run(name, r.check)
	}
}

// The fields and values that a statement may have.
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
		"Effect":          {"The values are Allow and Deny.", one(`effect: Deny, actions: ["*"], resources: ["*"]`), one(`effect: allow, actions: ["*"], resources: ["*"]`), []string{at + ".effect", `"Allow", "Deny"`}},
		"SID":             {"IAM allows only these characters in a Sid.", one(`sid: Read1, effect: Deny, actions: ["*"], resources: ["*"]`), one(`sid: read it, effect: Deny, actions: ["*"], resources: ["*"]`), []string{at + ".sid", "a sid must contain only letters and digits"}},
		"ActionsBoth":     {"A statement has either actions or notActions.", one(`effect: Deny, notActions: ["s3:*"], resources: ["*"]`), one(`effect: Deny, actions: ["s3:*"], notActions: ["s3:*"], resources: ["*"]`), []string{at, "exactly one of actions and notActions must be set"}},
		"ActionsNeither":  {"A statement must have actions or notActions.", actions(`["s3:*"]`), one(`effect: Deny, resources: ["*"]`), []string{at, "exactly one of actions and notActions must be set"}},
		"ResourceBoth":    {"A statement has either resources or notResources.", one(`effect: Deny, actions: ["s3:*"], notResources: ["*"]`), one(`effect: Deny, actions: ["s3:*"], resources: ["*"], notResources: ["*"]`), []string{at, "exactly one of resources and notResources must be set"}},
		"ResourceNeither": {"A statement must have resources or notResources.", resources(`["*"]`), one(`effect: Deny, actions: ["s3:*"]`), []string{at, "exactly one of resources and notResources must be set"}},
		"Action":          {"An action has the form service:Name.", actions(`["*", "s3:*", "s3:Get?bject*", "execute-api:Invoke"]`), actions(`["GetObject"]`), []string{at + ".actions[0]", action}},
		"NotAction":       {"So does an action in notActions.", one(`effect: Deny, notActions: ["s3:*"], resources: ["*"]`), one(`effect: Deny, notActions: ["S3"], resources: ["*"]`), []string{at + ".notActions[0]", action}},
		"ActionService":   {"AWS rejects a wildcard in the service prefix.", actions(`["s3:*Object"]`), actions(`["s*:GetObject"]`), []string{at + ".actions[0]"}},
		"ActionNameless":  {"A service prefix alone is not an action.", actions(`["s3:*"]`), actions(`["s3:"]`), []string{at + ".actions[0]"}},
		"ActionsEmpty":    {"A list must not be empty.", actions(`["s3:*"]`), actions(`[]`), []string{at + ".actions", "at least 1"}},
		"Resource":        {"A resource is an ARN or *.", resources(`["arn:aws:s3:::shop/*", "*"]`), resources(`["shop/*"]`), []string{at + ".resources[0]", "must be an ARN (wildcards allowed), or *"}},
		"NotResource":     {"So is a resource in notResources.", one(`effect: Deny, actions: ["s3:*"], notResources: ["arn:aws:s3:::shop"]`), one(`effect: Deny, actions: ["s3:*"], notResources: [shop]`), []string{at + ".notResources[0]", "must be an ARN"}},
		"Operator":        {"The operator must be one of IAM's.", condition(`operator: "ForAllValues:StringLike", key: k, values: [""]`), condition(`operator: "ForSome:StringLike", key: k, values: [""]`), []string{at + ".conditions[0].operator"}},
		"Values":          {"A condition needs values.", condition(`operator: "Null", key: k, values: ["true"]`), condition(`operator: "Null", key: k, values: []`), []string{at + ".conditions[0].values", "at least 1"}},
		"Key":             {"A condition needs a key.", condition(`operator: "Null", key: k, values: ["true"]`), condition(`operator: "Null", values: ["true"]`), []string{at + ".conditions[0].key", "Required"}},
	} {
		t.Run(name, r.check)
	}
}
