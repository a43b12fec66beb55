// Package failover_test runs replicas of the operator's own binary, and has the one
// that leads end: without a word, and as Kubernetes ends it.
package failover_test

import (
	"fmt"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const (
	// lease is as short as a slow machine allows.
	lease = 9 * time.Second
	// slack is the time that a slow machine takes for the work itself, and that a
	// standby takes until it reads the lease again.
	slack = 6 * time.Second
)

// takeover is the cost of taking over identities that are in sync: discovering the
// cluster, and one drift check of all of them.
var takeover = map[string]int{"GetCallerIdentity": 1, "GetOpenIDConnectProvider": 1, "GetAccountAuthorizationDetails": 1, "ListRoles": 1}

// edit is what an edit of one part costs: the reads of a role without inline
// policies, and the write.
var edit = map[string]int{"GetRole": 1, "ListAttachedRolePolicies": 1, "ListRolePolicies": 1, "UpdateRole": 1}

// A standby makes no call to AWS and no write while another leads. It serves what
// users wait for within the lease of a leader that was killed, and immediately when the
// leader was stopped; of what is in sync it looks at everything together, and writes
// nothing.
func TestFailover_StandbyTakesOverWithoutInterruption(t *testing.T) {
	e := newEnv(t)
	first := e.startReplica("first")
	e.create("a", "b", "c", "d", "edited")
	second := e.startReplica("second")
	before := e.versions("a", "b", "c", "d")

	first.Signal(syscall.SIGKILL)
	began := time.Now()
	e.checkCalls(second, nil, "before it leads")
	e.edit("edited", "while no replica leads")
	took := e.readyAfter("edited", began)
	t.Logf("The leader was killed, and an edit served %s later, by a lease of %s", took.Round(time.Millisecond), lease)
	if took > lease+slack {
		t.Errorf("A leader was killed, and an edit served %s later: the lease is %s", took, lease)
	}

	third := e.startReplica("third")
	e.Eventually("the drift check of the second replica", func() bool { return second.calls()["ListRoles"] > 0 })
	e.checkCalls(third, nil, "before it leads")
	second.Signal(syscall.SIGTERM)
	began = time.Now()
	e.edit("edited", "once more")
	took = e.readyAfter("edited", began)
	t.Logf("The leader was stopped, and an edit served %s later", took.Round(time.Millisecond))
	if took > lease/2 {
		t.Errorf("A leader was stopped, and an edit served %s later: it did not give the lease of %s back", took, lease)
	}
	e.Eventually("the drift check of the third replica", func() bool { return third.calls()["ListRoles"] > 0 })
	third.Signal(syscall.SIGTERM) // so that no further call comes

	e.checkCalls(second, both(takeover, edit), "in its life")
	e.checkCalls(third, both(takeover, edit), "in its life")
	if diff := cmp.Diff(before, e.versions("a", "b", "c", "d")); diff != "" {
		t.Errorf("Identities in sync were written to: -before, +after:\n%s", diff)
	}
}

func both(a, b map[string]int) map[string]int {
	all := maps.Clone(a)
	for action, n := range b {
		all[action] += n
	}
	return all
}

func (e *env) checkCalls(r *replica, want map[string]int, when string) {
	e.Helper()
	if want == nil {
		want = map[string]int{}
	}
	if diff := cmp.Diff(want, r.calls()); diff != "" {
		e.Errorf("calls of the %s replica to AWS %s: -want, +got:\n%s", r.name, when, diff)
	}
}

// create makes identities without policies, and waits until they are ready.
func (e *env) create(names ...string) {
	e.Helper()
	for _, name := range names {
		pi := &v1alpha1.PodIdentity{}
		pi.Namespace, pi.Name = "default", name
		e.Must(e.Client.Create(e.Context(), pi))
	}
	for _, name := range names {
		e.AwaitReady(name)
	}
}

// versions tells, by what identities and in which versions, whether anything was
// written to them.
func (e *env) versions(names ...string) map[string]string {
	e.Helper()
	versions := map[string]string{}
	for _, name := range names {
		versions[name] = e.Get(name).ResourceVersion
	}
	return versions
}

// readyAfter waits until an identity is ready, and returns how long after a time that was.
func (e *env) readyAfter(name string, began time.Time) time.Duration {
	e.Helper()
	e.AwaitReady(name)
	return time.Since(began)
}

func (e *env) edit(name, description string) {
	e.Helper()
	pi := e.Get(name)
	pi.Spec.Role.Description = fmt.Sprintf("Edited %s", description)
	e.Must(e.Client.Update(e.Context(), pi))
}
