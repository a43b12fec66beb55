package awslocal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func (e *endpoint) receive(t *testing.T, url string, edit ...func(*sqs.ReceiveMessageInput)) []sqstypes.Message {
	t.Helper()
	in := &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10}
	for _, f := range edit {
		f(in)
	}
	return must(e.sqs.ReceiveMessage(t.Context(), in))(t).Messages
}

// A message is there until it is deleted, and hidden for a while when it was received.
func TestQueue_HidesReceivedMessagesUntilTheirTimeout(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	url := *must(e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")}))(t).QueueUrl
	if again := *must(e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")}))(t).QueueUrl; again != url || url != e.url+"/"+account+"/q" {
		t.Errorf("the queue has the URLs %s and %s", url, again)
	}
	must(e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("now")}))(t)
	must(e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("later"), DelaySeconds: 10}))(t)
	first := e.receive(t, url)
	if len(first) != 1 || *first[0].Body != "now" || len(e.receive(t, url)) != 0 {
		t.Errorf("received %v; want one message, once", first)
	}
	clock.advance(31 * time.Second)
	both := e.receive(t, url)
	if len(both) != 2 {
		t.Errorf("received %d messages; want the hidden one and the late one", len(both))
	}
	var entries []sqstypes.DeleteMessageBatchRequestEntry
	for i, m := range both {
		entries = append(entries, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
	}
	out := must(e.sqs.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries}))(t)
	clock.advance(time.Hour)
	if len(out.Successful) != 2 || len(out.Failed) != 0 || len(e.receive(t, url)) != 0 || e.QueueLength("q") != 0 {
		t.Errorf("deleted %+v; %d messages are left", out, e.QueueLength("q"))
	}
}

// A long poll ends when a message comes, and otherwise after its time.
func TestQueue_LongPollEndsWithAMessage(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	url := *must(e.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")}))(t).QueueUrl
	wait := func(seconds int32) func(*sqs.ReceiveMessageInput) {
		return func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = seconds }
	}
	if got := e.receive(t, url, wait(1)); len(got) != 0 {
		t.Errorf("received %v of an empty queue", got)
	}
	go func() {
		for e.Calls()["ReceiveMessage"] < 2 {
			time.Sleep(time.Millisecond) //nolint:forbidigo // between two looks at the condition
		}
		e.SendToQueue("q", "x")
	}()
	if got := e.receive(t, url, wait(20)); len(got) != 1 {
		t.Errorf("received %v", got)
	}
}

func TestQueue_Errors(t *testing.T) {
	url := "http://localhost/" + account + "/q"
	deleting := func(ids ...string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			in := &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []sqstypes.DeleteMessageBatchRequestEntry{}}
			for _, id := range ids {
				in.Entries = append(in.Entries, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(id), ReceiptHandle: aws.String("x")})
			}
			return ignore(e.sqs.DeleteMessageBatch(ctx, in))
		}
	}
	none := failure{400, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."}
	runErrors(t, map[string]errorCase{
		"Receive": {call: func(ctx context.Context, e *endpoint) error {
			return ignore(e.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url}))
		}, want: none},
		"Send": {call: func(ctx context.Context, e *endpoint) error {
			return ignore(e.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")}))
		}, want: none},
		"Delete": {call: deleting("a"), want: none},
		"Empty": {
			call: deleting(),
			want: failure{400, "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one DeleteMessageBatchRequestEntry in the request."},
		},
		"Twice": {
			call: deleting("a", "a"),
			want: failure{400, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated."},
		},
		"Many": {
			call: deleting(slices.Repeat([]string{"a"}, 11)...),
			want: failure{400, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11."},
		},
		"Name": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("a b")}))
			},
			want: failure{400, "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
		},
	}, nil, awslocal.Options{})
}

// A write of IAM shows in the queue as EventBridge passes on CloudTrail's record of it.
func TestEvents_WritesAreRecorded(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now, Events: awslocal.Events{Queue: "q", Delay: awslocal.Duration(time.Minute)}})
	url := e.url + "/" + account + "/q"
	e.createRole(t, "r")
	session := e.as(t, "caller", allow(`"*"`, `"*"`, ""))
	clock.advance(2 * time.Minute)
	for len(e.receive(t, url, func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 43200 })) > 0 {
		// what came before is not of interest
	}
	must(session.iam.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}))(t)
	must(session.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("r")}))(t)
	_, err := session.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("none")})
	if err == nil {
		t.Fatal("deleted a role that does not exist")
	}
	if early := e.receive(t, url); len(early) != 0 {
		t.Errorf("%d records before the delay", len(early))
	}
	clock.advance(time.Minute)
	messages := e.receive(t, url)
	if len(messages) != 2 {
		t.Fatalf("%d records, want one for each write", len(messages))
	}
	type detail struct {
		EventName, EventSource, ErrorCode, RecipientAccountID string
		UserIdentity                                          struct{ Type, ARN string }
		RequestParameters                                     map[string]any
	}
	var got []detail
	for _, m := range messages {
		var event struct {
			DetailType string `json:"detail-type"`
			Detail     detail
		}
		if err := json.Unmarshal([]byte(*m.Body), &event); err != nil || event.DetailType != "AWS API Call via CloudTrail" {
			t.Fatalf("%v: %s", err, *m.Body)
		}
		got = append(got, event.Detail)
	}
	caller := struct{ Type, ARN string }{"AssumedRole", "arn:aws:sts::123456789012:assumed-role/caller/test"}
	want := []detail{
		{"AttachRolePolicy", "iam.amazonaws.com", "", account, caller, map[string]any{"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}},
		{"DeleteRole", "iam.amazonaws.com", "NoSuchEntityException", account, caller, map[string]any{"roleName": "none"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records: -want, +got:\n%s", diff)
	}
}

// Records come several times and in another order, as the control API says, until it ends them.
func TestEvents_CanBeDuplicatedAndReordered(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	set := func(body string, want int) {
		t.Helper()
		if _, status, answer := send(t, http.MethodPost, e.url+"/_awslocal/events", body, nil); status != want {
			t.Fatalf("%d %s", status, answer)
		}
	}
	set(`{"queue":"q","delay":"1s","spread":"10s","duplicates":2}`, http.StatusOK)
	set(`{"queue":"a b"}`, http.StatusBadRequest)
	set(`{"queue":"q","speed":1}`, http.StatusBadRequest)
	for n := range 5 {
		e.createRole(t, fmt.Sprintf("r%d", n))
	}
	set(`{}`, http.StatusOK)
	e.createRole(t, "silent")
	counts, order := map[string]int{}, ""
	for range 12 {
		clock.advance(time.Second)
		for _, m := range e.receive(t, e.url+"/"+account+"/q") {
			var event struct {
				Detail struct{ RequestParameters struct{ RoleName string } }
			}
			if err := json.Unmarshal([]byte(*m.Body), &event); err != nil {
				t.Fatal(err)
			}
			counts[event.Detail.RequestParameters.RoleName]++
			order += event.Detail.RequestParameters.RoleName
		}
	}
	if diff := cmp.Diff(map[string]int{"r0": 3, "r1": 3, "r2": 3, "r3": 3, "r4": 3}, counts); diff != "" {
		t.Errorf("records by role: -want, +got:\n%s", diff)
	}
	if order == "r0r0r0r1r1r1r2r2r2r3r3r3r4r4r4" {
		t.Error("the records came in order")
	}
}
