package awslocal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func getRole(ctx context.Context, e *endpoint) error {
	return ignore(e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("r")}))
}

func rules(r ...awslocal.Rule) awslocal.Faults { return awslocal.Faults{Rules: r} }

func TestFaults_Rules(t *testing.T) {
	type outcome struct {
		Code   string
		Status int
	}
	ok, throttled := outcome{"", 200}, outcome{"Throttling", 400}
	for name, tc := range map[string]struct {
		reason string
		rule   awslocal.Rule
		want   []outcome // of calls one after the other
	}{
		"Always":     {"", awslocal.Rule{Error: "Throttling"}, []outcome{throttled, throttled}},
		"Count":      {"A rule applies to a limited number of calls.", awslocal.Rule{Error: "Throttling", Count: 2}, []outcome{throttled, throttled, ok}},
		"Skip":       {"A rule skips the first calls.", awslocal.Rule{Error: "Throttling", Skip: 1, Count: 1}, []outcome{ok, throttled, ok}},
		"Pattern":    {"", awslocal.Rule{Error: "Throttling", Action: "Get*"}, []outcome{throttled}},
		"Other":      {"A rule for other actions does nothing.", awslocal.Rule{Error: "Throttling", Action: "List*"}, []outcome{ok}},
		"Service":    {"", awslocal.Rule{Error: "ServiceFailure", Count: 1}, []outcome{{"ServiceFailure", 500}, ok}},
		"Concurrent": {"", awslocal.Rule{Error: "ConcurrentModification", Count: 1}, []outcome{{"ConcurrentModification", 409}, ok}},
		"Denied":     {"", awslocal.Rule{Error: "AccessDenied", Count: 1}, []outcome{{"AccessDenied", 403}, ok}},
		"Never":      {"", awslocal.Rule{Error: "Throttling", Probability: 1e-12}, []outcome{ok, ok, ok}},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{})
			e.createRole(t, "r")
			e.SetFaults(rules(tc.rule))
			var got []outcome
			for range tc.want {
				if err := getRole(t.Context(), e); err != nil {
					f := failureOf(t, err)
					got = append(got, outcome{f.Code, f.Status})
				} else {
					got = append(got, ok)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// The same seed brings the same faults.
func TestFaults_SameSeedGivesSameFaults(t *testing.T) {
	run := func(seed uint64) (outcomes string) {
		e := newEndpoint(t, awslocal.Options{Seed: seed, Faults: rules(awslocal.Rule{Error: "Throttling", Probability: 0.5})})
		for range 40 {
			if _, err := e.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
				outcomes += "x"
			} else {
				outcomes += "."
			}
		}
		return outcomes
	}
	first, same, other := run(7), run(7), run(8)
	if first != same || first == other || !strings.Contains(first, "x") || !strings.Contains(first, ".") {
		t.Errorf("seed 7: %s, again: %s, seed 8: %s", first, same, other)
	}
}

// A call whose answer is lost has its effect or has it not, as the rule says.
func TestFaults_LostAnswersHaveTheirEffect(t *testing.T) {
	for name, tc := range map[string]struct {
		rule   awslocal.Rule
		exists bool
	}{
		"ResetBefore":  {awslocal.Rule{Error: awslocal.ConnectionReset, Action: "CreateRole"}, false},
		"ResetAfter":   {awslocal.Rule{Error: awslocal.ConnectionReset, Action: "CreateRole", After: true}, true},
		"TimeoutAfter": {awslocal.Rule{Error: awslocal.Timeout, Action: "CreateRole", After: true, Hold: awslocal.Duration(time.Millisecond)}, true},
		"ErrorAfter":   {awslocal.Rule{Error: "ServiceFailure", Action: "CreateRole", After: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, awslocal.Options{Faults: rules(tc.rule)})
			_, err := e.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(ec2Trust)})
			if err == nil {
				t.Error("CreateRole got an answer")
			}
			if _, api := errors.AsType[smithy.APIError](err); api != (tc.rule.Error == "ServiceFailure") {
				t.Errorf("CreateRole: %v", err)
			}
			if got := getRole(t.Context(), e) == nil; got != tc.exists {
				t.Errorf("the role exists: %v, want %v", got, tc.exists)
			}
		})
	}
}

// A timeout without end lasts until the caller gives up.
func TestFaults_TimeoutLastsUntilTheCallerGivesUp(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{Faults: rules(awslocal.Rule{Error: awslocal.Timeout})})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := getRole(ctx, e); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the deadline is exceeded", err)
	}
}

func TestFaults_Throttles(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now, Faults: awslocal.Faults{
		Throttles: []awslocal.Throttle{{Action: "*Role*", Rate: 2, Burst: 3}},
	}})
	burst := func() (allowed int) {
		for range 5 {
			_, err := e.iam.ListRoles(t.Context(), &iam.ListRolesInput{})
			if err == nil {
				allowed++
			} else if f := failureOf(t, err); f != (failure{400, "Throttling", "Rate exceeded"}) {
				t.Errorf("got %v", f)
			}
		}
		return allowed
	}
	if n := burst(); n != 3 {
		t.Errorf("%d calls in a burst, want 3", n)
	}
	clock.advance(time.Second)
	if n := burst(); n != 2 {
		t.Errorf("%d calls a second later, want 2", n)
	}
	must(e.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t) // has no bucket
}

// Reads and STS see what was, writes see what is.
func TestFaults_ReadsSeeThePastWritesThePresent(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	ctx := t.Context()
	e.SetFaults(awslocal.Faults{ReadDelay: awslocal.Duration(2 * time.Second), STSDelay: awslocal.Duration(5 * time.Second)})
	clock.advance(time.Second)
	e.createRole(t, "r", func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(anyTrust) })

	state := func() string {
		seen, assumed := getRole(ctx, e) == nil, ignore(assume(roleARN("r"), "session")(ctx, e)) == nil
		return fmt.Sprintf("read %v, assume %v", seen, assumed)
	}
	step := func(when, want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	step("immediately", "read false, assume false")
	_, err := e.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(ec2Trust)})
	if f := failureOf(t, err); f.Code != "EntityAlreadyExists" {
		t.Errorf("a role that cannot be read yet exists all the same: %v", f)
	}
	clock.advance(2 * time.Second)
	step("after two seconds", "read true, assume false")
	clock.advance(3 * time.Second)
	step("after five seconds", "read true, assume true")
	must(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("r")}))(t)
	step("after the end", "read true, assume true")
	clock.advance(5 * time.Second)
	step("five seconds after the end", "read false, assume false")
}

func TestFaults_Latency(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{Faults: awslocal.Faults{Latency: awslocal.Duration(30 * time.Millisecond)}})
	start := time.Now()
	must(e.iam.ListRoles(t.Context(), &iam.ListRolesInput{}))(t)
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

// The control URLs do what the Go API does.
func TestControl_EqualsTheGoAPI(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	do := func(method, path, body string) (int, string) {
		t.Helper()
		_, status, answer := send(t, method, e.url+"/_awslocal/"+path, body, nil)
		return status, strings.TrimSpace(answer)
	}
	e.createRole(t, "r")
	_ = getRole(t.Context(), e)
	_ = ignore(e.iam.GetPolicy(t.Context(), &iam.GetPolicyInput{PolicyArn: aws.String(policyARN("none"))}))
	for _, tc := range []struct {
		reason, method, path, body string
		status                     int
		want                       string
	}{
		{"Calls that fail count too, control calls do not.", "GET", "calls", "", 200, `{"CreateRole":1,"GetPolicy":1,"GetRole":1}`},
		{"", "POST", "faults", `{"rules":[{"action":"GetRole","error":"Throttling","count":1}],"readDelay":"1.5s"}`, 200, `{"readDelay":"1.5s","rules":[{"action":"GetRole","error":"Throttling","count":1}]}`},
		{"", "GET", "faults", "", 200, `{"readDelay":"1.5s","rules":[{"action":"GetRole","error":"Throttling","count":1}]}`},
		{"Mistakes are named.", "POST", "faults", `{"rules":[{"error":""}]}`, 400, `{"error":"faults: rules[0].error: want the code of an AWS error, ConnectionReset or Timeout"}`},
		{"", "POST", "faults", `{"latncy":"1s"}`, 400, `{"error":"json: unknown field \"latncy\""}`},
		{"", "POST", "faults", `{"latency":"soon"}`, 400, `{"error":"time: invalid duration \"soon\""}`},
		{"", "GET", "nothing", "", 404, `{"error":"want GET calls, POST reset, GET or POST faults, GET or POST events, POST access below /_awslocal/"}`},
		{"A reset ends the faults.", "POST", "reset", "", 200, `{}`},
		{"", "GET", "calls", "", 200, `{}`},
		{"", "GET", "faults", "", 200, `{}`},
	} {
		status, body := do(tc.method, tc.path, tc.body)
		if status != tc.status || body != tc.want {
			t.Errorf("%s\n%s %s: %d %s\nwant: %d %s", tc.reason, tc.method, tc.path, status, body, tc.status, tc.want)
		}
	}
	if f := failureOf(t, getRole(t.Context(), e)); f.Code != "NoSuchEntity" {
		t.Errorf("after the reset: %v", f)
	}
}
