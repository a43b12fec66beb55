package awslocal

import (
	"crypto/md5" //nolint:gosec // SQS's own check of what was sent
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Queues of SQS, as far as a consumer of events needs them: standard queues, with long polls
// and visibility timeouts.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/

// queues are the queues of the account, by name.
type queues struct {
	mu     sync.Mutex
	byName map[string]*queue
	// changed is closed and replaced when a message arrives.
	changed chan struct{}
}

type queue struct {
	name     string
	messages []*message
}

type message struct {
	id, body string
	visible  time.Time // from when on it can be received
	receipt  string    // of the latest receive
	received int
}

// defaultVisibility is how long a message is hidden from others after it was received.
const defaultVisibility = 30 * time.Second

func newQueues() *queues { return &queues{byName: map[string]*queue{}, changed: make(chan struct{})} }

func (s *queues) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byName = map[string]*queue{}
}

// create creates the queue of a name, if there is none.
func (s *queues) create(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name] == nil {
		s.byName[name] = &queue{name: name}
	}
}

// send puts a message into a queue, and reports whether the queue exists.
func (s *queues) send(name string, m *message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byName[name]
	if q == nil {
		return false
	}
	q.messages = append(q.messages, m)
	close(s.changed)
	s.changed = make(chan struct{})
	return true
}

// take receives at most that many visible messages. If there are none, it returns the
// time at which the next one becomes visible, zero if there is none, and a channel that
// is closed when another one arrives.
func (s *queues) take(name string, most int, now time.Time, hide time.Duration, receipt func() string) (taken []*message, next time.Time, changed <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byName[name]
	if q == nil {
		return nil, time.Time{}, nil, false
	}
	for _, m := range q.messages {
		switch {
		case m.visible.After(now):
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
		case len(taken) < most:
			m.visible, m.receipt = now.Add(hide), receipt()
			m.received++
			copied := *m
			taken = append(taken, &copied)
		}
	}
	return taken, next, s.changed, true
}

// remove deletes the message of a receipt, and reports whether the queue exists. For a
// receipt that is not the latest, SQS may or may not delete the message; here it does.
func (s *queues) remove(name, receipt string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byName[name]
	if q == nil {
		return false
	}
	id, _, _ := strings.Cut(receipt, "/")
	for i, m := range q.messages {
		if m.id == id {
			q.messages = append(q.messages[:i], q.messages[i+1:]...)
			break
		}
	}
	return true
}

// QueueLength returns the number of messages in a queue, received or not.
func (s *Server) QueueLength(name string) int {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	if q := s.queues.byName[name]; q != nil {
		return len(q.messages)
	}
	return 0
}

// SendToQueue puts a message into a queue, which must exist, as any permitted sender can.
func (s *Server) SendToQueue(name, body string) bool {
	return s.queues.send(name, &message{id: s.random.uuid(), body: body, visible: s.now()})
}

func sqsOperations() map[string]operation {
	return map[string]operation{
		"CreateQueue":        read(createQueue),
		"SendMessage":        read(sendMessage),
		"ReceiveMessage":     read(receiveMessage),
		"DeleteMessageBatch": read(deleteMessageBatch),
	}
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func createQueue(c *call) (model.Struct, error) {
	name := c.in.Str("QueueName")
	switch {
	case !queueName.MatchString(name):
		return nil, model.Errorf("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	case len(c.in.Struct("Attributes")) > 0:
		return nil, model.Errorf("UnsupportedOperation", "awslocal has queues with default attributes only")
	}
	c.srv.queues.create(name)
	return model.Struct{"QueueUrl": fmt.Sprintf("http://%s/%s/%s", c.http.Host, c.srv.options.Account, name)}, nil
}

// nameOfQueue is the name in the URL of a queue.
func nameOfQueue(url string) string { return url[strings.LastIndex(url, "/")+1:] }

func (c *call) queueARN(name string) string {
	o := c.srv.options
	return "arn:" + o.Partition + ":sqs:" + o.Region + ":" + o.Account + ":" + name
}

func noQueue() error {
	return model.Errorf("QueueDoesNotExist", "The specified queue does not exist.")
}

func sendMessage(c *call) (model.Struct, error) {
	m := &message{
		id: c.srv.random.uuid(), body: c.in.Str("MessageBody"),
		visible: c.now.Add(time.Duration(c.in.Int("DelaySeconds", 0)) * time.Second),
	}
	if m.body == "" {
		return nil, model.Errorf("InvalidParameterValue", "The request must contain the parameter MessageBody.")
	}
	if !c.srv.queues.send(nameOfQueue(c.in.Str("QueueUrl")), m) {
		return nil, noQueue()
	}
	return model.Struct{"MessageId": m.id, "MD5OfMessageBody": md5Of(m.body)}, nil
}

func md5Of(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // SQS's own check of what was sent
	return hex.EncodeToString(sum[:])
}

// receiveMessage waits for the first message, if the call requests it.
func receiveMessage(c *call) (model.Struct, error) {
	most, wait := c.in.Int("MaxNumberOfMessages", 1), c.in.Int("WaitTimeSeconds", 0)
	if most < 1 || most > 10 {
		return nil, model.Errorf("InvalidParameterValue", "Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", most)
	}
	if wait < 0 || wait > 20 {
		return nil, model.Errorf("InvalidParameterValue", "Value %d for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", wait)
	}
	hide := time.Duration(c.in.Int("VisibilityTimeout", int(defaultVisibility/time.Second))) * time.Second
	deadline := time.After(time.Duration(wait) * time.Second)
	name := nameOfQueue(c.in.Str("QueueUrl"))
	for {
		now := c.srv.now()
		taken, next, changed, ok := c.srv.queues.take(name, most, now, hide, c.srv.random.uuid)
		switch {
		case !ok:
			return nil, noQueue()
		case len(taken) > 0 || wait == 0:
			return messagesOf(taken), nil
		}
		var visible <-chan time.Time
		if !next.IsZero() {
			visible = time.After(next.Sub(now))
		}
		select {
		case <-changed:
		case <-visible:
		case <-deadline:
			return model.Struct{}, nil
		case <-c.Done():
			return nil, &connectionResetError{}
		}
	}
}

func messagesOf(taken []*message) model.Struct {
	if len(taken) == 0 {
		return model.Struct{}
	}
	items := []any{}
	for _, m := range taken {
		items = append(items, model.Struct{"MessageId": m.id, "ReceiptHandle": m.id + "/" + m.receipt, "Body": m.body, "MD5OfBody": md5Of(m.body)})
	}
	return model.Struct{"Messages": items}
}

func deleteMessageBatch(c *call) (model.Struct, error) {
	entries := c.in.Structs("Entries")
	switch {
	case len(entries) == 0:
		return nil, model.Errorf("EmptyBatchRequest", "There should be at least one DeleteMessageBatchRequestEntry in the request.")
	case len(entries) > 10:
		return nil, model.Errorf("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(entries))
	}
	ids, done := map[string]bool{}, []any{}
	for _, e := range entries {
		if ids[e.Str("Id")] {
			return nil, model.Errorf("BatchEntryIdsNotDistinct", "Id %s repeated.", e.Str("Id"))
		}
		ids[e.Str("Id")] = true
	}
	for _, e := range entries {
		if !c.srv.queues.remove(nameOfQueue(c.in.Str("QueueUrl")), e.Str("ReceiptHandle")) {
			return nil, noQueue()
		}
		done = append(done, model.Struct{"Id": e.Str("Id")})
	}
	return model.Struct{"Successful": done, "Failed": []any{}}, nil
}
