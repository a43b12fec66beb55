// Package ratelimit limits the rate of AWS calls, and shares it among all callers in the
// operator.
//
// IAM throttles an account as a whole and publishes no numbers
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html), so the
// calls of one program leave less to the others. A Limiter limits reads and writes
// separately, serves urgent calls first and namespaces in turn, and slows down when AWS
// throttles.
package ratelimit

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/podidentity/podidentity-operator/internal/fair"
)

// Priority defines how urgent a call is; lower values go first.
type Priority int

// The priorities, the most urgent first.
const (
	// Edit is a change that a user waits for: a changed spec, a deletion. It is the
	// zero value, so a call without a priority is not delayed.
	Edit Priority = iota
	// Request is a reconciliation that a user requested.
	Request
	// Create is the creation of an identity.
	Create
	// Repair reverts an out-of-band change in AWS.
	Repair
	// Check finds out whether there is anything to repair.
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

// WithNamespace returns a context whose calls belong to that namespace.
func WithNamespace(ctx context.Context, namespace string) context.Context {
	return context.WithValue(ctx, namespaceKey{}, namespace)
}

// flowOf returns the flow that the calls of ctx belong to. Calls without a namespace
// are the operator's own.
func flowOf(ctx context.Context) fair.Flow {
	namespace, _ := ctx.Value(namespaceKey{}).(string)
	return fair.Flow{Class: int(PriorityOf(ctx)), Namespace: namespace}
}

// WithPriority returns a context whose calls have that priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	shared := &atomic.Int64{}
	shared.Store(int64(p))
	return context.WithValue(ctx, priorityKey{}, shared)
}

// PriorityOf returns the priority of the calls of ctx; Edit if it has none.
func PriorityOf(ctx context.Context) Priority {
	if shared, ok := ctx.Value(priorityKey{}).(*atomic.Int64); ok {
		return Priority(shared.Load())
	}
	return Edit
}

// Raise gives the calls of a context from WithPriority, and of contexts derived from it,
// at least that priority, including calls that are already waiting.
func Raise(ctx context.Context, p Priority) {
	shared, ok := ctx.Value(priorityKey{}).(*atomic.Int64)
	if !ok {
		return // nothing is more urgent
	}
	for now := shared.Load(); int64(p) < now && !shared.CompareAndSwap(now, int64(p)); now = shared.Load() {
	}
}

// Class is a kind of call with its own rate.
type Class int

// The classes of calls.
const (
	Read Class = iota
	Write
)

// Limiter is safe for concurrent use.
type Limiter struct{ buckets [2]*bucket }

// New returns a Limiter that allows that many reads and writes per second, each with a
// burst of one second, half of which is reserved for namespaces that make few calls. A
// rate of zero or less is unlimited.
func New(reads, writes float64) *Limiter {
	return &Limiter{buckets: [2]*bucket{Read: newBucket(reads), Write: newBucket(writes)}}
}

// Acquire waits until the limiter allows a call of ctx's priority and namespace, and
// returns how long it waited. It fails only when ctx ends.
func (l *Limiter) Acquire(ctx context.Context, class Class) (time.Duration, error) {
	began := time.Now()
	err := l.buckets[class].acquire(ctx)
	return time.Since(began), err
}

// Throttled records that AWS throttled a call: the rate is halved, and recovers within a
// minute.
func (l *Limiter) Throttled(class Class) { l.buckets[class].throttled() }

// Rate returns the calls per second that the limiter allows now; +Inf if unlimited.
func (l *Limiter) Rate(class Class) float64 { return l.buckets[class].current() }

func unlimited(rate float64) bool { return rate <= 0 || math.IsInf(rate, 1) }
