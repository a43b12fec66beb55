package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// Subject is who gets the permissions of a role.
type Subject struct {
	// Kind is PodIdentity, or ServiceAccount for one that is annotated with a role which
	// no PodIdentity manages.
	Kind            string   `json:"kind"`
	Namespace       string   `json:"namespace"`
	Name            string   `json:"name"`
	ServiceAccounts []string `json:"serviceAccounts"`
	RoleARN         string   `json:"roleARN,omitempty"`
	// Role is nil if it is not known; Problem states why.
	Role    *role.Role `json:"-"`
	Problem string     `json:"problem,omitempty"`
	// Rejection is why a guardrail, or the baseline, rejects the identity.
	Rejection string `json:"-"`
}

// The kinds of subjects.
const (
	KindPodIdentity    = "PodIdentity"
	KindServiceAccount = "ServiceAccount"
)

// Finding is something that an auditor should review.
type Finding struct {
	State   check.State `json:"state"`
	Kind    string      `json:"kind"`
	Message string      `json:"message"`
}

// The kinds of findings.
const (
	FindingEverything = "everything" // all actions on all resources
	FindingGuardrail  = "guardrail"
	FindingUnmanaged  = "unmanaged"
	FindingBroad      = "broad" // a wildcard on all resources
	FindingUnused     = "unused"
	FindingUnknown    = "unknown"
)

// Use is how recently a role was used.
type Use string

// The uses.
const (
	Used    Use = "used"
	Unused  Use = "unused" // not for a while
	Never   Use = "never"  // IAM has no record of a use, although the role has existed for a while
	New     Use = "new"    // not used yet
	Unknown Use = "unknown"
)

// Identity is what one subject can do.
type Identity struct {
	Subject

	Boundary string    `json:"boundary,omitempty"` // its ARN
	Created  time.Time `json:"created,omitzero"`
	LastUsed time.Time `json:"lastUsed,omitzero"`
	Use      Use       `json:"use"`
	// Services are those of the grants, sorted; * for all.
	Services []string  `json:"services"`
	Grants   []Grant   `json:"grants"`
	Findings []Finding `json:"findings"`
	// Answer is that to the question of the report, if it has one: then Grants are
	// those that may be about it.
	Answer Answer `json:"answer,omitempty"`
}

// Options are what a report is about.
type Options struct {
	Question Question
	// UnusedAfter is the time without use after which an identity is unused.
	UnusedAfter time.Duration
	Now         time.Time
}

// Report returns what the subjects can do, those without an answer left out.
func Report(subjects []Subject, o Options) []Identity {
	reader := NewReader()
	identities := []Identity{}
	for _, s := range subjects {
		if id := reader.identity(s, o); !o.Question.Asked() || id.Answer != No {
			identities = append(identities, id)
		}
	}
	return identities
}

func (r *Reader) identity(s Subject, o Options) Identity {
	id := Identity{Subject: s, Use: Unknown, Services: []string{}, Grants: []Grant{}, Findings: []Finding{}}
	if s.Role == nil {
		id.find(check.Unknown, FindingUnknown, s.Problem)
		if o.Question.Asked() && s.RoleARN != "" {
			id.Answer = Maybe
		}
		return id
	}
	id.Created, id.LastUsed, id.Use = s.Role.Created, s.Role.LastUsed, useOf(s.Role, o)
	if s.Role.Boundary != nil {
		id.Boundary = s.Role.Boundary.ARN
	}
	grants, unreadable := r.Grants(s.Role)
	id.addFindings(grants, unreadable, o)
	id.Grants = append(id.Grants, grants...)
	if o.Question.Asked() {
		id.Answer = r.Answer(o.Question, s.Role, grants)
		id.Grants = append([]Grant{}, o.Question.Matching(grants)...)
		if len(unreadable) > 0 && id.Answer == No {
			id.Answer = Maybe
		}
	}
	services := map[string]bool{}
	for _, g := range id.Grants {
		services[g.Service()] = true
	}
	id.Services = append(id.Services, slices.Sorted(maps.Keys(services))...)
	return id
}

func useOf(r *role.Role, o Options) Use {
	switch {
	case !r.LastUsed.IsZero() && o.Now.Sub(r.LastUsed) < o.UnusedAfter:
		return Used
	case !r.LastUsed.IsZero():
		return Unused
	case o.Now.Sub(r.Created) < o.UnusedAfter:
		return New
	default:
		return Never
	}
}

func (id *Identity) find(state check.State, kind, message string) {
	id.Findings = append(id.Findings, Finding{state, kind, message})
}

// addFindings adds what an auditor should review, the most serious first.
func (id *Identity) addFindings(grants []Grant, unreadable []string, o Options) {
	var broad []string
	all := false
	for _, g := range grants {
		if !g.OnEverything() || !g.Wildcard() || g.Conditional {
			continue
		}
		switch {
		case (g.Action == everything || g.Action == "*:*") && len(g.Limited)+len(g.Except) == 0:
			all = true
		case len(g.Except) > 0:
			broad = append(broad, g.Action+" except "+strings.Join(g.Except, ", "))
		default:
			broad = append(broad, g.Action)
		}
	}
	if all {
		id.find(check.Broken, FindingEverything, "may perform every action on every resource")
	}
	if id.Rejection != "" {
		id.find(check.Broken, FindingGuardrail, id.Rejection)
	}
	if id.Kind == KindServiceAccount {
		id.find(check.Warning, FindingUnmanaged, "no PodIdentity manages this role, so no guardrail limits it; see: kubectl podidentity import serviceaccount "+id.Namespace+"/"+id.Name)
	}
	if len(broad) > 0 && !all {
		slices.Sort(broad)
		id.find(check.Warning, FindingBroad, "wildcards on all resources: "+some(slices.Compact(broad)))
	}
	days := int(o.UnusedAfter / (24 * time.Hour))
	switch id.Use {
	case Unused:
		id.find(check.Warning, FindingUnused, fmt.Sprintf("not used for %d days", int(o.Now.Sub(id.LastUsed)/(24*time.Hour))))
	case Never:
		id.find(check.Warning, FindingUnused, fmt.Sprintf("never used in the %d days or more since it was created", days))
	case Used, New, Unknown:
	}
	for _, title := range unreadable {
		id.find(check.Unknown, FindingUnknown, title+" cannot be read")
	}
}

// maxShown bounds a message: a policy can hold hundreds of actions.
const maxShown = 5

func some(names []string) string {
	if len(names) <= maxShown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxShown], ", "), len(names)-maxShown)
}
