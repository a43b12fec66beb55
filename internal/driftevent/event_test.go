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

// attached is an event as AWS documents it, about a user who attached a policy.
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

func TestParse_ReadsRecordsOfCloudTrail(t *testing.T) {
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

func TestClassify_SuspectsChangesOfOtherCallers(t *testing.T) {
	scope := Scope{Account: "123456789012", Path: "/podidentity/prod/", Own: func(key string) bool { return key == "ASIAOWN" }}
	created := func(path any) string {
		return strings.Replace(with(t, "requestParameters", map[string]any{"roleName": "r", "path": path}), "AttachRolePolicy", "CreateRole", 1)
	}
	cases := map[string]struct {
		reason string
		body   string
		want   Class
	}{
		"OtherPrincipal":   {"Another principal changed a role.", attached, Suspect},
		"Own":              {"The operator itself made the change.", with(t, "userIdentity", map[string]any{"arn": "a", "accessKeyId": "ASIAOWN"}), OwnSession},
		"SameRole":         {"Another session of the operator's role is not the operator.", with(t, "userIdentity", map[string]any{"arn": "a", "accessKeyId": "ASIAOTHER"}), Suspect},
		"NoKey":            {"A change without a session is not the operator's.", with(t, "userIdentity", map[string]any{"type": "AWSService", "invokedBy": "sso.amazonaws.com"}), Suspect},
		"OtherAccount":     {"A queue may get events of a whole organization.", with(t, "recipientAccountId", "210987654321"), OtherAccount},
		"Failed":           {"IAM rejected the call.", with(t, "errorCode", "AccessDenied"), NoChange},
		"FailedValidation": {"The event of a rejected call may have no parameters.", strings.Replace(with(t, "requestParameters", nil), `"readOnly"`, `"errorCode":"ValidationError","readOnly"`, 1), NoChange},
		"Read":             {"A read changes nothing.", with(t, "eventName", "GetRole"), NoChange},
		"User":             {"The change is of a user, not of a role.", with(t, "eventName", "AttachUserPolicy"), NoChange},
		"Created":          {"A role under the operator's path was created.", created("/podidentity/prod/"), Suspect},
		"CreatedElsewhere": {"A role under another path was created.", created("/other/"), OtherPath},
		"CreatedAtRoot":    {"A role without a path is under the root path.", created(nil), OtherPath},
		"NotJSON":          {"The body is not JSON.", "Records", Malformed},
		"Empty":            {"The body is empty.", "", Malformed},
		"OtherJSON":        {"The body is another message, such as a test message of SNS.", `{"Type": "Notification"}`, Malformed},
		"List":             {"The body is a list.", `[]`, Malformed},
		"Null":             {"The body is null.", `null`, Malformed},
		"OtherTypes":       {"A member may have any type.", with(t, "userIdentity", []int{1}), Malformed},
		"OtherService":     {"The EventBridge rule matches only events of IAM.", with(t, "eventSource", "s3.amazonaws.com"), Malformed},
		"NoTime":           {"The event has no time.", with(t, "eventTime", nil), Malformed},
		"BadTime":          {"The time is not a time.", with(t, "eventTime", "yesterday"), Malformed},
		"NoParameters":     {"The change names no role.", with(t, "requestParameters", nil), Malformed},
		"LongName":         {"No role can have a name of that length.", with(t, "requestParameters", map[string]any{"roleName": strings.Repeat("r", 1<<16)}), Malformed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := Parse(tc.body)
			got := Malformed
			if err == nil {
				got = scope.Classify(r)
			}
			if got != tc.want {
				t.Errorf("%s\n%+v is %s, want %s", tc.reason, r, got, tc.want)
			}
		})
	}
}

// The rule in config/aws matches the calls that change roles, and no others.
func TestEventRule_PassesCallsThatChangeRoles(t *testing.T) {
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

// Texts that a caller chooses end up in events and logs: they must not look like something that
// they are not.
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

// Whatever a message contains, it is read or rejected, and the result is bounded.
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
