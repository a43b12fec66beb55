package driftevent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// attached is an event as AWS documents it, of a person who attached a policy.
const attached = `{
  "version": "0", "id": "b1a2", "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam",
  "account": "123456789012", "time": "2026-03-01T12:00:05Z", "region": "us-east-1", "resources": [],
  "detail": {
    "eventVersion": "1.11",
    "userIdentity": {
      "type": "AssumedRole", "principalId": "AROAEXAMPLE:ann", "arn": "arn:aws:sts::123456789012:assumed-role/Admin/ann",
      "accountId": "123456789012", "accessKeyId": "ASIAANN",
      "sessionContext": {"sessionIssuer": {"type": "Role", "userName": "Admin"}, "attributes": {"mfaAuthenticated": "true"}}
    },
    "eventTime": "2026-03-01T12:00:00Z", "eventSource": "iam.amazonaws.com", "eventName": "AttachRolePolicy",
    "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.1", "userAgent": "aws-cli/2",
    "requestParameters": {"roleName": "prod_shop_checkout_0a1b2c3d", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    "responseElements": null, "requestID": "r", "eventID": "e1", "readOnly": false, "eventType": "AwsApiCall",
    "managementEvent": true, "recipientAccountId": "123456789012", "eventCategory": "Management"
  }
}`

// with returns the event with a member of its detail replaced; nil removes it.
func with(t *testing.T, member string, value any) string {
	t.Helper()
	var event map[string]any
	if err := json.Unmarshal([]byte(attached), &event); err != nil {
		t.Fatal(err)
	}
	detail, ok := event["detail"].(map[string]any)
	if !ok {
		t.Fatal("the event has no detail")
	}
	if value == nil {
		delete(detail, member)
	} else {
		detail[member] = value
	}
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestParse(t *testing.T) {
	got, err := Parse(attached)
	want := Record{
		ID: "e1", Account: "123456789012", Role: "prod_shop_checkout_0a1b2c3d", Action: "AttachRolePolicy",
		Time:   time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Caller: Caller{Principal: "arn:aws:sts::123456789012:assumed-role/Admin/ann", AccessKeyID: "ASIAANN"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Parse(...) = %v; -want, +got:\n%s", err, diff)
	}
}

func TestJudge(t *testing.T) {
	scope := Scope{Account: "123456789012", Path: "/podidentity/prod/", Own: func(key string) bool { return key == "ASIAOWN" }}
	created := func(path any) string {
		return strings.Replace(with(t, "requestParameters", map[string]any{"roleName": "r", "path": path}), "AttachRolePolicy", "CreateRole", 1)
	}
	cases := map[string]struct {
		reason string
		body   string
		want   Verdict
	}{
		"SomebodyElse":     {"A person has changed a role.", attached, Suspect},
		"Own":              {"The operator did it.", with(t, "userIdentity", map[string]any{"arn": "a", "accessKeyId": "ASIAOWN"}), OwnSession},
		"SameRole":         {"Another session of the operator's role is not the operator.", with(t, "userIdentity", map[string]any{"arn": "a", "accessKeyId": "ASIAOTHER"}), Suspect},
		"NoKey":            {"Without a session it is not the operator.", with(t, "userIdentity", map[string]any{"type": "AWSService", "invokedBy": "sso.amazonaws.com"}), Suspect},
		"OtherAccount":     {"A queue may get events of a whole organization.", with(t, "recipientAccountId", "210987654321"), OtherAccount},
		"Failed":           {"IAM refused it.", with(t, "errorCode", "AccessDenied"), NoChange},
		"FailedValidation": {"What IAM refused may be without parameters.", strings.Replace(with(t, "requestParameters", nil), `"readOnly"`, `"errorCode":"ValidationError","readOnly"`, 1), NoChange},
		"Read":             {"A read changes nothing.", with(t, "eventName", "GetRole"), NoChange},
		"User":             {"A user is no role.", with(t, "eventName", "AttachUserPolicy"), NoChange},
		"Created":          {"A role under the operator's path.", created("/podidentity/prod/"), Suspect},
		"CreatedElsewhere": {"A role under another path.", created("/other/"), OtherPath},
		"CreatedAtRoot":    {"No path is the root.", created(nil), OtherPath},
		"NotJSON":          {"", "Records", Malformed},
		"Empty":            {"", "", Malformed},
		"OtherJSON":        {"A test message of SNS, for example.", `{"Type": "Notification"}`, Malformed},
		"List":             {"", `[]`, Malformed},
		"Null":             {"", `null`, Malformed},
		"OtherTypes":       {"Every member may be anything.", with(t, "userIdentity", []int{1}), Malformed},
		"OtherService":     {"The rule passes IAM's events only.", with(t, "eventSource", "s3.amazonaws.com"), Malformed},
		"NoTime":           {"", with(t, "eventTime", nil), Malformed},
		"BadTime":          {"", with(t, "eventTime", "yesterday"), Malformed},
		"NoParameters":     {"A change that names no role.", with(t, "requestParameters", nil), Malformed},
		"LongName":         {"No role has such a name.", with(t, "requestParameters", map[string]any{"roleName": strings.Repeat("r", 1<<16)}), Malformed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := Parse(tc.body)
			got := Malformed
			if err == nil {
				got = scope.Judge(r)
			}
			if got != tc.want {
				t.Errorf("%s\n%+v is %s, want %s", tc.reason, r, got, tc.want)
			}
		})
	}
}

// The rule in config/aws passes the calls that change roles, and no others.
func TestRule(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "aws", "event-rule.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rule struct {
		Detail struct {
			EventSource []string `json:"eventSource"`
			EventName   []string `json:"eventName"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(raw, &rule); err != nil {
		t.Fatal(err)
	}
	want := Actions()
	slices.Sort(want)
	if diff := cmp.Diff(want, rule.Detail.EventName); diff != "" || !slices.Equal(rule.Detail.EventSource, []string{"iam.amazonaws.com"}) {
		t.Errorf("event-rule.json of %v: -want, +got:\n%s", rule.Detail.EventSource, diff)
	}
}

// What the caller chooses ends up in events and logs: it must not look like something that it is
// not.
func TestParse_HostileNames(t *testing.T) {
	hostile := "arn:aws:sts::1:assumed-role/x/\u202e\n\x1b[31mroot" + strings.Repeat("é", 1000)
	r, err := Parse(with(t, "userIdentity", map[string]any{"arn": hostile}))
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Caller.Principal; len(p) > maxPrincipal || strings.ContainsAny(p, "\n\x1b\u202e") || !strings.HasPrefix(p, "arn:aws:sts::1:assumed-role/x/") {
		t.Errorf("the principal is %q", p)
	}
}

// Whatever is in a message, it is read or refused, and what is kept of it is bounded.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{attached, "", "{}", `{"detail":{}}`, `{"detail":{"eventSource":"iam.amazonaws.com"}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := Parse(body)
		if err != nil {
			return
		}
		if len(r.ID) > maxName || len(r.Role) > maxName || len(r.Action) > maxName || len(r.Caller.Principal) > maxPrincipal || r.Caller.Principal == "" {
			t.Errorf("Parse(%q) = %+v", body, r)
		}
	})
}
