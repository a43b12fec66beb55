package queue

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

var _ priorityqueue.PriorityQueue[reconcile.Request] = (*Queue)(nil)

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

func open(t *testing.T, workers int) *Queue {
	t.Helper()
	q := newQueue("test", RetryLimiter(), workers)
	t.Cleanup(q.ShutDown)
	return q
}

// next returns the item that a free worker gets now, "" if there is none.
func next(q *Queue) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := q.take(); i != nil {
		return i.request.String()
	}
	return ""
}

// order returns the order in which one worker processes the queue.
func order(q *Queue) []string {
	var got []string
	for name := next(q); name != ""; name = next(q) {
		got = append(got, name)
		for r := range q.workers.active {
			q.Done(r)
		}
	}
	return got
}

func TestQueue_UrgentWorkGoesFirst(t *testing.T) {
	q := open(t, 10)
	for p := ratelimit.Check; p >= ratelimit.Edit; p-- {
		Add(q, p, request("shop", p.String()))
	}
	want := []string{"shop/edit", "shop/request", "shop/create", "shop/repair", "shop/check"}
	if diff := cmp.Diff(want, order(q)); diff != "" {
		t.Error(diff)
	}
}

func TestQueue_NamespacesTakeTurnsWithinAPriority(t *testing.T) {
	q := open(t, 10)
	for i := range 3 {
		Add(q, ratelimit.Create, request("many", fmt.Sprint(i)))
	}
	Add(q, ratelimit.Create, request("other", "0"))
	want := []string{"many/0", "other/0", "many/1", "many/2"}
	if diff := cmp.Diff(want, order(q)); diff != "" {
		t.Error(diff)
	}
}

func TestQueue_ANamespaceLeavesWorkersToOthers(t *testing.T) {
	cases := map[string]struct {
		priority ratelimit.Priority
		workers  int
		want     int
	}{
		"Creations get three quarters of the workers that are not reserved for edits": {ratelimit.Create, 20, 12},
		"Edits get three quarters of the workers that are not reserved for others":    {ratelimit.Edit, 20, 12},
		"Of few workers one stays free":                                               {ratelimit.Create, 5, 3},
		"One worker serves everything":                                                {ratelimit.Create, 1, 1},
		"Of two workers one serves edits":                                             {ratelimit.Create, 2, 1},
		"Two workers serve edits one at a time for each namespace":                    {ratelimit.Edit, 2, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			q := open(t, tc.workers)
			for i := range 20 {
				Add(q, tc.priority, request("greedy", fmt.Sprint(i)))
			}
			got := 0
			for next(q) != "" {
				got++
			}
			if got != tc.want {
				t.Errorf("the namespace got %d of %d workers, want %d", got, tc.workers, tc.want)
			}
		})
	}
}

// Namespaces that take all the workers they can get leave one to the next namespace, for an
// edit and for a creation.
func TestQueue_GreedyNamespacesLeaveAWorkerFree(t *testing.T) {
	for _, priority := range []ratelimit.Priority{ratelimit.Edit, ratelimit.Create} {
		for greedy := 1; greedy <= 4; greedy++ {
			t.Run(fmt.Sprint(priority, " ", greedy), func(t *testing.T) {
				q := open(t, 20)
				for i := range 40 {
					for n := range greedy {
						// Creations before edits, or the reverse, must not make a difference.
						p := []ratelimit.Priority{ratelimit.Edit, ratelimit.Create}[(i+n)%2]
						Add(q, p, request(fmt.Sprintf("greedy-%d", n), fmt.Sprint(i)))
					}
				}
				for next(q) != "" {
					continue // all workers that they get
				}
				if running := len(q.workers.active); running >= 20 {
					t.Fatalf("%d reconciles run, want less than the 20 workers", running)
				}
				Add(q, priority, request("calm", "app"))
				if got := next(q); got != "calm/app" {
					t.Errorf("next = %q, want what waits in the calm namespace; workers: %v", got, q.workers.byNamespace)
				}
			})
		}
	}
}

func TestQueue_EditsFindAWorkerWhileCreationsTakeAllOthers(t *testing.T) {
	q := open(t, 5)
	for i := range 20 {
		Add(q, ratelimit.Create, request(fmt.Sprintf("team-%d", i), "app"))
	}
	for next(q) != "" {
		continue // all workers that creations get
	}
	Add(q, ratelimit.Edit, request("team-1", "edited"))
	if got := next(q); got != "team-1/edited" {
		t.Errorf("next = %q, want the edit", got)
	}
}

func TestQueue_AnItemIsNotProcessedTwiceAtOnce(t *testing.T) {
	q := open(t, 10)
	Add(q, ratelimit.Create, request("shop", "app"))
	Add(q, ratelimit.Create, request("shop", "app"))
	if got := next(q); got != "shop/app" {
		t.Fatalf("next = %q", got)
	}
	Add(q, ratelimit.Edit, request("shop", "app"))
	if got := next(q); got != "" {
		t.Fatalf("%q is processed twice", got)
	}
	q.Done(request("shop", "app"))
	if got, priority, _ := q.GetWithPriority(); got != request("shop", "app") || priority != *PriorityOf(ratelimit.Edit) {
		t.Errorf("after Done: %s at priority %d, want the edit", got, priority)
	}
	q.Done(request("shop", "app"))
	if q.Len() != 0 {
		t.Errorf("%d items are left", q.Len())
	}
}

func TestQueue_TheShortestDelayAndTheHighestPriorityCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue("test", RetryLimiter(), 2)
		defer q.ShutDown()
		began := time.Now()
		AddAfter(q, ratelimit.Check, time.Hour, request("shop", "app"))
		AddAfter(q, ratelimit.Create, time.Minute, request("shop", "app"))
		AddAfter(q, ratelimit.Check, 2*time.Minute, request("shop", "app"))
		got, priority, _ := q.GetWithPriority()
		if got != request("shop", "app") || priority != *PriorityOf(ratelimit.Create) || time.Since(began) != time.Minute {
			t.Errorf("got %s at priority %d after %s", got, priority, time.Since(began))
		}
		q.Done(got)
		AddAfter(q, ratelimit.Check, time.Hour, got)
		q.Add(got) // now
		if _, _, _ = q.GetWithPriority(); time.Since(began) != time.Minute {
			t.Errorf("an item that was added without a delay waited until %s", time.Since(began))
		}
		q.Done(got)
		if len(q.items) != 0 {
			t.Error("the delay that was replaced is still queued")
		}
	})
}

func TestQueue_ShutDownEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue("test", RetryLimiter(), 2)
		ended := make(chan bool)
		go func() {
			_, shutdown := q.Get()
			ended <- shutdown
		}()
		synctest.Wait()
		q.ShutDown()
		if !<-ended || !q.ShuttingDown() {
			t.Error("a worker did not learn of the shutdown")
		}
		q.Add(request("shop", "late"))
		if q.Len() != 0 {
			t.Error("a queue that is shut down takes items")
		}
	})
}

// Whatever is added in whatever order, every item is processed once for each time that it
// was due, never twice at the same time; no namespace exceeds its workers; and an item of
// a namespace with few items does not wait for all items of a large one.
func TestQueue_Properties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		workerCount := rapid.IntRange(1, 12).Draw(rt, "workers")
		q := newQueue("test", RetryLimiter(), workerCount)
		defer q.ShutDown()
		due := map[reconcile.Request]bool{}
		running := map[reconcile.Request]bool{}
		start := func() bool {
			name := next(q)
			if name == "" {
				return false
			}
			for r := range q.workers.active {
				if r.String() != name {
					continue
				}
				if running[r] || !due[r] {
					rt.Fatalf("%s runs twice, or was not due", r)
				}
				running[r] = true
				delete(due, r)
			}
			return true
		}
		finish := func(i int) {
			for r := range running {
				if i--; i < 0 {
					delete(running, r)
					q.Done(r)
					return
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				r := request(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "namespace"), fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "name")))
				Add(q, ratelimit.Priority(rapid.IntRange(0, 4).Draw(rt, "priority")), r)
				due[r] = true
			},
			"start":  func(*rapid.T) { start() },
			"finish": func(rt *rapid.T) { finish(rapid.IntRange(0, 20).Draw(rt, "which")) },
			"": func(rt *rapid.T) {
				if len(running) > workerCount {
					rt.Fatalf("%d run", len(running))
				}
				for k, byNamespace := range q.workers.byNamespace {
					for namespace, n := range byNamespace {
						if most := q.workers.most[k]; n > 1 && n == most {
							rt.Fatalf("%s holds all %d workers", namespace, n)
						}
					}
				}
				if q.Len() != len(due) {
					rt.Fatalf("Len = %d, want %d", q.Len(), len(due))
				}
			},
		})
		for len(due) > 0 || len(running) > 0 {
			if !start() {
				finish(0)
			}
		}
	})
}

// However many items of a higher priority arrive, each priority and each namespace is
// served within a bounded number of turns.
func TestQueue_NothingStarves(t *testing.T) {
	q := open(t, 1)
	Add(q, ratelimit.Check, request("quiet", "app"))
	Add(q, ratelimit.Create, request("quiet", "new"))
	served := map[string]int{}
	for turn := range 100 {
		for _, namespace := range []string{"a", "b"} {
			for p := ratelimit.Edit; p <= ratelimit.Check; p++ {
				Add(q, p, request(namespace, fmt.Sprint(p, turn)))
			}
		}
		got, _ := q.Get()
		served[got.String()] = turn + 1
		q.Done(got)
	}
	if at := served["quiet/new"]; at == 0 || at > 20 {
		t.Errorf("the creation of a quiet namespace was served at turn %d", at)
	}
	if at := served["quiet/app"]; at == 0 || at > 70 {
		t.Errorf("the check of a quiet namespace was served at turn %d", at)
	}
}
