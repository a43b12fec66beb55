// Package queue is the work queue of the controller. Unlike the queue of
// controller-runtime, namespaces take turns within a priority, and no namespace holds
// more than its share of the workers, so that what one namespace does neither delays nor
// starves the others.
package queue

import (
	"container/list"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/fair"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// The work queue and the AWS rate limiter use the same priorities, so that urgent work
// waits for neither a worker nor a call. The queue serves higher values first.

// PriorityOf converts a priority for the queue.
func PriorityOf(p ratelimit.Priority) *int { q := -int(p); return &q }

// classOf returns the class of a priority of the queue. What is lower than all known
// priorities, or has none, is a check.
func classOf(priority int) int { return min(max(-priority, int(ratelimit.Edit)), int(ratelimit.Check)) }

// The shares of the classes in the order of ratelimit's priorities: of ten reconciles
// that start, at least one is a request, two are creations and two repairs, if they
// wait.
var shares = []float64{0.25, 0.1, 0.2, 0.2, 0.05}

// Queue implements priorityqueue.PriorityQueue: an item is queued at most once, is not
// handed out while it is being processed, keeps the highest of its priorities and the
// shortest of its delays.
type Queue struct {
	limiter workqueue.TypedRateLimiter[reconcile.Request]
	metrics queueMetrics
	workers workers

	mu       sync.Mutex
	changed  *sync.Cond // an item may have become available, or the queue shuts down
	items    map[reconcile.Request]*item
	ready    map[fair.Flow]*list.List // of *item that are not being processed
	waiting  delayed
	turns    *fair.Turns
	timer    *time.Timer
	shutdown bool
	stopped  chan struct{}
}

// item is queued: ready, or waiting for readyAt.
type item struct {
	request  reconcile.Request
	priority int
	readyAt  time.Time     // zero if it is ready
	index    int           // in the delayed items
	element  *list.Element // in its flow; nil while it waits or is being processed
}

func (i *item) flow() fair.Flow {
	return fair.Flow{Class: classOf(i.priority), Namespace: i.request.Namespace}
}

// New returns the constructor of a Queue for that many workers.
func New(workerCount int) func(string, workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		return newQueue(name, limiter, workerCount)
	}
}

func newQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request], workerCount int) *Queue {
	q := &Queue{
		limiter: limiter,
		metrics: newMetrics(name),
		workers: newWorkers(workerCount),
		items:   map[reconcile.Request]*item{},
		ready:   map[fair.Flow]*list.List{},
		turns:   fair.NewTurns(shares...),
		stopped: make(chan struct{}),
	}
	q.changed = sync.NewCond(&q.mu)
	go q.reportUnfinished()
	return q
}

// AddWithOpts implements priorityqueue.PriorityQueue.
func (q *Queue) AddWithOpts(o priorityqueue.AddOpts, requests ...reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutdown {
		return
	}
	priority := 0
	if o.Priority != nil {
		priority = *o.Priority
	}
	for _, request := range requests {
		after := o.After
		if o.RateLimited {
			if limited := q.limiter.When(request); after == 0 || limited < after {
				after = limited
			}
		}
		if after > 0 {
			q.metrics.retries.Inc()
		}
		q.add(request, priority, after)
	}
}

// add queues a request, or merges it with what is queued. The caller holds the lock.
func (q *Queue) add(request reconcile.Request, priority int, after time.Duration) {
	var readyAt time.Time
	if after > 0 {
		readyAt = time.Now().Add(after)
	}
	i, queued := q.items[request]
	if !queued {
		i = &item{request: request, priority: priority, readyAt: readyAt}
		q.items[request] = i
		q.place(i)
		return
	}
	wasReady := i.readyAt.IsZero()
	sooner := !wasReady && (readyAt.IsZero() || readyAt.Before(i.readyAt))
	if !sooner && priority <= i.priority {
		return
	}
	q.displace(i)
	i.priority = max(i.priority, priority)
	if sooner {
		i.readyAt = readyAt
	}
	q.place(i)
}

// place inserts an item where its time and priority say. The caller holds the lock.
func (q *Queue) place(i *item) {
	if !i.readyAt.IsZero() {
		q.waiting.add(i)
		q.scheduleWaiting()
		return
	}
	q.metrics.added(i)
	q.offer(i)
}

// displace undoes place. The caller holds the lock.
func (q *Queue) displace(i *item) {
	if !i.readyAt.IsZero() {
		q.waiting.remove(i)
		return
	}
	q.metrics.depth(i.priority).Dec()
	q.withdraw(i)
}

// offer makes a ready item available, unless the request is being processed: then Done
// does. The caller holds the lock.
func (q *Queue) offer(i *item) {
	if q.workers.running(i.request) {
		return
	}
	flow := i.flow()
	if q.ready[flow] == nil {
		q.ready[flow] = list.New()
	}
	i.element = q.ready[flow].PushBack(i)
	q.changed.Broadcast()
}

func (q *Queue) withdraw(i *item) {
	if i.element == nil {
		return
	}
	flow := i.flow()
	q.ready[flow].Remove(i.element)
	i.element = nil
	if q.ready[flow].Len() == 0 {
		delete(q.ready, flow)
	}
}

// scheduleWaiting has the delayed items checked when the first is due. The caller holds
// the lock.
func (q *Queue) scheduleWaiting() {
	if q.timer != nil {
		q.timer.Stop()
	}
	if len(q.waiting) == 0 || q.shutdown {
		return
	}
	q.timer = time.AfterFunc(time.Until(q.waiting[0].readyAt), func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		for now := time.Now(); len(q.waiting) > 0 && !q.waiting[0].readyAt.After(now); {
			i := q.waiting[0]
			q.waiting.remove(i)
			i.readyAt = time.Time{}
			q.place(i)
		}
		q.scheduleWaiting()
	})
}

// GetWithPriority implements priorityqueue.PriorityQueue.
func (q *Queue) GetWithPriority() (reconcile.Request, int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.shutdown {
			return reconcile.Request{}, 0, true
		}
		if i := q.take(); i != nil {
			return i.request, i.priority, false
		}
		q.changed.Wait()
	}
}

// take removes and returns the next item that may run now, nil if there is none. The
// caller holds the lock.
func (q *Queue) take() *item {
	flows := make([]fair.Flow, 0, len(q.ready))
	for f := range q.ready {
		if q.workers.free(f) {
			flows = append(flows, f)
		}
	}
	// Within a class, the namespace with the fewest workers goes first. Classes do not
	// compare by it, so the class is part of the rank.
	next, ok := q.turns.Next(flows, func(f fair.Flow) int { return f.Class*maxWorkers + q.workers.held(f) })
	if !ok {
		return nil
	}
	q.turns.Serve(next, flows)
	i, isItem := q.ready[next].Front().Value.(*item)
	if !isItem {
		return nil // the lists hold items only
	}
	q.withdraw(i)
	delete(q.items, i.request)
	q.workers.start(i.request, next)
	q.metrics.started(i)
	return i
}

// Get implements workqueue.TypedInterface.
func (q *Queue) Get() (reconcile.Request, bool) {
	request, _, shutdown := q.GetWithPriority()
	return request, shutdown
}

// Done implements workqueue.TypedInterface.
func (q *Queue) Done(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.workers.end(request) {
		return
	}
	q.metrics.done(request)
	if i := q.items[request]; i != nil && i.readyAt.IsZero() {
		q.offer(i)
	}
	q.changed.Broadcast() // a worker is free
}

// Add implements workqueue.TypedInterface.
func (q *Queue) Add(request reconcile.Request) { q.AddWithOpts(priorityqueue.AddOpts{}, request) }

// AddAfter implements workqueue.TypedDelayingInterface.
func (q *Queue) AddAfter(request reconcile.Request, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, request)
}

// AddRateLimited implements workqueue.TypedRateLimitingInterface.
func (q *Queue) AddRateLimited(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, request)
}

// Forget implements workqueue.TypedRateLimitingInterface.
func (q *Queue) Forget(request reconcile.Request) { q.limiter.Forget(request) }

// NumRequeues implements workqueue.TypedRateLimitingInterface.
func (q *Queue) NumRequeues(request reconcile.Request) int { return q.limiter.NumRequeues(request) }

// Len returns the number of items that are ready.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - len(q.waiting)
}

// Waiting returns the items that have been ready for that time and that no worker has
// taken, with the number of items that are ready.
func (q *Queue) Waiting(age time.Duration) (requests []reconcile.Request, total int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for request, i := range q.items {
		if i.element == nil {
			continue
		}
		total++
		if time.Since(q.metrics.addedAt[request]) >= age {
			requests = append(requests, request)
		}
	}
	return requests, total
}

// ShutDown implements workqueue.TypedInterface. Items that are queued are dropped, and
// those that are being processed may finish.
func (q *Queue) ShutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shutdown {
		return
	}
	q.shutdown = true
	close(q.stopped)
	if q.timer != nil {
		q.timer.Stop()
	}
	q.changed.Broadcast()
}

// ShutDownWithDrain is ShutDown: controller-runtime waits for its workers itself.
func (q *Queue) ShutDownWithDrain() { q.ShutDown() }

// ShuttingDown implements workqueue.TypedInterface.
func (q *Queue) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shutdown
}
