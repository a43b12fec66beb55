package controllers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// eventQueue is the name of the queue, as in config/aws.
const eventQueue = "podidentity-test"

// startEnvWithEvents is startEnv with a queue of CloudTrail's events. The drift check comes once an
// hour, so that what is repaired was repaired because of an event.
func startEnvWithEvents(t *testing.T, events awslocal.Events, edits ...func(*controllers.Config)) *env {
	t.Helper()
	t.Parallel()
	events.Queue = eventQueue
	s := newEnvIn(t, awslocal.Options{Events: events}, edits...)
	s.createProvider()
	s.start()
	return s
}

const administratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"

// repaired waits until a role has lost the policy that the administrator attached to it.
func (s *env) repaired(role string) {
	s.t.Helper()
	s.eventually("the policy on "+role+" to be detached", func() bool {
		return !slices.Contains(s.role(role).Managed, administratorAccess)
	})
}

// operatorCalls are the calls of IAM since some were counted, without those of the test itself.
func (s *env) operatorCalls(before map[string]int, own ...string) map[string]int {
	calls := maps.Clone(since(before, s.account.Calls()))
	for _, action := range []string{"ReceiveMessage", "DeleteMessageBatch"} {
		delete(calls, action)
	}
	for _, action := range own {
		if calls[action]--; calls[action] == 0 {
			delete(calls, action)
		}
	}
	return calls
}

// A policy that an administrator attaches is detached as soon as CloudTrail reports it, and the event
// names who did it and when. Roles that no caller changed cost no call, and neither do the operator's own calls.
func TestDriftEvent_RevertsWithinSecondsAndNamesThePrincipal(t *testing.T) {
	s := startEnvWithEvents(t, awslocal.Events{})
	for _, name := range []string{"checkout", "cart"} {
		s.apply("metadata: {name: " + name + "}\nspec: {policies: {managed: [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]}}")
		s.awaitReady(name)
	}
	role, sentinel := roleName(s, "checkout"), roleName(s, "cart")
	s.eventually("the queue to be empty", func() bool { return s.account.QueueLength(eventQueue) == 0 })

	before := s.account.Calls()
	began := time.Now()
	s.must(s.attach(role, administratorAccess))
	s.eventually("a repair", func() bool { return since(before, s.account.Calls())["DetachRolePolicy"] == 1 })
	t.Logf("repaired %s after the change", time.Since(began).Round(time.Millisecond))
	s.awaitEvent("checkout", "CorrectedDrift", "Reverted out-of-band change to managedPolicy (DetachRolePolicy), made by arn:aws:iam::123456789012:user/awslocal at ")
	s.eventually("the queue to be empty", func() bool { return s.account.QueueLength(eventQueue) == 0 })

	// The operator's own changes are also in the queue. Had one caused a check, that check would have
	// come before the repair of the next change.
	s.must(s.attach(sentinel, administratorAccess))
	s.eventually("a second repair", func() bool { return since(before, s.account.Calls())["DetachRolePolicy"] == 2 })
	want := map[string]int{"GetRole": 2, "ListAttachedRolePolicies": 2, "ListRolePolicies": 2, "DetachRolePolicy": 2}
	if diff := cmp.Diff(want, s.operatorCalls(before, "AttachRolePolicy", "AttachRolePolicy")); diff != "" {
		t.Errorf("calls for two repairs: -want, +got:\n%s", diff)
	}
	s.repaired(role)
	s.repaired(sentinel)
}

// Creating and editing identities causes no checks of them, although each call shows in the queue.
func TestDriftEvent_OwnCalls(t *testing.T) {
	s := startEnvWithEvents(t, awslocal.Events{Duplicates: 1})
	before := s.account.Calls()
	s.apply("metadata: {name: checkout}\nspec: {policies: {managed: [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]}}")
	s.awaitReady("checkout")
	s.apply("metadata: {name: cart}\nspec: {}")
	s.awaitReady("cart")
	s.eventually("the queue to be empty", func() bool { return s.account.QueueLength(eventQueue) == 0 })
	s.must(s.attach(roleName(s, "cart"), administratorAccess))
	s.eventually("a repair", func() bool { return since(before, s.account.Calls())["DetachRolePolicy"] == 1 })
	calls := s.operatorCalls(before)
	if calls["CreateRole"] != 2 || calls["GetRole"] != 1 || calls["ListAttachedRolePolicies"] != 1 {
		t.Errorf("the operator's own calls caused checks: %v", calls)
	}
}

// A flood of duplicates, junk and other accounts' events costs one read of the role that was
// changed, and hides nothing.
func TestDriftEvent_Flood(t *testing.T) {
	s := startEnvWithEvents(t, awslocal.Events{Delay: awslocal.Duration(200 * time.Millisecond), Spread: awslocal.Duration(time.Second), Duplicates: 100})
	s.apply("metadata: {name: checkout}\nspec: {policies: {managed: [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]}}")
	s.awaitReady("checkout")
	role := roleName(s, "checkout")
	s.eventually("the queue to be empty", func() bool { return s.account.QueueLength(eventQueue) == 0 })
	before := s.account.Calls()
	for n := range 300 {
		s.account.SendToQueue(eventQueue, junk(n, role))
	}
	s.must(s.attach(role, administratorAccess))
	for n := range 300 {
		s.account.SendToQueue(eventQueue, junk(n, role))
	}
	s.eventually("a repair", func() bool { return since(before, s.account.Calls())["DetachRolePolicy"] == 1 })
	s.eventually("the queue to be empty", func() bool { return s.account.QueueLength(eventQueue) == 0 })
	s.account.SetEvents(awslocal.Events{Queue: eventQueue})
	s.must(s.attach(role, administratorAccess))
	s.eventually("a second repair", func() bool { return since(before, s.account.Calls())["DetachRolePolicy"] == 2 })
	if n := since(before, s.account.Calls())["GetRole"]; n != 2 {
		t.Errorf("the role was read %d times for two changes", n)
	}
}

// junk is a message that must do no harm.
func junk(n int, role string) string {
	event := func(detail map[string]any) string {
		raw, _ := json.Marshal(map[string]any{"detail-type": "AWS API Call via CloudTrail", "detail": detail})
		return string(raw)
	}
	detail := map[string]any{
		"eventSource": "iam.amazonaws.com", "eventName": "AttachRolePolicy", "eventTime": "2026-01-01T00:00:00Z", "eventID": fmt.Sprint(n),
		"recipientAccountId": "210987654321", "requestParameters": map[string]any{"roleName": role},
	}
	switch n % 6 {
	case 0:
		return "not JSON \u202e\x1b[2J"
	case 1:
		return event(nil)
	case 2: // of another account
		return event(detail)
	case 3: // of another role
		detail["recipientAccountId"], detail["requestParameters"] = "123456789012", map[string]any{"roleName": "another-role"}
		return event(detail)
	case 4: // before the role was last read
		detail["recipientAccountId"] = "123456789012"
		return event(detail)
	default:
		return strings.Repeat("[", 10000)
	}
}

// A queue that does not work harms nothing: identities become ready, and the requests for a check are
// answered.
func TestDriftEvent_QueueUnavailable(t *testing.T) {
	s := startEnvWithEvents(t, awslocal.Events{})
	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: "ReceiveMessage", Error: "AccessDenied"}}})
	s.apply("metadata: {name: checkout}\nspec: {}")
	s.awaitReady("checkout")
	s.must(s.attach(roleName(s, "checkout"), administratorAccess))
	s.request("checkout", "now")
	s.repaired(roleName(s, "checkout"))
}
