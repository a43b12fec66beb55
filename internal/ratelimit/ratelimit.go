// Package ratelimit shares an account's allowance of AWS calls among all who call.
//
// IAM throttles an account as a whole and publishes no numbers
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html), so the
// calls of one program reduce what others may call. A Limiter bounds reads and
// writes apart, serves urgent calls first and namespaces in turn, and slows down when
// AWS throttles.
package ratelimit

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/podidentity/podidentity-operator/internal/fair"
)

// Priority says how urgent a call is; a lower one goes first.
type Priority int

// The priorities, the most urgent first.
const (
	// Edit is what a user waits for: a changed spec, a deletion. It is the zero
	// value, so what does not say is not held up.
	Edit Priority = iota
	// Request is a check that a user requested, of one identity or of all.
	Request
	// Create makes a new identity.
	Create
	// Repair reverts an out-of-band change in AWS.
	Repair
	// Check looks whether there is anything to repair.
	Check
)

// String returns the priority's name as metrics label it.
func (p Priority) String() string {
	switch p {
	case Edit:
		return "edit"
	case Request:
		return "request"
	case Create:
		return "create"
	case Repair:
		return "repair"
	default:
		return "check"
	}
}

type (
	priorityKey  struct{}
	namespaceKey struct{}
)

// WithNamespace returns a context whose calls count for that namespace.
func WithNamespace(ctx context.Context, namespace string) context.Context {
	return context.WithValue(ctx, namespaceKey{}, namespace)
}

// flowOf returns the flow that the calls of ctx belong to. Calls without a namespace
// are the operator's own.
func flowOf(ctx context.Context) fair.Flow {
	namespace, _ := ctx.Value(namespaceKey{}).(string)
	return fair.Flow{Class: int(PriorityOf(ctx)), Namespace: namespace}
}

// WithPriority returns a context whose calls are that urgent.
func WithPriority(ctx context.Context, p Priority) context.Context {
	shared := &atomic.Int64{}
	shared.Store(int64(p))
	return context.WithValue(ctx, priorityKey{}, shared)
}

// PriorityOf returns how urgent the calls of ctx are; Edit if it does not say.
func PriorityOf(ctx context.Context) Priority {
	if shared, ok := ctx.Value(priorityKey{}).(*atomic.Int64); ok {
		return Priority(shared.Load())
	}
	return Edit
}

// Raise makes the calls of a context from WithPriority, and of those derived from
// it, at least that urgent: also the calls that wait already.
func Raise(ctx context.Context, p Priority) {
	shared, ok := ctx.Value(priorityKey{}).(*atomic.Int64)
	if !ok {
		return // nothing is more urgent
	}
	for now := shared.Load(); int64(p) < now && !shared.CompareAndSwap(now, int64(p)); now = shared.Load() {
	}
}

// Class tells calls apart that do not share an allowance.
type Class int

// The classes of calls.
const (
	Read Class = iota
	Write
)

// Limiter is safe for concurrent use.
type Limiter struct{ buckets [2]*bucket }

// New returns a Budget of that many calls a second, each with a burst of one
// second's worth, half of which is left to namespaces that make few calls. A rate of zero or less means no
// bound.
func New(reads, writes float64) *Limiter {
	return &Limiter{buckets: [2]*bucket{Read: newBucket(reads), Write: newBucket(writes)}}
}

// Acquire waits until the budget has a call to spare for ctx's priority, and
// returns how long that took. It fails only when ctx ends.
func (b *Limiter) Acquire(ctx context.Context, class Class) (time.Duration, error) {
	began := time.Now()
	err := b.buckets[class].acquire(ctx)
	return time.Since(began), err
}

// Throttled tells the budget that AWS found a call to be one too many: the rate is
// halved, and recovers within a minute.
func (b *Limiter) Throttled(class Class) { b.buckets[class].throttled() }

// Rate returns the calls per second that the limiter allows now; +Inf if unlimited.
func (b *Limiter) Rate(class Class) float64 { return b.buckets[class].current() }

func unlimited(rate float64) bool { return rate <= 0 || math.IsInf(rate, 1) }
