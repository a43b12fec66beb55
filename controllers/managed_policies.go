package controllers

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/queue"
)

// policyReader reads managed policies.
type policyReader interface {
	// ManagedPolicyVersion returns the default version of a managed policy.
	ManagedPolicyVersion(ctx context.Context, arn string) (string, error)
	// ManagedPolicy returns one version of a managed policy.
	ManagedPolicy(ctx context.Context, arn, version string) (plan.ManagedPolicy, error)
	// ManagedPolicyVersions returns the default versions of all managed policies that
	// are attached, by ARN. It costs one call for each thousand of them.
	ManagedPolicyVersions(ctx context.Context) (map[string]string, error)
}

// The time until a managed policy is read again: after a failure, and the minimum
// between two reads that users request.
const (
	policyRetryInterval   = 5 * time.Second
	policyRequestInterval = 10 * time.Second
)

// managedPolicies caches the contents of managed policies, which all identities
// share. A policy is read at its first use; drift checks find out whether its
// default version has changed. It is safe for concurrent use.
type managedPolicies struct {
	reader policyReader
	clock  clock.PassiveClock
	// blocked receives the policies that can be read; it may be nil.
	blocked *queue.Blocked

	mu      sync.Mutex
	entries map[string]*policyEntry
}

// policyEntry is one policy of the cache.
type policyEntry struct {
	cache ttlCache[policyVersion]

	mu sync.Mutex
	// version is the one that was read last, or that the last drift check found; empty
	// if it is not known.
	version string
	read    bool // whether version was read
	// contents are those of version, if it was read.
	contents guardrail.Contents
}

type policyVersion struct{ contents guardrail.Contents }

func newManagedPolicies(reader policyReader, c clock.PassiveClock) *managedPolicies {
	return &managedPolicies{reader: reader, clock: c, entries: map[string]*policyEntry{}}
}

// contents returns the contents of managed policies, by ARN. If a user requested the
// reconciliation, it reads them again, unless they were read just now.
func (m *managedPolicies) contents(ctx context.Context, arns []string, requested bool) map[string]guardrail.Contents {
	if len(arns) == 0 {
		return nil
	}
	contents := map[string]guardrail.Contents{}
	for _, arn := range arns {
		entry := m.entry(arn)
		switch {
		case requested:
			entry.expire(m.clock, policyRequestInterval)
		case released(ctx):
			entry.expire(m.clock, math.MaxInt64) // this attempt finds out whether a failure has ended
		}
		found, err := entry.cache.get(ctx, m.clock, ttls{success: math.MaxInt64, failure: policyRetryInterval}, func(ctx context.Context) (policyVersion, error) {
			return m.read(ctx, arn, entry)
		})
		if err != nil {
			contents[arn] = guardrail.Unreadable(err)
		} else {
			contents[arn] = found.contents
		}
	}
	return contents
}

func (m *managedPolicies) entry(arn string) *policyEntry {
	m.mu.Lock()
	defer m.mu.Unlock()
	entry := m.entries[arn]
	if entry == nil {
		entry = &policyEntry{}
		m.entries[arn] = entry
	}
	return entry
}

// read reads the default version of a policy.
func (m *managedPolicies) read(ctx context.Context, arn string, entry *policyEntry) (policyVersion, error) {
	version := entry.unread()
	if version == "" {
		var err error
		if version, err = m.reader.ManagedPolicyVersion(ctx, arn); err != nil {
			return policyVersion{}, err
		}
		m.resolve(ctx, plan.MissingPolicy(arn), plan.ReadPermission("GetPolicy"))
		if contents, ok := entry.contentsOf(version); ok {
			return policyVersion{contents}, nil
		}
	}
	found, err := m.reader.ManagedPolicy(ctx, arn, version)
	if err != nil {
		entry.forget()
		return policyVersion{}, err
	}
	m.resolve(ctx, plan.ReadPermission("GetPolicyVersion"))
	return policyVersion{entry.store(version, guardrail.ReadContents(found.Document))}, nil
}

// resolve queues the identities that wait for a policy, or for the permission to read
// it.
func (m *managedPolicies) resolve(ctx context.Context, causes ...string) {
	if m.blocked == nil {
		return
	}
	a, _ := ctx.Value(attemptKey{}).(attempt)
	for _, cause := range causes {
		m.blocked.Succeed(a.request, cause)
	}
}

// exists returns an error if there is no managed policy of that ARN. A policy that was
// read before costs no call. If the operator fails to find out, it returns nil: AWS
// answers when the policy is attached.
func (m *managedPolicies) exists(ctx context.Context, arn string) error {
	if m.entry(arn).known() {
		return nil
	}
	_, err := m.reader.ManagedPolicyVersion(ctx, arn)
	if fault.ReasonOf(err, "") != v1alpha1.ReasonPolicyNotFound {
		return nil
	}
	return err
}

// contentsOf returns the contents of a version, if it is the one that was read last.
func (e *policyEntry) contentsOf(version string) (guardrail.Contents, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.contents, e.read && e.version == version
}

// unread returns the default version if it is known and was not read yet.
func (e *policyEntry) unread() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.read {
		return ""
	}
	return e.version
}

func (e *policyEntry) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.version, e.read = "", false
}

func (e *policyEntry) store(version string, contents guardrail.Contents) guardrail.Contents {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.version, e.read, e.contents = version, true, contents
	return contents
}

// update records the default version that a drift check found, and reports whether
// contents that were read before are outdated.
func (e *policyEntry) update(version string) (outdated bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.version == version && e.read {
		return false
	}
	outdated = e.read
	e.version, e.read = version, false
	return outdated
}

// expire makes the next use read the policy again if the last read is older than
// age, or failed.
func (e *policyEntry) expire(now clock.PassiveClock, age time.Duration) { e.cache.invalidate(now, age) }

// retain drops the policies that no identity uses.
func (m *managedPolicies) retain(used map[string][]*v1alpha1.PodIdentity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for arn := range m.entries {
		if used[arn] == nil {
			delete(m.entries, arn)
		}
	}
}

// refresh finds out the default versions of policies, and returns those of the
// policies whose contents have changed since they were read.
func (m *managedPolicies) refresh(ctx context.Context, arns []string) ([]string, error) {
	versions, err := m.reader.ManagedPolicyVersions(ctx)
	if err != nil && fault.ReasonOf(err, "") != v1alpha1.ReasonAccessDenied {
		return nil, err
	}
	var changed []string
	for _, arn := range arns {
		entry := m.entry(arn)
		version, listed := versions[arn]
		if !listed && entry.known() {
			version, err = m.reader.ManagedPolicyVersion(ctx, arn)
			if err != nil && fault.KindOf(err) == fault.Transient {
				continue // the next drift check finds out
			}
		}
		if (listed || entry.known()) && entry.update(version) {
			entry.expire(m.clock, -1)
			changed = append(changed, arn)
		}
	}
	return changed, nil
}

func (e *policyEntry) known() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.read
}

// checkPolicies queues the identities whose managed policies have changed, whatever
// their state: a policy that grants more may exceed a guardrail.
func (d *driftChecker) checkPolicies(ctx context.Context, identities []v1alpha1.PodIdentity) {
	used := map[string][]*v1alpha1.PodIdentity{} // by ARN
	for i := range identities {
		for _, arn := range identities[i].Spec.Policies.Managed {
			used[string(arn)] = append(used[string(arn)], &identities[i])
		}
	}
	d.policies.retain(used)
	if len(used) == 0 {
		return
	}
	changed, err := d.policies.refresh(ctx, slices.Sorted(maps.Keys(used)))
	if err != nil {
		logf.FromContext(ctx).Error(err, "Failed to check managed policies for new versions, retrying at the next drift check")
	}
	for _, arn := range changed {
		logf.FromContext(ctx).Info("Managed policy has a new default version", "policy", arn, "identities", len(used[arn]))
		for _, obj := range used[arn] {
			select {
			case d.suspects <- event.GenericEvent{Object: obj}:
			case <-ctx.Done():
				return
			}
		}
	}
}
