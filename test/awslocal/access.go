package awslocal

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// trackingPeriod is how far IAM's records of use go back.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html#last-accessed_tracking-period
const trackingPeriod = 400 * 24 * time.Hour

// use is the last time that something was used.
type use struct {
	at     time.Time
	region string
}

// usage is what IAM records of the use of one role: requests that were signed with
// its credentials, whether they were allowed or not. Assuming a role does not count as a use.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateServiceLastAccessedDetails.html
type usage struct {
	services map[string]use            // by service
	actions  map[string]map[string]use // of the tracked actions; zero if not used; by service and action
}

// Access is one use of a role, which is reported to the endpoint because it does not
// serve all of AWS.
type Access struct {
	Role   string    `json:"role"`   // its name
	Action string    `json:"action"` // service:Name
	At     time.Time `json:"at,omitzero"`
	Region string    `json:"region,omitempty"` // default: that of the endpoint
	// Untracked is true for an action of which IAM records only that its service was
	// used, as for S3's objects. A tracked one without At was never used.
	Untracked bool `json:"untracked,omitzero"`
}

// Record adds uses of roles to IAM's records. It returns an error for the first use that
// is invalid, or whose role does not exist, and then records none.
func (s *Server) Record(all ...Access) error {
	st := s.view(0)
	for _, a := range all {
		service, name, ok := strings.Cut(a.Action, ":")
		switch {
		case st.roles[strings.ToLower(a.Role)] == nil:
			return fmt.Errorf("role %q does not exist", a.Role)
		case !ok || service == "" || name == "":
			return fmt.Errorf("action %q: want service:Name", a.Action)
		case a.At.IsZero() && a.Untracked:
			return errors.New("a use that is not tracked needs a time")
		}
	}
	for _, a := range all {
		service, name, _ := strings.Cut(a.Action, ":")
		region := a.Region
		if region == "" {
			region = s.options.Region
		}
		s.recordUse(st.roles[strings.ToLower(a.Role)].id, service, name, use{a.At, region}, !a.Untracked)
	}
	return nil
}

// recordCaller records that the caller's role was used, now.
func (c *call) recordCaller(region string) {
	if c.caller.session == nil {
		return
	}
	if region == "" {
		region = c.srv.options.Region
	}
	c.srv.recordUse(c.caller.session.role.id, c.service, c.action, use{c.now, region}, !onData(c.service, c.action))
}

// onData reports whether an action is one on data, such as the messages of SQS. Of these,
// IAM records only that the service was used.
func onData(service, action string) bool {
	return service == "sqs" && strings.Contains(action, "Message")
}

func (s *Server) recordUse(role, service, action string, u use, tracked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.usages[role]
	if of == nil {
		of = &usage{services: map[string]use{}, actions: map[string]map[string]use{}}
		s.usages[role] = of
	}
	if u.at.After(of.services[service].at) {
		of.services[service] = u
	}
	if !tracked {
		return
	}
	if of.actions[service] == nil {
		of.actions[service] = map[string]use{}
	}
	if before, known := of.actions[service][action]; !known || u.at.After(before.at) {
		of.actions[service][action] = u
	}
}

// lastUsed is a role's RoleLastUsed, which is empty for a role that was not used in
// the tracking period.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html
func (c *call) lastUsed(r *role) model.Struct {
	var last use
	c.srv.mu.Lock()
	if of := c.srv.usages[r.id]; of != nil {
		for _, u := range of.services {
			if u.at.After(last.at) {
				last = u
			}
		}
	}
	c.srv.mu.Unlock()
	if !c.tracked(last) {
		return model.Struct{}
	}
	return model.Struct{"LastUsedDate": last.at, "Region": last.region}
}

// tracked reports whether a use lies in the tracking period.
func (c *call) tracked(u use) bool { return !u.at.IsZero() && c.now.Sub(u.at) <= trackingPeriod }
