package access

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// document returns a policy document of statements, each EFFECT ACTIONS [on RESOURCES]
// [if CONDITION], with ! before actions or resources that are excluded.
func document(statements ...string) role.Document {
	var list []string
	for _, s := range statements {
		fields := strings.Fields(s)
		effect, actions, rest := fields[0], fields[1], fields[2:]
		element := func(name, text string) string {
			if list, negated := strings.CutPrefix(text, "!"); negated {
				text, name = list, "Not"+name
			}
			return fmt.Sprintf(`%q:["%s"]`, name, strings.ReplaceAll(text, ",", `","`))
		}
		resources, condition := "*", ""
		for len(rest) > 0 {
			if rest[0] == "on" {
				resources = rest[1]
			} else {
				condition = fmt.Sprintf(`,"Condition":{"StringEquals":{%q:["x"]}}`, rest[1])
			}
			rest = rest[2:]
		}
		list = append(list, fmt.Sprintf(`{"Effect":%q,%s,%s%s}`, effect, element("Action", actions), element("Resource", resources), condition))
	}
	return role.Document(`{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`)
}

func roleWith(identity, boundary role.Document) *role.Role {
	r := &role.Role{Name: "r", ARN: "arn:aws:iam::123456789012:role/r", Policies: []role.Policy{{Name: "p", Document: identity}}}
	if boundary != "" {
		r.Boundary = &role.Policy{Name: "b", ARN: "arn:aws:iam::123456789012:policy/b", Document: boundary}
	}
	return r
}

// line writes a grant as the tests compare it.
func line(g Grant) string {
	text := g.Action
	if len(g.Except) > 0 {
		text += " except " + strings.Join(g.Except, ",")
	}
	text += " on " + strings.Join(g.Resources, ",")
	if len(g.ExceptResources) > 0 {
		text += " except " + strings.Join(g.ExceptResources, ",")
	}
	if g.Conditional {
		text += " (conditional)"
	}
	if len(g.Limited) > 0 {
		text += " (limited: " + strings.Join(g.Limited, ", ") + ")"
	}
	return text
}

func TestReader_GrantsWithinBoundaryAndDeny(t *testing.T) {
	cases := map[string]struct {
		reason             string
		identity, boundary role.Document
		want               []string
	}{
		"Plain":           {"A grant is shown as the author wrote it.", document("Allow s3:GetObject,S3:List* on arn:aws:s3:::b"), "", []string{"s3:GetObject on arn:aws:s3:::b", "S3:List* on arn:aws:s3:::b"}},
		"Condition":       {"A condition makes a grant conditional.", document("Allow s3:GetObject if aws:SourceVpc"), "", []string{"s3:GetObject on * (conditional)"}},
		"NotAction":       {"NotAction grants all other actions.", document("Allow !iam:*,sts:AssumeRole"), "", []string{"* except iam:*,sts:AssumeRole on *"}},
		"NotResource":     {"NotResource grants all other resources.", document("Allow s3:* on !arn:aws:s3:::secret/*"), "", []string{"s3:* on * except arn:aws:s3:::secret/*"}},
		"InBoundary":      {"The boundary allows more.", document("Allow s3:GetObject"), document("Allow s3:*"), []string{"s3:GetObject on *"}},
		"BeyondBoundary":  {"The boundary allows something else.", document("Allow ec2:*"), document("Allow s3:*"), nil},
		"WiderThan":       {"Only what the boundary allows is left.", document("Allow *"), document("Allow s3:Get*,sqs:*"), []string{"s3:Get* on *", "sqs:* on *"}},
		"Across":          {"The overlap of the two patterns is not a pattern.", document("Allow s3:Get*"), document("Allow s3:*Object"), []string{"s3:Get* on * (limited: permissions boundary)"}},
		"BoundaryBucket":  {"The boundary allows one bucket.", document("Allow s3:GetObject"), document("Allow s3:* on arn:aws:s3:::b/*"), []string{"s3:GetObject on * (limited: permissions boundary)"}},
		"OtherBucket":     {"The boundary allows another bucket.", document("Allow s3:GetObject on arn:aws:s3:::a/*"), document("Allow s3:* on arn:aws:s3:::b/*"), nil},
		"BoundaryExcept":  {"The boundary excludes a part.", document("Allow *"), document("Allow !iam:*"), []string{"* on * (limited: permissions boundary)"}},
		"ExceptElsewhere": {"What the boundary excludes is not granted anyway.", document("Allow s3:*"), document("Allow !iam:*"), []string{"s3:* on *"}},
		"ExceptAll":       {"The boundary excludes all of it.", document("Allow iam:GetRole"), document("Allow !iam:*"), nil},
		"BoundaryIf":      {"The boundary has a condition.", document("Allow s3:GetObject"), document("Allow s3:* if aws:SourceVpc"), []string{"s3:GetObject on * (conditional)"}},
		"TwoInBoundary":   {"One statement of the boundary allows it without limits.", document("Allow s3:GetObject"), document("Allow s3:Get* if aws:SourceVpc", "Allow s3:*"), []string{"s3:GetObject on *"}},
		"NoBoundary":      {"A boundary that does not exist allows nothing.", document("Allow s3:*"), document("Deny s3:*"), nil},
		"Denied":          {"A Deny removes the whole grant.", document("Allow s3:GetObject on arn:aws:s3:::b/*", "Deny s3:*"), "", nil},
		"DeniedByLimit":   {"The boundary denies it.", document("Allow s3:GetObject"), document("Allow *", "Deny s3:*"), nil},
		"PartlyDenied":    {"A Deny applies to a part.", document("Allow s3:*", "Deny s3:Delete*"), "", []string{"s3:* on * (limited: explicit deny)"}},
		"DeniedIf":        {"A Deny with a condition may apply.", document("Allow s3:GetObject", "Deny s3:* if aws:SourceVpc"), "", []string{"s3:GetObject on * (limited: explicit deny)"}},
		"DenyElsewhere":   {"A Deny applies to something else.", document("Allow s3:GetObject on arn:aws:s3:::a/*", "Deny s3:* on arn:aws:s3:::b/*"), "", []string{"s3:GetObject on arn:aws:s3:::a/*"}},
		"DenyOthers":      {"A Deny applies to everything else.", document("Allow s3:GetObject", "Deny !s3:*"), "", []string{"s3:GetObject on *"}},
		"BothLimits":      {"The boundary and a Deny limit it.", document("Allow s3:*", "Deny s3:Delete*"), document("Allow s3:* on arn:aws:s3:::b/*"), []string{"s3:* on * (limited: permissions boundary, explicit deny)"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			grants, unreadable := NewReader().Grants(roleWith(tc.identity, tc.boundary))
			var got []string
			for _, g := range grants {
				got = append(got, line(g))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || len(unreadable) > 0 {
				t.Errorf("%s\nunreadable %q; -want, +got:\n%s", tc.reason, unreadable, diff)
			}
		})
	}
}

func TestReader_AnswersYesNoOrMaybe(t *testing.T) {
	const bucket, other = "arn:aws:s3:::orders", "arn:aws:s3:::other"
	ask := func(action, resource string) Question { return Question{action, resource} }
	cases := map[string]struct {
		reason             string
		question           Question
		identity, boundary role.Document
		want               Answer
	}{
		"Allowed":         {"A statement allows it.", ask("s3:DeleteBucket", bucket), document("Allow s3:* on " + bucket), "", Yes},
		"Case":            {"Actions are case-insensitive.", ask("S3:deletebucket", bucket), document("Allow s3:DeleteBucket"), "", Yes},
		"OtherBucket":     {"The statement allows another bucket.", ask("s3:DeleteBucket", other), document("Allow s3:* on " + bucket), "", No},
		"Denied":          {"Another statement denies it.", ask("s3:DeleteBucket", bucket), document("Allow s3:*", "Deny s3:Delete*"), "", No},
		"Boundary":        {"The boundary does not allow it.", ask("s3:DeleteBucket", bucket), document("Allow s3:*"), document("Allow s3:Get*"), No},
		"InBoundary":      {"The policy and the boundary allow it.", ask("s3:DeleteBucket", bucket), document("Allow s3:*"), document("Allow s3:*"), Yes},
		"Condition":       {"The statement has a condition.", ask("s3:DeleteBucket", bucket), document("Allow s3:* if aws:SourceVpc"), "", Maybe},
		"DenyCondition":   {"A Deny with a condition may apply.", ask("s3:DeleteBucket", bucket), document("Allow s3:*", "Deny s3:* if aws:SourceVpc"), "", Maybe},
		"LimitCondition":  {"The boundary has a condition.", ask("s3:DeleteBucket", bucket), document("Allow s3:*"), document("Allow s3:* if aws:SourceVpc"), Maybe},
		"Variable":        {"A policy variable may have any value.", ask("s3:DeleteBucket", bucket), document("Allow s3:* on arn:aws:s3:::${aws:username}"), "", Maybe},
		"ActionOnly":      {"Without a resource in the question, any resource is enough.", ask("s3:DeleteBucket", ""), document("Allow s3:* on " + bucket), "", Yes},
		"ActionPattern":   {"Only a part of the requested actions is allowed.", ask("s3:Delete*", ""), document("Allow s3:DeleteBucket"), "", Maybe},
		"PatternInGrant":  {"All requested actions are allowed.", ask("s3:Delete*", bucket), document("Allow s3:*"), "", Yes},
		"PatternOutside":  {"None of the requested actions is allowed.", ask("s3:Delete*", ""), document("Allow s3:Get*"), "", No},
		"ResourceOnly":    {"An action is allowed on the resource.", ask("", bucket), document("Allow s3:GetBucketTagging on " + bucket), "", Yes},
		"ResourcePattern": {"An action is allowed on a part of the resources.", ask("", "arn:aws:s3:::o*"), document("Allow s3:GetBucketTagging on " + bucket), "", Maybe},
		"OtherResource":   {"The statement allows another resource.", ask("", other), document("Allow s3:* on " + bucket), "", No},
		"LimitedPattern":  {"The boundary allows only a part.", ask("s3:Delete*", ""), document("Allow s3:*"), document("Allow s3:*Bucket"), Maybe},
		"Except":          {"NotAction excludes it.", ask("iam:CreateUser", ""), document("Allow !iam:*"), "", No},
		"NotExcept":       {"NotAction does not exclude it.", ask("s3:DeleteBucket", ""), document("Allow !iam:*"), "", Yes},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := NewReader()
			of := roleWith(tc.identity, tc.boundary)
			grants, _ := r.Grants(of)
			if got := r.Answer(tc.question, of, grants); got != tc.want {
				t.Errorf("%s\nAnswer() = %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// No grant is lost: what AWS would allow is in the grants, whatever the boundary and
// the denials.
func TestReader_GrantsContainWhatAWSAllows(t *testing.T) {
	actions := []string{"s3:GetObject", "s3:DeleteBucket", "sqs:SendMessage", "iam:CreateUser"}
	resources := []string{"arn:aws:s3:::b", "arn:aws:s3:::b/k", "arn:aws:sqs:eu-west-1:123456789012:q"}
	elements := []string{"*", "s3:*", "s3:Get*", "s3:*Bucket", "s3:GetObject,sqs:*", "!iam:*", "!s3:Get*", "*:*e*"}
	scopes := []string{"*", "arn:aws:s3:::b", "arn:aws:s3:::b*", "!arn:aws:s3:::b/*", "arn:aws:sqs:*"}
	effects := []string{"Deny", "Allow"}
	step := 7 // one of so many pairs of statements
	if testing.Short() {
		step = 23
	}
	n := 0
	for i := range len(elements) * len(scopes) {
		for j := i % step; j < len(elements)*len(scopes)*2; j += step {
			identity := document("Allow "+elements[i%len(elements)]+" on "+scopes[i/len(elements)], "Allow sqs:SendMessage on arn:aws:sqs:*",
				effects[j%2]+" "+elements[j/2%len(elements)]+" on "+scopes[j/2/len(elements)])
			boundary := document("Allow "+elements[(i+j)%len(elements)]+" on "+scopes[(i*7+j)%len(scopes)], "Allow s3:Get*")
			of := roleWith(identity, boundary)
			reader := NewReader() // it parses each document once
			grants, _ := reader.Grants(of)
			ps, identityErr := identity.Policy()
			bs, boundaryErr := boundary.Policy()
			if identityErr != nil || boundaryErr != nil {
				t.Fatal(identityErr, boundaryErr)
			}
			for _, action := range actions {
				for _, resource := range resources {
					n++
					request := policy.Request{Action: action, Resource: resource}
					allowed := policy.Evaluate(request, ps) == policy.Allowed && policy.Evaluate(request, bs) == policy.Allowed
					q := Question{action, resource}
					if allowed && len(q.Matching(grants)) == 0 {
						t.Fatalf("%s on %s is allowed, but no grant is about it: %s within %s: %v", action, resource, identity, boundary, grants)
					}
					if got := reader.Answer(q, of, grants); (got == Yes) != allowed {
						t.Fatalf("%s on %s: %q, want %t: %s within %s", action, resource, got, allowed, identity, boundary)
					}
				}
			}
		}
	}
	if n == 0 {
		t.Fatal("nothing was compared")
	}
}

func TestReport_Findings(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	old := now.AddDate(-1, 0, 0)
	fine := roleWith(document("Allow s3:GetObject on arn:aws:s3:::b/*"), "")
	fine.Created, fine.LastUsed = old, now.AddDate(0, 0, -1)
	with := func(edit func(*role.Role)) *role.Role {
		r := *fine
		edit(&r)
		return &r
	}
	policies := func(statements ...string) *role.Role {
		return with(func(r *role.Role) { r.Policies = []role.Policy{{Name: "p", Document: document(statements...)}} })
	}
	cases := map[string]struct {
		reason  string
		subject Subject
		want    []string
		use     Use
	}{
		"Fine":       {"There is no finding.", Subject{Role: fine}, nil, Used},
		"Everything": {"The identity is an administrator.", Subject{Role: policies("Allow *")}, []string{FindingEverything}, Used},
		"EveryColon": {"A pattern for every service means the same.", Subject{Role: policies("Allow *:*")}, []string{FindingEverything}, Used},
		"Bounded": {"The boundary limits it.", Subject{Role: with(func(r *role.Role) {
			*r = *roleWith(document("Allow *"), document("Allow s3:GetObject"))
			r.LastUsed = now
		})}, nil, Used},
		"Broad":       {"All actions of a service are allowed on all resources.", Subject{Role: policies("Allow s3:*,sqs:*", "Allow !iam:*")}, []string{FindingBroad}, Used},
		"Conditional": {"A condition limits it.", Subject{Role: policies("Allow s3:* if aws:ResourceTag/team")}, nil, Used},
		"Guardrail":   {"The identity is older than the guardrail.", Subject{Role: fine, Rejection: "rejected"}, []string{FindingGuardrail}, Used},
		"Unmanaged":   {"A user created the role by hand.", Subject{Kind: KindServiceAccount, Role: fine}, []string{FindingUnmanaged}, Used},
		"Unused":      {"The role was not used for 90 days.", Subject{Role: with(func(r *role.Role) { r.LastUsed = now.AddDate(0, 0, -90) })}, []string{FindingUnused}, Unused},
		"Never":       {"The role was never used, and is old.", Subject{Role: with(func(r *role.Role) { r.LastUsed = time.Time{} })}, []string{FindingUnused}, Never},
		"New":         {"The role was never used, and is new.", Subject{Role: with(func(r *role.Role) { r.LastUsed, r.Created = time.Time{}, now.AddDate(0, 0, -89) })}, nil, New},
		"NoRole":      {"The role does not exist.", Subject{RoleARN: "arn", Problem: "its role does not exist in AWS"}, []string{FindingUnknown}, Unknown},
		"Unreadable":  {"A document in AWS cannot be parsed.", Subject{Role: with(func(r *role.Role) { r.Policies = []role.Policy{{Name: "p", Document: "{"}} })}, []string{FindingUnknown}, Used},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			id := Report([]Subject{tc.subject}, Options{UnusedAfter: 90 * 24 * time.Hour, Now: now})[0]
			var got []string
			for _, f := range id.Findings {
				got = append(got, f.Kind)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || id.Use != tc.use {
				t.Errorf("%s\nuse %q, want %q; findings: -want, +got:\n%s", tc.reason, id.Use, tc.use, diff)
			}
		})
	}
}

// An identity whose permissions are not known is part of every answer.
func TestReport_AnswersWhatIsNotKnown(t *testing.T) {
	o := Options{Question: Question{Action: "s3:DeleteBucket"}, UnusedAfter: time.Hour}
	no := Subject{Name: "no", Role: roleWith(document("Allow sqs:*"), "")}
	yes := Subject{Name: "yes", Role: roleWith(document("Allow s3:*", "Allow sqs:*"), "")}
	unread := Subject{Name: "unread", Role: roleWith("{", "")}
	elsewhere := Subject{Name: "elsewhere", RoleARN: "arn:aws:iam::999999999999:role/r", Problem: "in another account"}
	none := Subject{Name: "none", Problem: "it has no role yet"}
	var got []string
	for _, id := range Report([]Subject{no, yes, unread, elsewhere, none}, o) {
		got = append(got, fmt.Sprintf("%s %s %d", id.Name, id.Answer, len(id.Grants)))
	}
	//nolint:dupword // two answers
	if diff := cmp.Diff([]string{"yes yes 1", "unread maybe 0", "elsewhere maybe 0"}, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// An audit of 1,000 identities, each with policies of its own, takes a fraction of the
// five seconds that it may.
func BenchmarkReport(b *testing.B) {
	boundary := document("Allow s3:*,sqs:*,dynamodb:*,sts:*", "Deny iam:*,organizations:*")
	var subjects []Subject
	for i := range 1000 {
		r := roleWith(document(
			fmt.Sprintf("Allow s3:GetObject,s3:PutObject,s3:List* on arn:aws:s3:::bucket-%d/*", i),
			fmt.Sprintf("Allow sqs:SendMessage,sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:123456789012:queue-%d", i),
			"Allow dynamodb:* if aws:ResourceTag/team",
		), boundary)
		r.Policies = append(r.Policies, role.Policy{Name: "shared", ARN: "arn:aws:iam::aws:policy/shared", Document: document("Allow s3:Get*,s3:List*")})
		subjects = append(subjects, Subject{Kind: KindPodIdentity, Role: r})
	}
	for b.Loop() {
		Report(subjects, Options{UnusedAfter: time.Hour, Question: Question{Action: "s3:DeleteBucket"}})
		Report(subjects, Options{UnusedAfter: time.Hour})
	}
}
