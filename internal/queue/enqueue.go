package queue

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// Interface is the queue as event handlers get it.
type Interface = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Add adds requests to a queue, or raises the priority of those that it holds.
func Add(q Interface, p ratelimit.Priority, requests ...reconcile.Request) {
	AddAfter(q, p, 0, requests...)
}

// AddAfter adds requests to a queue after a delay.
func AddAfter(q Interface, p ratelimit.Priority, after time.Duration, requests ...reconcile.Request) {
	if prioritized, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: PriorityOf(p), After: after}, requests...)
		return
	}
	for _, r := range requests {
		q.AddAfter(r, after)
	}
}

// The delays of retries after a transient error, doubled each time. The maximum is
// short so that all objects recover soon after an outage of AWS; the rate limiter
// bounds the cost of the attempts, whatever the number of objects.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 15 * time.Second
)

// RetryLimiter returns the delays of retries after a transient error.
func RetryLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryFirst, retryMost)
}
