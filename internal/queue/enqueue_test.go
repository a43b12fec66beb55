package queue

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// However long AWS was unreachable, an object is retried within seconds after the end of
// the outage.
func TestRetryLimiter_StaysFrequent(t *testing.T) {
	limiter, request := RetryLimiter(), reconcile.Request{}
	if first := limiter.When(request); first > time.Second {
		t.Errorf("the first retry comes after %s", first)
	}
	var last time.Duration
	for range 100 {
		last = limiter.When(request)
	}
	if last < 10*time.Second || last > 20*time.Second {
		t.Errorf("after 100 failures an object waits %s", last)
	}
}
