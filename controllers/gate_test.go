package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/queue"
)

// deniedTo is AWS as it denies every call for the identities of one namespace.
type deniedTo struct {
	roles

	namespace string
	calls     map[string]int // by namespace
	hang      chan struct{}  // if it is set, a denial comes when it is closed
	began     chan struct{}  // receives when a call hangs
}

func (d *deniedTo) Apply(ctx context.Context, _ string, changes []plan.Change) (plan.Applied, error) {
	a, _ := ctx.Value(attemptKey{}).(attempt)
	d.calls[a.request.Namespace]++
	if a.request.Namespace != d.namespace {
		return plan.Applied{Completed: changes}, nil
	}
	if d.hang != nil {
		d.began <- struct{}{}
		<-d.hang
	}
	return plan.Applied{}, &fault.Error{
		Kind: fault.Blocked, Reason: v1alpha1.ReasonAccessDenied, Cause: plan.Permission(changes[0]), Err: errors.New("denied"),
	}
}

func newTestGate(aws *deniedTo) (*gate, *testingclock.FakePassiveClock) {
	aws.calls = map[string]int{}
	c := testingclock.NewFakePassiveClock(now)
	return newGate(aws, queue.NewBlocked(c.Now, func(d time.Duration) time.Duration { return d }), c), c
}

// try makes a change as a new identity of a namespace.
func (g *gate) try(ctx context.Context, namespace, name string, change plan.Change) error {
	request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
	_, err := g.Apply(withAttempt(ctx, attempt{request: request}), name, []plan.Change{change})
	return err
}

// A tenant can have its own calls denied, for instance by tags that an organization's policy
// denies. That closes the gate for its namespace, and for no other.
func TestGate_DenialsOfANamespaceConcernNoOther(t *testing.T) {
	aws := &deniedTo{namespace: "hostile"}
	g, _ := newTestGate(aws)
	for n := range 20 {
		if g.try(t.Context(), "hostile", fmt.Sprint(n), plan.CreateRole{}) == nil {
			t.Fatal("the call was not denied")
		}
	}
	if aws.calls["hostile"] != denials {
		t.Errorf("%d calls of the hostile namespace, want %d", aws.calls["hostile"], denials)
	}
	for n := range 5 {
		if err := g.try(t.Context(), "team", fmt.Sprint(n), plan.CreateRole{}); err != nil {
			t.Errorf("the denials of another namespace concern this one: %v", err)
		}
	}
	if aws.calls["team"] != 5 {
		t.Errorf("%d calls of the other namespace, want 5", aws.calls["team"])
	}
}

// While a call of a tenant gets no answer, identities of other namespaces do not wait for it.
func TestGate_ACallThatHangsDelaysNoOtherNamespace(t *testing.T) {
	aws := &deniedTo{namespace: "hostile", hang: make(chan struct{}), began: make(chan struct{})}
	g, _ := newTestGate(aws)
	done := make(chan error, 1)
	go func() { done <- g.try(t.Context(), "hostile", "a", plan.CreateRole{}) }()
	<-aws.began
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := g.try(ctx, "team", "b", plan.CreateRole{}); err != nil {
		t.Errorf("the identity waits for the call of another namespace: %v", err)
	}
	close(aws.hang)
	if <-done == nil {
		t.Error("the call of the hostile namespace succeeded")
	}
}

// The record of denials is bounded by time, however many policies a tenant names.
func TestGate_ForgetsOldDenials(t *testing.T) {
	aws := &deniedTo{namespace: "hostile"}
	g, c := newTestGate(aws)
	for n := range 30_000 { // a policy each second, for more than eight hours
		_ = g.try(t.Context(), "hostile", "a", plan.AttachPolicy{ARN: fmt.Sprint("arn:aws:iam::123456789012:policy/p", n)})
		c.SetTime(c.Now().Add(time.Second))
	}
	if most := 4 * int(time.Hour/time.Second); len(g.passes) > most {
		t.Errorf("%d causes are remembered, want %d at most", len(g.passes), most)
	}
}
