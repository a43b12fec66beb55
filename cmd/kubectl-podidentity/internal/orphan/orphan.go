// Package orphan decides which roles of a cluster have no PodIdentity, by the rules of
// the operator. It is pure: the roles and objects are read elsewhere.
package orphan

import (
	"fmt"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/forecast"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// State distinguishes roles that were left behind from those that were kept.
type State string

// The states.
const (
	// Leaked roles should have been deleted with their object.
	Leaked State = "leaked"
	// Retained roles were kept by deletionPolicy: Retain.
	Retained State = "retained"
)

// Orphan is a role of the cluster without a PodIdentity.
type Orphan struct {
	Name        string    `json:"name"`
	ARN         string    `json:"arn"`
	ID          string    `json:"id"`
	Namespace   string    `json:"namespace"`   // of the PodIdentity that owned it
	PodIdentity string    `json:"podIdentity"` // its name
	UID         string    `json:"uid"`         // its UID
	State       State     `json:"state"`
	RetainedAt  string    `json:"retainedAt,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	LastUsed    time.Time `json:"lastUsed,omitzero"`
	// Assumable reports that the trust policy admits a principal.
	Assumable bool `json:"assumable"`
	// Policies are those that the role still has.
	Policies []string `json:"policies"`
}

// Find returns the roles of the cluster that no object with one of these UIDs owns,
// sorted by name. A role with another cluster's ID is never one of them. The UIDs must
// be read after the roles: an identity that was created in between has a role that is
// not in the list, while one that was read before would lack its object.
func Find(cluster plan.Cluster, roles []role.Role, uids map[string]bool) []Orphan {
	byID := map[string]*role.Role{}
	for i := range roles {
		byID[roles[i].ID] = &roles[i]
	}
	found := []Orphan{}
	for _, o := range snapshot(roles).Orphans(cluster, uids) {
		r := byID[o.ID]
		one := Orphan{
			Name: o.Name, ARN: o.ARN, ID: o.ID, Namespace: o.Namespace, PodIdentity: o.Object, UID: o.Tags[plan.TagUID],
			State: Leaked, RetainedAt: o.Tags[plan.TagRetainedAt], Created: r.Created, LastUsed: r.LastUsed,
			Assumable: !o.Sealed(), Policies: []string{},
		}
		if o.Retained {
			one.State = Retained
		}
		for _, p := range r.Policies {
			one.Policies = append(one.Policies, p.Title())
		}
		found = append(found, one)
	}
	return found
}

// OfOtherCluster returns the names of the roles that another cluster of the same name
// created.
func OfOtherCluster(cluster plan.Cluster, roles []role.Role) []string {
	return snapshot(roles).OfOtherCluster(cluster)
}

func snapshot(roles []role.Role) plan.RoleSnapshot {
	s := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
	for i := range roles {
		s.Add(forecast.Observed(&roles[i], nil))
	}
	return s
}

// Selection is which orphans a user wants to delete.
type Selection struct {
	Names    []string // empty: all leaked ones
	Retained bool     // without names: also the retained ones
}

// Select returns the selected ones of all orphans. A name that is not among them is
// an error.
func (s Selection) Select(all []Orphan) ([]Orphan, error) {
	if len(s.Names) == 0 {
		selected := []Orphan{}
		for _, o := range all {
			if o.State == Leaked || s.Retained {
				selected = append(selected, o)
			}
		}
		return selected, nil
	}
	return Named(all, s.Names)
}

// Named returns the orphans of these names, all if there is none.
func Named(all []Orphan, names []string) ([]Orphan, error) {
	if len(names) == 0 {
		return all, nil
	}
	byName := map[string]Orphan{}
	for _, o := range all {
		byName[o.Name] = o
	}
	selected := []Orphan{}
	for _, name := range names {
		o, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("role %s is not an orphan of this cluster: it does not exist, has a PodIdentity, or has another owner", name)
		}
		delete(byName, name)
		selected = append(selected, o)
	}
	return selected, nil
}

// Changed returns why a role that was an orphan must be left, "" if it still is the
// same orphan: now is the role as it is, nil if it does not exist, and uid is that of
// the object of its owner's name, "" if there is none.
func (o Orphan) Changed(cluster plan.Cluster, now *role.Role, uid string) string {
	switch {
	case now == nil:
		return "the role has already been deleted"
	case now.ID != o.ID:
		return "another role has this name now"
	case uid != "" && uid == now.Tags[plan.TagUID]:
		return "it has a PodIdentity now"
	}
	again := Find(cluster, []role.Role{*now}, nil)
	if len(again) == 0 || again[0].UID != o.UID {
		return "its tags name another owner now"
	}
	if again[0].State != o.State {
		return "it has been retained since"
	}
	return ""
}

// Teardown returns the changes that delete a role with these attachments.
func Teardown(r *role.Role, managed, inline, instanceProfiles []string) []plan.Change {
	observed := forecast.Observed(r, nil)
	observed.Managed, observed.Inline, observed.InstanceProfiles = managed, map[string]plan.InlinePolicy{}, instanceProfiles
	for _, name := range inline {
		observed.Inline[name] = plan.InlinePolicy{}
	}
	return plan.Teardown(observed)
}
