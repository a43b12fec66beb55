package awslocal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// CloudTrail's records of writes to IAM, in the form in which EventBridge sends them to a
// queue.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html

// Events records each write to IAM, whatever its outcome, in a queue.
type Events struct {
	// Queue is the name of the queue, which is created if there is none; empty means no events.
	Queue string `json:"queue,omitempty"`
	// Delay is the time until a record arrives; CloudTrail documents minutes. Each takes
	// up to Spread longer, so that they arrive in another order.
	Delay  Duration `json:"delay,omitzero"`
	Spread Duration `json:"spread,omitzero"`
	// Duplicates is the number of additional copies of each record: delivery is at least
	// once.
	Duplicates int `json:"duplicates,omitzero"`
}

// ParseEvents reads Events in JSON; an unknown field is an error.
func ParseEvents(r io.Reader) (Events, error) {
	var e Events
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil && !errors.Is(err, io.EOF) {
		return e, err
	}
	return e, e.check()
}

// check reports the first invalid setting.
func (e Events) check() error {
	if e.Queue != "" && !queueName.MatchString(e.Queue) {
		return fmt.Errorf("events: queue %q: want 1 to 80 letters, digits, hyphens and underscores", e.Queue)
	}
	if min(e.Delay, e.Spread) < 0 || e.Duplicates < 0 || e.Duplicates > 100 {
		return errors.New("events: durations must not be negative, duplicates within 0 and 100")
	}
	return nil
}

// trail records Events.
type trail struct {
	srv    *Server
	mu     sync.Mutex
	events Events
}

func (t *trail) get() Events {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events
}

func (t *trail) set(e Events) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = e
	if e.Queue != "" {
		t.srv.queues.create(e.Queue)
	}
}

// record puts the record of a call into the queue.
func (t *trail) record(c *call, failure error) {
	e := t.get()
	if e.Queue == "" || c.service != "iam" {
		return
	}
	body, err := json.Marshal(c.event(failure))
	if err != nil {
		return // all of it is text
	}
	for range e.Duplicates + 1 {
		delay := time.Duration(e.Delay) + time.Duration(float64(e.Spread)*c.srv.random.float())
		c.srv.queues.send(e.Queue, &message{id: c.srv.random.uuid(), body: string(body), visible: c.now.Add(delay)})
	}
}

// event is EventBridge's event about a call.
func (c *call) event(failure error) map[string]any {
	o := c.srv.options
	at := c.now.UTC().Truncate(time.Second).Format(time.RFC3339)
	detail := map[string]any{
		"eventVersion":       "1.11",
		"userIdentity":       c.userIdentity(),
		"eventTime":          at,
		"eventSource":        "iam.amazonaws.com",
		"eventName":          c.action,
		"awsRegion":          "us-east-1",
		"sourceIPAddress":    c.requestKey("aws:SourceIp"),
		"userAgent":          c.http.UserAgent(),
		"requestParameters":  requestParameters(c.in),
		"responseElements":   nil,
		"requestID":          c.srv.random.uuid(),
		"eventID":            c.srv.random.uuid(),
		"readOnly":           false,
		"eventType":          "AwsApiCall",
		"managementEvent":    true,
		"recipientAccountId": o.Account,
		"eventCategory":      "Management",
	}
	if failure != nil {
		e := asAPIError(failure)
		detail["errorCode"], detail["errorMessage"] = e.Code+"Exception", e.Message
		if e.Code == "AccessDenied" || e.Code == "ValidationError" {
			detail["errorCode"] = e.Code
		}
	}
	return map[string]any{
		"version": "0", "id": c.srv.random.uuid(), "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam",
		"account": o.Account, "time": at, "region": "us-east-1", "resources": []any{}, "detail": detail,
	}
}

func (c *call) requestKey(name string) string {
	if values := c.requestKeys()[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// userIdentity is who made the call.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
func (c *call) userIdentity() map[string]any {
	identity := map[string]any{
		"principalId": c.caller.userID, "arn": c.caller.arn, "accountId": c.caller.account(), "accessKeyId": c.accessKey,
	}
	ses := c.caller.session
	if ses == nil {
		_, kind := c.caller.principal()
		identity["type"] = map[string]string{"User": "IAMUser", "Account": "Root", "AssumedRole": "AssumedRole"}[kind]
		if kind == "User" {
			identity["userName"] = c.caller.arn[strings.LastIndex(c.caller.arn, "/")+1:]
		}
		return identity
	}
	identity["type"] = "AssumedRole"
	identity["sessionContext"] = map[string]any{
		"sessionIssuer": map[string]any{
			"type": "Role", "principalId": ses.role.id, "arn": ses.role.arn, "accountId": c.caller.account(), "userName": ses.role.name,
		},
		"attributes": map[string]any{"creationDate": ses.issued.UTC().Format(time.RFC3339), "mfaAuthenticated": "false"},
	}
	return identity
}

// requestParameters are the members of an input as CloudTrail writes them.
func requestParameters(in model.Struct) map[string]any {
	out := map[string]any{}
	for name, value := range in {
		out[strings.ToLower(name[:1])+name[1:]] = parameterOf(value)
	}
	return out
}

func parameterOf(value any) any {
	switch v := value.(type) {
	case model.Struct:
		return requestParameters(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = parameterOf(e)
		}
		return list
	}
	return value
}
