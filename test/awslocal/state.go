package awslocal

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// state is the content of the account. Entities are shared between states and never
// changed in place: a change replaces the entity with an edited copy.
type state struct {
	roles        map[string]*role            // by lower-case name
	policies     map[string]*managedPolicy   // by ARN; the account's own only
	profiles     map[string]*instanceProfile // by lower-case name
	providers    map[string]*oidcProvider    // by ARN
	clusters     map[string]*cluster         // by name
	associations map[string]*association     // by ID
	deletions    map[string]bool             // IDs of deletions of service-linked roles
}

func newState() *state { return (&state{}).clone() }

func (st *state) clone() *state {
	return &state{
		roles:        cloneMap(st.roles),
		policies:     cloneMap(st.policies),
		profiles:     cloneMap(st.profiles),
		providers:    cloneMap(st.providers),
		clusters:     cloneMap(st.clusters),
		associations: cloneMap(st.associations),
		deletions:    cloneMap(st.deletions),
	}
}

func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

type tag struct{ key, value string }

type role struct {
	name, id, path, arn string
	created             time.Time
	trust, description  string
	maxSession          int
	boundary            string // ARN, or empty
	tags                []tag
	inline              map[string]string // documents by policy name
	attached            []string          // ARNs in the order of attachment
	serviceLinked       bool
}

func (r *role) copy() *role {
	c := *r
	c.tags, c.attached, c.inline = slices.Clone(r.tags), slices.Clone(r.attached), cloneMap(r.inline)
	return &c
}

type managedPolicy struct {
	name, id, path, arn  string
	description          string
	created, updated     time.Time
	versions             []policyVersion // oldest first
	lastVersion          int
	tags                 []tag
	aws, serviceRoleOnly bool
}

type policyVersion struct {
	id, document string
	created      time.Time
	isDefault    bool
}

func (p *managedPolicy) copy() *managedPolicy {
	c := *p
	c.versions, c.tags = slices.Clone(p.versions), slices.Clone(p.tags)
	return &c
}

// defaultVersion returns the version in force.
func (p *managedPolicy) defaultVersion() policyVersion {
	i := slices.IndexFunc(p.versions, func(v policyVersion) bool { return v.isDefault })
	return p.versions[i]
}

type instanceProfile struct {
	name, id, path, arn string
	created             time.Time
	role                string // lower-case name, or empty
	tags                []tag
}

func (p *instanceProfile) copy() *instanceProfile {
	c := *p
	c.tags = slices.Clone(p.tags)
	return &c
}

type oidcProvider struct {
	arn, url    string // url without scheme
	created     time.Time
	clientIDs   []string
	thumbprints []string
	tags        []tag
}

func (p *oidcProvider) copy() *oidcProvider {
	c := *p
	c.clientIDs, c.thumbprints, c.tags = slices.Clone(p.clientIDs), slices.Clone(p.thumbprints), slices.Clone(p.tags)
	return &c
}

// sorted returns the values of m in the order of a key.
func sorted[V any](m map[string]V, key func(V) string) []V {
	return slices.SortedFunc(maps.Values(m), func(a, b V) int { return strings.Compare(key(a), key(b)) })
}
