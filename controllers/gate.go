package controllers

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/queue"
)

// gate makes changes to roles in AWS, except those that AWS has just denied to other
// objects of the namespace: they fail without a call. A namespace's denials do not
// concern others, because a tenant can provoke them, for instance by tags that a
// service control policy denies.
type gate struct {
	roles
	blocked *queue.Blocked
	clock   clock.PassiveClock

	mu        sync.Mutex
	passes    map[passKey]*pass
	cleanUpAt int                          // the number of passes
	taken     map[reconcile.Request]string // names of roles that exist and are not the object's
}

type passKey struct{ cause, namespace string }

// pass is what the operator knows about a cause in a namespace.
type pass struct {
	denied      map[reconcile.Request]bool // since the last success
	fault       *fault.Error               // the last denial
	role        string                     // the role of the last denial
	deniedAt    time.Time
	succeededAt time.Time
	trial       chan struct{} // closed when the trial call ends; nil if none is running
}

// The number of objects for which AWS must deny a call before the gate closes. It is
// higher if the call succeeded for another object a short time ago, because the denial
// then most likely depends on the object.
const (
	denials           = 2
	denialsAfter      = 5
	succeededRecently = 10 * time.Minute
	trialAfter        = time.Minute // without a success
	fewPasses         = 1000
)

func newGate(aws roles, blocked *queue.Blocked, c clock.PassiveClock) *gate {
	return &gate{roles: aws, blocked: blocked, clock: c, passes: map[passKey]*pass{}, cleanUpAt: fewPasses, taken: map[reconcile.Request]string{}}
}

// attempt is a reconcile, as the gate sees it.
type attempt struct {
	request reconcile.Request
	// released reports that the object may find out whether it is still blocked.
	released bool
	// urgent reports that a user waits for the reconcile.
	urgent bool
	// repair reports that the role was in sync before.
	repair bool
}

type attemptKey struct{}

func withAttempt(ctx context.Context, a attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// withRepair returns the context of changes that restore a role.
func withRepair(ctx context.Context, repair bool) context.Context {
	a, _ := ctx.Value(attemptKey{}).(attempt)
	a.repair = repair
	return withAttempt(ctx, a)
}

// released reports whether the object of a reconcile may find out whether it is still
// blocked.
func released(ctx context.Context) bool {
	a, _ := ctx.Value(attemptKey{}).(attempt)
	return a.released
}

// Apply implements roles.
func (g *gate) Apply(ctx context.Context, name string, changes []plan.Change) (plan.Applied, error) {
	var all plan.Applied
	for _, change := range changes {
		applied, err := g.apply(ctx, name, change)
		all.Completed = append(all.Completed, applied.Completed...)
		if applied.ARN != "" {
			all.ARN, all.ID, all.CreatedAt = applied.ARN, applied.ID, applied.CreatedAt
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (g *gate) apply(ctx context.Context, name string, change plan.Change) (plan.Applied, error) {
	a, ok := ctx.Value(attemptKey{}).(attempt)
	causes := plan.Causes(change)
	if !ok || len(causes) == 0 {
		return g.roles.Apply(ctx, name, []plan.Change{change})
	}
	end, err := g.enter(ctx, a, name, causes)
	if err != nil {
		return plan.Applied{}, err
	}
	defer end()
	applied, err := g.roles.Apply(ctx, name, []plan.Change{change})
	g.record(a.request, name, causes, err)
	return applied, err
}

// closed returns an error if AWS would deny a change.
func (g *gate) closed(ctx context.Context, name string, change plan.Change) error {
	a, ok := ctx.Value(attemptKey{}).(attempt)
	if !ok {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.check(a, name, plan.Causes(change))
}

// enter waits until a call may be made, and returns a function to call after it. It
// returns an error if AWS would deny the call. While it is unknown whether AWS allows a
// call, one object of the namespace at a time tries it.
func (g *gate) enter(ctx context.Context, a attempt, name string, causes []string) (end func(), err error) {
	for {
		g.mu.Lock()
		if err := g.check(a, name, causes); err != nil {
			g.mu.Unlock()
			return nil, err
		}
		p := g.pass(passKey{causes[0], a.request.Namespace})
		trial := p.trial
		if a.exempt() || trial == nil || g.clock.Since(p.succeededAt) < trialAfter {
			end := g.begin(p)
			g.mu.Unlock()
			return end, nil
		}
		g.mu.Unlock()
		select {
		case <-trial:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin makes a call the trial call, unless one is running. The caller holds the lock.
func (g *gate) begin(p *pass) (end func()) {
	if p.trial != nil {
		return func() {}
	}
	trial := make(chan struct{})
	p.trial = trial
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		p.trial = nil
		close(trial)
	}
}

// exempt reports whether the gate is always open to a reconcile. An edit calls AWS,
// because its user waits for AWS's own answer; so does the repair of a role, which other
// objects must not prevent.
func (a attempt) exempt() bool { return a.released || a.urgent || a.repair }

// check returns the last denial if the gate is closed. The caller holds the lock.
func (g *gate) check(a attempt, name string, causes []string) error {
	if a.exempt() {
		return nil
	}
	for _, cause := range causes {
		p := g.passes[passKey{cause, a.request.Namespace}]
		if p == nil || p.fault == nil {
			continue
		}
		needed := denials
		if !p.succeededAt.IsZero() && g.clock.Since(p.succeededAt) < succeededRecently {
			needed = denialsAfter
		}
		if len(p.denied) >= needed {
			return p.denial(name)
		}
	}
	return nil
}

// denial returns the last denial as AWS would word it for another role.
func (p *pass) denial(role string) error {
	word := regexp.MustCompile(`(role |/)` + regexp.QuoteMeta(p.role) + `([^\w+=,.@/-]|$)`)
	text := word.ReplaceAllString(p.fault.Error(), "${1}"+role+"${2}")
	return fmt.Errorf("role %s: %w", role, &fault.Error{Kind: p.fault.Kind, Reason: p.fault.Reason, Cause: p.fault.Cause, Err: errors.New(text)})
}

// record records AWS's answer to a call, and releases the objects that wait for it.
func (g *gate) record(request reconcile.Request, role string, causes []string, err error) {
	cause := fault.CauseOf(err)
	if cause == "" {
		g.recordSuccess(request, causes, err)
		return
	}
	denied, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.pass(passKey{cause, request.Namespace})
	p.denied[request] = true
	p.fault, p.role, p.deniedAt = denied, role, g.clock.Now()
}

// recordSuccess records that a call was authorized and, if it succeeded, that everything
// it names exists.
func (g *gate) recordSuccess(request reconcile.Request, causes []string, err error) {
	authorized := err == nil || errors.Is(err, plan.ErrRoleExists) || errors.Is(err, plan.ErrDeleteConflict)
	if !authorized {
		return
	}
	if err != nil {
		causes = causes[:1]
	}
	for _, cause := range causes {
		g.mu.Lock()
		p := g.pass(passKey{cause, request.Namespace})
		clear(p.denied)
		p.fault, p.succeededAt = nil, g.clock.Now()
		g.mu.Unlock()
		g.blocked.Succeed(request, cause)
	}
	g.blocked.Succeed(request, plan.MissingCredentials)
}

// pass returns the pass of a cause in a namespace. The caller holds the lock.
func (g *gate) pass(key passKey) *pass {
	p := g.passes[key]
	if p == nil {
		if len(g.passes) >= g.cleanUpAt {
			g.cleanUp()
			g.cleanUpAt = max(fewPasses, 2*len(g.passes))
		}
		p = &pass{denied: map[reconcile.Request]bool{}}
		g.passes[key] = p
	}
	return p
}

// cleanUp forgets passes that were not used for a long time. The caller holds the lock.
func (g *gate) cleanUp() {
	for key, p := range g.passes {
		if p.trial == nil && g.clock.Since(p.succeededAt) > succeededRecently && g.clock.Since(p.deniedAt) > time.Hour {
			delete(g.passes, key)
		}
	}
}

// setTaken records that a role with the name of an object's role exists, although the
// object has none yet.
func (g *gate) setTaken(request reconcile.Request, role string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken[request] = role
}

// isTaken reports whether the role of an object existed at the last attempt.
func (g *gate) isTaken(request reconcile.Request, role string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken[request] == role
}

// forget removes a deleted object from what is known.
func (g *gate) forget(request reconcile.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.taken, request)
	for key, p := range g.passes {
		if key.namespace == request.Namespace {
			delete(p.denied, request)
		}
	}
}
