package awsiam

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/driftevent"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// queueOf returns the event queue of an account, and clients with the access key ID given.
func queueOf(t *testing.T, o awslocal.Options, keyID string) (*awslocal.Server, *Clients, *EventQueue) {
	t.Helper()
	server := awslocal.New(o)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	onAttempt := func(a Attempt) {
		if a.Service == "SQS" {
			t.Errorf("%s of SQS is counted: the metric of AWS's latency would show long polls", a.Operation)
		}
	}
	clients, err := NewClients(t.Context(), ClientOptions{OnAttempt: onAttempt, Load: []func(*config.LoadOptions) error{
		config.WithBaseEndpoint(web.URL),
		config.WithCredentialsProvider(awscredentials.NewStaticCredentialsProvider(keyID, "local", "")),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return server, clients, clients.EventQueue(web.URL + "/123456789012/changes")
}

// The operator receives from the queue the events about calls of IAM, recognizes its own,
// and deletes all.
func TestEventQueue_ReceivesRecognizesAndDeletes(t *testing.T) {
	server, clients, queue := queueOf(t, awslocal.Options{Seed: 1, Events: awslocal.Events{Queue: "changes", Duplicates: 1}}, "local")
	if _, err := clients.IAM.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("r"), Path: aws.String("/test/"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := clients.IAM.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: aws.String("arn:aws:iam::123456789012:policy/none")}); err == nil {
		t.Fatal("attached a policy that does not exist")
	}
	messages, err := queue.Receive(t.Context(), true)
	if err != nil || len(messages) != 4 {
		t.Fatalf("Receive(...) = %d messages, %v; want two calls twice", len(messages), err)
	}
	var classes []driftevent.Class
	for _, own := range []func(string) bool{queue.Own, func(string) bool { return false }} {
		scope := driftevent.Scope{Account: "123456789012", Path: "/test/", Own: own}
		for _, m := range messages {
			record, err := driftevent.Parse(m.Body)
			if err != nil {
				t.Fatalf("%v: %s", err, m.Body)
			}
			classes = append(classes, scope.Classify(record))
		}
	}
	want := []driftevent.Class{
		driftevent.OwnSession, driftevent.OwnSession, driftevent.NoChange, driftevent.NoChange,
		driftevent.Suspect, driftevent.Suspect, driftevent.NoChange, driftevent.NoChange,
	}
	if diff := cmp.Diff(want, classes); diff != "" {
		t.Errorf("classifications: -want, +got:\n%s", diff)
	}
	if err := queue.Delete(t.Context(), messages); err != nil || server.QueueLength("changes") != 0 {
		t.Errorf("Delete(...): %v; %d messages are left", err, server.QueueLength("changes"))
	}
	if messages, err := queue.Receive(t.Context(), false); err != nil || len(messages) != 0 {
		t.Errorf("Receive(...) = %d messages, %v; want none", len(messages), err)
	}
}

// More messages than fit into a batch are also deleted, and a message that arrives while
// the operator waits ends the wait.
func TestEventQueue_ManyAndLate(t *testing.T) {
	server, _, queue := queueOf(t, awslocal.Options{Seed: 1, Events: awslocal.Events{Queue: "changes"}}, "local")
	var all []driftevent.Message
	for range 25 {
		server.SendToQueue("changes", "x")
	}
	for range 3 {
		messages, err := queue.Receive(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, messages...)
	}
	if err := queue.Delete(t.Context(), all); err != nil || len(all) != 25 || server.QueueLength("changes") != 0 {
		t.Errorf("%d messages received, %d left, %v", len(all), server.QueueLength("changes"), err)
	}
	go func() {
		for server.Calls()["ReceiveMessage"] < 4 {
			time.Sleep(time.Millisecond) //nolint:forbidigo // between two looks at the condition
		}
		server.SendToQueue("changes", "late")
	}()
	if messages, err := queue.Receive(t.Context(), true); err != nil || len(messages) != 1 || messages[0].Body != "late" {
		t.Errorf("Receive(...) = %v, %v", messages, err)
	}
}

// An error of a queue has the same message each time, with what to do.
func TestEventQueue_Errors(t *testing.T) {
	_, _, queue := queueOf(t, awslocal.Options{Seed: 1}, "local")
	_, err := queue.Receive(t.Context(), false)
	if want := "receiving from the event queue: AWS.SimpleQueueService.NonExistentQueue: The specified queue does not exist."; err == nil || err.Error() != want {
		t.Errorf("Receive(...): %v, want %s", err, want)
	}
	server, _, queue := queueOf(t, awslocal.Options{Seed: 1, Events: awslocal.Events{Queue: "changes"}}, "local")
	server.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Error: "AccessDenied", Action: "ReceiveMessage"}}})
	if _, err = queue.Receive(t.Context(), false); err == nil || !strings.Contains(err.Error(), "is missing the permission sqs:ReceiveMessage on ") {
		t.Errorf("Receive(...): %v, want the missing action", err)
	}
	if unwrapped := errors.Unwrap(err); unwrapped == nil {
		t.Error("the cause is lost")
	}
}

// The queue is in the region of its URL, wherever the operator runs.
func TestRegionOfQueue_IsInTheURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://sqs.us-east-1.amazonaws.com/123456789012/q":     "us-east-1",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q": "cn-north-1",
		"https://eu-west-1.queue.amazonaws.com/123456789012/q":   "eu-west-1",
		"https://sqs.us-gov-west-1.amazonaws.com/123456789012/q": "us-gov-west-1",
		"http://localhost:4566/123456789012/q":                   "",
		"https://vpce-1.sqs.us-east-1.vpce.amazonaws.com/1/q":    "",
		"://": "",
	} {
		if got := regionOfQueue(url); got != want {
			t.Errorf("regionOfQueue(%q) = %q, want %q", url, got, want)
		}
	}
}

// Keys are renewed every hour; the latest are remembered, and no more than that.
func TestSessions_RememberTheLatestKeys(t *testing.T) {
	var s sessions
	for n := range 3 * maxSessions {
		s.add(string(rune('a' + n)))
	}
	s.add("")
	if s.has("") || s.has("a") || !s.has(string(rune('a'+3*maxSessions-1))) || len(s.keys) != maxSessions {
		t.Errorf("remembered: %q", s.keys)
	}
}
