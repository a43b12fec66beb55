// Package driftevent parses CloudTrail's records of calls to IAM, as EventBridge sends them to a
// queue, and decides whether a record is about a change that another caller made to a role. A
// record is only a hint: any principal that may send to the queue can forge one, so it leads to a
// read of the role and to nothing else.
package driftevent

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"

	"github.com/podidentity/podidentity-operator/internal/fault"
)

// Record is one call to IAM as CloudTrail recorded it.
type Record struct {
	// ID is the same in all copies of a record: EventBridge and SQS deliver at least once.
	ID        string
	Account   string // the account whose role it is
	Role      string // the name of the role
	Path      string // the path of a role that the call created, empty for other calls
	Action    string // such as AttachRolePolicy
	Time      time.Time
	ErrorCode string // of a call that failed
	Caller    Caller
}

// Caller is who made a call.
type Caller struct {
	// Principal is the ARN, or else a name. It is one line of bounded length: a caller chooses
	// the name of its session.
	Principal string
	// AccessKeyID identifies the session.
	AccessKeyID string
}

// Class is what a record means for the operator.
type Class string

// The classes. All but Suspect need no action.
const (
	Suspect      Class = "Suspect"      // another caller changed a role
	OwnSession   Class = "OwnSession"   // the operator itself made the call
	OtherAccount Class = "OtherAccount" // the role is of another account
	OtherPath    Class = "OtherPath"    // the role is not under the operator's path
	NoChange     Class = "NoChange"     // the call failed, or changes no role
	Malformed    Class = "Malformed"    // it is not a record of CloudTrail
)

// Scope is what the operator is responsible for.
type Scope struct {
	Account string
	Path    string // of all roles of the operator
	// Own reports whether an access key is, or was, that of the operator's own session.
	Own func(accessKeyID string) bool
}

// changing are the calls that change what the operator compares, by the component that they
// change.
var changing = map[string]string{
	"AddRoleToInstanceProfile":      "instanceProfile",
	"AttachRolePolicy":              "managedPolicy",
	"CreateRole":                    "role",
	"DeleteRole":                    "role",
	"DeleteRolePermissionsBoundary": "boundary",
	"DeleteRolePolicy":              "inlinePolicy",
	"DetachRolePolicy":              "managedPolicy",
	"PutRolePermissionsBoundary":    "boundary",
	"PutRolePolicy":                 "inlinePolicy",
	"TagRole":                       "tags",
	"UntagRole":                     "tags",
	"UpdateAssumeRolePolicy":        "trust",
	"UpdateRole":                    "settings",
	"UpdateRoleDescription":         "settings",
}

// Component returns the component of an identity that the call changes, empty if it changes
// none.
func (r Record) Component() string { return changing[r.Action] }

// Actions returns the calls that change roles, for the EventBridge rule.
func Actions() []string {
	var names []string
	for name := range changing {
		names = append(names, name)
	}
	return names
}

// Classify returns what a record means.
func (s Scope) Classify(r Record) Class {
	switch {
	case r.Account != s.Account:
		return OtherAccount
	case r.ErrorCode != "" || r.Component() == "":
		return NoChange
	case r.Path != "" && r.Path != s.Path:
		return OtherPath
	case r.Caller.AccessKeyID != "" && s.Own(r.Caller.AccessKeyID):
		return OwnSession
	default:
		return Suspect
	}
}

// Limits of what is kept of a record.
const (
	maxPrincipal = 256
	maxName      = 128
)

// envelope is EventBridge's event about a call.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
type envelope struct {
	DetailType string `json:"detail-type"`
	Account    string `json:"account"`
	Detail     *struct {
		EventSource  string    `json:"eventSource"`
		EventName    string    `json:"eventName"`
		EventTime    time.Time `json:"eventTime"`
		EventID      string    `json:"eventID"`
		ErrorCode    string    `json:"errorCode"`
		Recipient    string    `json:"recipientAccountId"`
		UserIdentity struct {
			ARN         string `json:"arn"`
			UserName    string `json:"userName"`
			InvokedBy   string `json:"invokedBy"`
			PrincipalID string `json:"principalId"`
			AccessKeyID string `json:"accessKeyId"`
		} `json:"userIdentity"`
		RequestParameters *struct {
			RoleName string `json:"roleName"`
			Path     string `json:"path"`
		} `json:"requestParameters"`
	} `json:"detail"`
}

// errMalformed reports that a message is not a record of a call to IAM.
var errMalformed = errors.New("not an event of CloudTrail about a call to IAM")

// Parse reads the body of a message. All text of the record is one line of bounded length.
func Parse(body string) (Record, error) {
	var e envelope
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Detail == nil {
		return Record{}, errMalformed
	}
	d := e.Detail
	if d.EventSource != "iam.amazonaws.com" || d.EventName == "" || d.EventTime.IsZero() {
		return Record{}, errMalformed
	}
	r := Record{
		ID:        fault.Bound(d.EventID, maxName),
		Account:   cmp.Or(d.Recipient, e.Account),
		Action:    fault.Bound(d.EventName, maxName),
		Time:      d.EventTime.UTC(),
		ErrorCode: fault.Bound(d.ErrorCode, maxName),
		Caller:    Caller{AccessKeyID: d.UserIdentity.AccessKeyID},
	}
	who := d.UserIdentity
	r.Caller.Principal = fault.Bound(cmp.Or(who.ARN, who.UserName, who.InvokedBy, who.PrincipalID, "an unknown principal"), maxPrincipal)
	if p := d.RequestParameters; p != nil && len(p.RoleName) <= maxName {
		r.Role = p.RoleName
		if r.Action == "CreateRole" {
			r.Path = cmp.Or(p.Path, "/")
		}
	}
	if r.Component() != "" && r.Role == "" && r.ErrorCode == "" {
		return Record{}, errMalformed
	}
	return r, nil
}

// Message is a message of the queue.
type Message struct {
	Body    string
	Receipt string // with which it is deleted
}
