// Package narrow finds permissions of an identity that its pods do not use, by IAM's
// last-accessed information. It is pure.
//
// IAM records for every service whether it was used, and for some actions, most of them
// management actions, whether they were: what it does not record is kept.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
package narrow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Service is the use of one service.
type Service struct {
	LastUsed time.Time // zero if it was not used
	// Actions are the recorded ones, as IAM spells them; the time is zero if it was not
	// used.
	Actions map[string]time.Time
}

// Facts are what is known about the use of an identity's role.
type Facts struct {
	// Services are all that the policies of the role allow, by prefix, such as s3.
	Services map[string]Service
	// Managed holds the documents of managed policies by ARN.
	Managed map[string]role.Document
	// Created is when the role was created.
	Created, Now time.Time
	// ReplaceWildcards replaces a wildcard by its recorded actions that were used. It
	// takes away what IAM does not record.
	ReplaceWildcards bool
}

// Removal is a permission that would go.
type Removal struct {
	Policy string `json:"policy"`
	Action string `json:"action,omitempty"` // empty for a whole managed policy
	Why    string `json:"why"`
	// Instead are the actions that take the place of a wildcard.
	Instead []string `json:"instead,omitempty"`
}

// Kept is a permission that stays although it may be too wide.
type Kept struct {
	Policy string `json:"policy"`
	Action string `json:"action,omitempty"`
	Why    string `json:"why"`
}

// Suggestion is a narrower set of policies.
type Suggestion struct {
	Policies v1alpha1.PoliciesSpec `json:"-"`
	Removals []Removal             `json:"removals"`
	Kept     []Kept                `json:"kept"`
	Notes    []string              `json:"notes,omitempty"`
}

// youngRole is the age below which a role may not have done all that it does.
const youngRole = 90 * 24 * time.Hour

// Suggest returns the policies of an identity without what its pods do not use.
func Suggest(pi *v1alpha1.PodIdentity, f Facts) Suggestion {
	s := Suggestion{Removals: []Removal{}, Kept: []Kept{}}
	for _, arn := range pi.Spec.Policies.Managed {
		if s.keepManaged(string(arn), f) {
			s.Policies.Managed = append(s.Policies.Managed, arn)
		}
	}
	for _, in := range pi.Spec.Policies.Inline {
		if narrowed, ok := s.inline(*in.DeepCopy(), f); ok {
			s.Policies.Inline = append(s.Policies.Inline, narrowed)
		}
	}
	if age := f.Now.Sub(f.Created); !f.Created.IsZero() && age < youngRole {
		s.Notes = append(s.Notes, fmt.Sprintf("the role is %d days old: what its pods do less often may not have happened yet", int(age/(24*time.Hour))))
	}
	if !slices.ContainsFunc(services(f), func(name string) bool { return !f.Services[name].LastUsed.IsZero() }) {
		s.Notes = append(s.Notes, "IAM has no record that the role was ever used: perhaps no workload needs the identity")
	}
	return s
}

func services(f Facts) []string {
	var names []string
	for name := range f.Services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// keepManaged reports whether a managed policy stays: it goes if none of its services
// was used.
func (s *Suggestion) keepManaged(arn string, f Facts) bool {
	title := "managed policy " + arn[strings.LastIndexByte(arn, '/')+1:]
	parsed, err := f.Managed[arn].Policy()
	if err != nil {
		s.Kept = append(s.Kept, Kept{Policy: title, Why: "its contents are not known"})
		return true
	}
	var used, unused []string
	for _, statement := range parsed.Statements {
		if statement.Effect == policy.Deny {
			continue
		}
		for _, action := range statement.Actions {
			service, _, _ := strings.Cut(action, ":")
			if known, ok := f.Services[strings.ToLower(service)]; ok && known.LastUsed.IsZero() {
				unused = append(unused, service)
			} else {
				used = append(used, service)
			}
		}
		if statement.NotActions != nil {
			used = append(used, "*")
		}
	}
	unused = compact(unused)
	switch {
	case len(used) == 0 && len(unused) > 0:
		s.Removals = append(s.Removals, Removal{Policy: title, Why: "none of its services was used: " + strings.Join(unused, ", ")})
		return false
	case len(unused) > 0:
		s.Kept = append(s.Kept, Kept{Policy: title, Why: "it also allows services that were not used: " + strings.Join(unused, ", ")})
	}
	return true
}

func compact(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// inline narrows an inline policy. It reports false if nothing of it is left.
func (s *Suggestion) inline(in v1alpha1.InlinePolicy, f Facts) (v1alpha1.InlinePolicy, bool) {
	title := "inline policy " + in.Name
	if in.Document != "" {
		return s.document(in, title, f)
	}
	kept := in.Statements[:0]
	allows := false
	for _, statement := range in.Statements {
		if statement.Effect == v1alpha1.Effect(policy.Allow) && len(statement.Actions) > 0 {
			narrowed := s.actions(title, texts(statement.Actions), f)
			if len(narrowed) == 0 {
				continue
			}
			statement.Actions = statement.Actions[:0]
			for _, action := range narrowed {
				statement.Actions = append(statement.Actions, v1alpha1.Action(action))
			}
		}
		allows = allows || statement.Effect == v1alpha1.Effect(policy.Allow)
		kept = append(kept, statement)
	}
	in.Statements = kept
	return in, allows || len(kept) > 0 && !hadAllow(s.Removals, title)
}

// hadAllow reports whether something of a policy was removed: what is left of it then,
// statements that deny, denies nothing that anything allows.
func hadAllow(removals []Removal, title string) bool {
	return slices.ContainsFunc(removals, func(r Removal) bool { return r.Policy == title })
}

func texts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// document narrows an inline policy that is a document. One in which nothing goes stays
// as its author wrote it.
func (s *Suggestion) document(in v1alpha1.InlinePolicy, title string, f Facts) (v1alpha1.InlinePolicy, bool) {
	parsed, err := policy.Decode([]byte(in.Document))
	if err != nil {
		s.Kept = append(s.Kept, Kept{Policy: title, Why: "it cannot be read"})
		return in, true
	}
	before := len(s.Removals)
	var kept []policy.Statement
	allows := false
	for _, statement := range parsed.Statements {
		if statement.Effect == policy.Allow && len(statement.Actions) > 0 {
			if statement.Actions = s.actions(title, statement.Actions, f); len(statement.Actions) == 0 {
				continue
			}
		}
		allows = allows || statement.Effect == policy.Allow
		kept = append(kept, statement)
	}
	if len(s.Removals) == before {
		return in, true
	}
	parsed.Statements = kept
	in.Document = string(parsed.Document())
	return in, allows
}

// actions returns what stays of a list of actions, and records the rest.
func (s *Suggestion) actions(title string, actions []string, f Facts) []string {
	var kept []string
	for _, action := range actions {
		v := decide(action, f)
		switch {
		case v.removed:
			s.Removals = append(s.Removals, Removal{Policy: title, Action: action, Why: v.why, Instead: v.instead})
			kept = append(kept, v.instead...)
		case v.why != "":
			s.Kept = append(s.Kept, Kept{Policy: title, Action: action, Why: v.why})
			kept = append(kept, action)
		default:
			kept = append(kept, action)
		}
	}
	return unique(kept)
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// decision is what happens to an action.
type decision struct {
	removed bool
	why     string
	instead []string
}

func decide(action string, f Facts) decision {
	prefix, name, ok := strings.Cut(action, ":")
	service, known := f.Services[strings.ToLower(prefix)]
	switch {
	case !ok || policy.IsPattern(prefix):
		return decision{why: "a wildcard for services; services used: " + orNone(usedServices(f))}
	case !known:
		return decision{why: "IAM's report does not contain the service " + prefix}
	case service.LastUsed.IsZero():
		return decision{removed: true, why: "the service " + prefix + " was not used"}
	case policy.IsPattern(name):
		return wildcard(action, prefix, service, f)
	}
	for recorded, at := range service.Actions {
		switch {
		case !strings.EqualFold(recorded, name):
		case at.IsZero():
			return decision{removed: true, why: "it was not used"}
		default:
			return decision{}
		}
	}
	return decision{why: "IAM does not record this action, only that the service " + prefix + " was last used on " + date(service.LastUsed)}
}

// wildcard returns the decision on a pattern of actions of a service that was used.
func wildcard(action, prefix string, service Service, f Facts) decision {
	matching := policy.NewDenylist(policy.AnyCase, action)
	var used []string
	for recorded, at := range service.Actions {
		if full := prefix + ":" + recorded; !at.IsZero() && matching.Overlaps(full) {
			used = append(used, full)
		}
	}
	slices.Sort(used)
	if f.ReplaceWildcards {
		why := "no recorded action of it was used"
		if len(used) > 0 {
			why = "of its recorded actions, only these were used"
		}
		return decision{removed: true, why: why, instead: used}
	}
	return decision{why: "a wildcard; recorded actions used: " + orNone(used)}
}

func usedServices(f Facts) []string {
	var used []string
	for _, name := range services(f) {
		if !f.Services[name].LastUsed.IsZero() {
			used = append(used, name)
		}
	}
	return used
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
