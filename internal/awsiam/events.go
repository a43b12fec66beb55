package awsiam

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/podidentity/podidentity-operator/internal/driftevent"
)

// SQS is the part of SQS that the operator uses.
type SQS interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
}

// longPoll is the time that SQS waits for a message, the maximum that it accepts. Such a
// call needs a longer timeout than attemptTimeout.
const (
	longPoll    = 20 * time.Second
	pollTimeout = longPoll + attemptTimeout
)

// EventQueue is the queue that EventBridge puts CloudTrail's events into.
type EventQueue struct {
	api SQS
	url string
	own *sessions
}

// EventQueue returns the queue with that URL. Calls go to the region in the URL: IAM's
// events are in one region of the partition, wherever the operator runs.
func (c *Clients) EventQueue(queueURL string) *EventQueue {
	api := sqs.NewFromConfig(c.config, func(o *sqs.Options) {
		o.APIOptions = nil // the latency of a long poll would distort the metrics
		if region := regionOfQueue(queueURL); region != "" {
			o.Region = region
		}
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(pollTimeout)
		if c.config.HTTPClient != nil {
			if buildable, ok := c.config.HTTPClient.(*awshttp.BuildableClient); ok {
				o.HTTPClient = buildable.WithTimeout(pollTimeout)
			}
		}
	})
	return &EventQueue{api: api, url: queueURL, own: c.own}
}

var queueHost = regexp.MustCompile(`^(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.`)

// regionOfQueue returns the region in the URL of a queue, empty if it is not a URL of AWS.
func regionOfQueue(queueURL string) string {
	u, err := url.Parse(queueURL)
	if err != nil {
		return ""
	}
	if m := queueHost.FindStringSubmatch(u.Hostname()); m != nil {
		return m[1] + m[2]
	}
	return ""
}

// Receive returns up to ten messages. If wait is set, it waits up to longPoll for the first
// one.
func (q *EventQueue) Receive(ctx context.Context, wait bool) ([]driftevent.Message, error) {
	in := &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 10}
	if wait {
		in.WaitTimeSeconds = int32(longPoll / time.Second)
	}
	out, err := q.api.ReceiveMessage(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("receiving from the event queue: %w", q.stable("sqs:ReceiveMessage", err))
	}
	messages := make([]driftevent.Message, 0, len(out.Messages))
	for _, m := range out.Messages {
		messages = append(messages, driftevent.Message{Body: aws.ToString(m.Body), Receipt: aws.ToString(m.ReceiptHandle)})
	}
	return messages, nil
}

// Delete deletes messages. Messages that are not deleted are received again.
func (q *EventQueue) Delete(ctx context.Context, messages []driftevent.Message) error {
	for batch := range slices.Chunk(messages, 10) {
		in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.url}
		for i, m := range batch {
			in.Entries = append(in.Entries, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.Receipt)})
		}
		if _, err := q.api.DeleteMessageBatch(ctx, in); err != nil {
			return fmt.Errorf("deleting from the event queue: %w", q.stable("sqs:DeleteMessage", err))
		}
	}
	return nil
}

// stable returns an error whose text does not change between attempts. If an action is
// missing, it names the action.
func (q *EventQueue) stable(action string, err error) error {
	api, ok := apiErrorOf(err)
	switch {
	case !ok:
		return err
	case errorCodes[api.ErrorCode()].reason == accessDenied.reason:
		return &stableError{text: fmt.Sprintf("the operator is missing the permission %s on %s; see %s", action, q.url, readme), cause: err}
	default:
		return &stableError{text: fmt.Sprintf("%s: %s", api.ErrorCode(), api.ErrorMessage()), cause: err}
	}
}

// Own reports whether an access key is, or was, that of this process.
func (q *EventQueue) Own(accessKeyID string) bool { return q.own.has(accessKeyID) }

// sessions are the access keys with which the process has signed its calls. Keys of a role last
// an hour or more; CloudTrail reports a call within minutes.
type sessions struct {
	mu   sync.Mutex
	keys []string // newest last
}

// maxSessions is the number of access keys that are remembered.
const maxSessions = 16

func (s *sessions) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key == "" || slices.Contains(s.keys, key) {
		return
	}
	s.keys = append(s.keys, key)
	if len(s.keys) > maxSessions {
		s.keys = slices.Clone(s.keys[1:])
	}
}

func (s *sessions) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.keys, key)
}
