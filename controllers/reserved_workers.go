package controllers

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// reservedQueue is a priority queue that reserves some workers for edits. Without it,
// a burst of new identities that wait for the AWS rate limiter occupies all workers,
// and an edit waits for a worker although the rate limiter would serve it next.
type reservedQueue struct {
	priorityqueue.PriorityQueue[reconcile.Request]
	slots     chan struct{} // one per running reconcile that is no edit
	slotFreed chan struct{} // signals a worker that waits for a slot

	mu      sync.Mutex
	holders map[reconcile.Request]struct{} // of slots
}

// withReservedWorkers returns the queue constructor for a controller with that many
// workers. One worker in five, and at least one of two, serves edits only.
func withReservedWorkers(workers int) func(string, workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		inner := priorityqueue.New(name, func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter })
		return newReservedQueue(inner, max(1, workers-max(1, workers/5)))
	}
}

func newReservedQueue(inner priorityqueue.PriorityQueue[reconcile.Request], slots int) *reservedQueue {
	return &reservedQueue{
		PriorityQueue: inner,
		slots:         make(chan struct{}, slots),
		slotFreed:     make(chan struct{}, 1),
		holders:       map[reconcile.Request]struct{}{},
	}
}

// slotPollInterval is the time after which a worker that found no edit while all slots
// were taken checks the queue again, and so the longest wait of an edit for it.
const slotPollInterval = 20 * time.Millisecond

// GetWithPriority implements priorityqueue.PriorityQueue.
func (q *reservedQueue) GetWithPriority() (reconcile.Request, int, bool) {
	for {
		request, priority, shutdown := q.PriorityQueue.GetWithPriority()
		if shutdown || priority >= *queuePriority(ratelimit.Edit) || q.acquireSlot(request) {
			return request, priority, shutdown
		}
		q.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
		q.PriorityQueue.Done(request)
		select {
		case <-q.slotFreed:
		case <-time.After(slotPollInterval):
		}
	}
}

// Get implements workqueue.TypedInterface.
func (q *reservedQueue) Get() (reconcile.Request, bool) {
	request, _, shutdown := q.GetWithPriority()
	return request, shutdown
}

// Done implements workqueue.TypedInterface.
func (q *reservedQueue) Done(request reconcile.Request) {
	q.mu.Lock()
	if _, ok := q.holders[request]; ok {
		delete(q.holders, request)
		<-q.slots
		select {
		case q.slotFreed <- struct{}{}:
		default: // already signaled
		}
	}
	q.mu.Unlock()
	q.PriorityQueue.Done(request)
}

// acquireSlot assigns a free slot to the request, if there is one.
func (q *reservedQueue) acquireSlot(request reconcile.Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case q.slots <- struct{}{}:
		q.holders[request] = struct{}{}
		return true
	default:
		return false
	}
}
