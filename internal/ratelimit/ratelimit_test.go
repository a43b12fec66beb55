package ratelimit

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/internal/fair"
)

// drain uses up the burst with calls of many namespaces, so that later calls must wait.
func drain(t *testing.T, b *Limiter, class Class, burst int) {
	t.Helper()
	for i := range burst {
		if waited, err := b.Acquire(WithNamespace(t.Context(), fmt.Sprint("drain-", i)), class); err != nil || waited != 0 {
			t.Fatalf("a call within the burst waited %s: %v", waited, err)
		}
	}
}

func TestAcquire_KeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10, 5)
		drain(t, b, Write, 5)
		began := time.Now()
		for i := range 20 {
			if _, err := b.Acquire(WithNamespace(t.Context(), fmt.Sprint(i)), Write); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began).Round(10 * time.Millisecond); took != 4*time.Second {
			t.Errorf("20 calls at 5 a second took %s", took)
		}
		drain(t, b, Read, 10) // reads have an allowance of their own
	})
}

func TestAcquire_ZeroIsUnlimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(0, 0)
		drain(t, b, Read, 10000)
		b.Throttled(Read)
		if got := b.Rate(Read); !math.IsInf(got, 1) {
			t.Errorf("rate = %v", got)
		}
	})
}

// The waiting call with the highest priority is served first; of several, the one that
// came first.
func TestAcquire_HighestPriorityFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(1, 1)
		drain(t, b, Read, 1)
		var mu sync.Mutex
		var served []string
		var wg sync.WaitGroup
		for _, c := range []struct {
			name     string
			priority Priority
		}{{"check 1", Check}, {"check 2", Check}, {"repair", Repair}, {"create", Create}, {"request", Request}, {"edit 1", Edit}, {"edit 2", Edit}} {
			wg.Go(func() {
				if _, err := b.Acquire(WithPriority(t.Context(), c.priority), Read); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				served = append(served, c.name)
			})
			synctest.Wait() // so that they come in this order
		}
		wg.Wait()
		want := []string{"edit 1", "edit 2", "request", "create", "repair", "check 1", "check 2"}
		if diff := cmp.Diff(want, served); diff != "" {
			t.Errorf("served: -want, +got:\n%s", diff)
		}
	})
}

// A busy namespace leaves half of the burst to flows with few calls, which then do not
// wait.
func TestAcquire_FlowsWithFewCallsHaveTokensOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(10, 5)
		load, stop := context.WithCancel(WithPriority(t.Context(), Create))
		served := 0
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := b.Acquire(load, Read); err == nil {
					served++
				}
			})
			synctest.Wait()
		}
		if served != 5 {
			t.Errorf("%d calls of the busy namespace were served immediately, want half of the burst of 10", served)
		}
		drain(t, b, Read, 5)
		if waited, err := b.Acquire(t.Context(), Read); err != nil || waited > 201*time.Millisecond {
			t.Errorf("the edit after those waited %s: %v", waited, err)
		}
		if waited, err := b.Acquire(WithPriority(t.Context(), Request), Write); err != nil || waited != 0 {
			t.Errorf("a write waited %s for reads: %v", waited, err)
		}
		stop()
		wg.Wait()
	})
}

// However many calls other namespaces want, the few calls of a drift check, which finds what
// has to be repaired, wait for hardly more than one token each.
func TestAcquire_TheOperatorsOwnChecksDoNotWaitForOtherNamespaces(t *testing.T) {
	cases := map[string]struct {
		namespace string
		least     time.Duration
		most      time.Duration
	}{
		"the operator's own check goes first":     {namespace: "", most: 600 * time.Millisecond},
		"the check of a namespace waits its turn": {namespace: "calm", least: 4 * time.Second, most: time.Minute},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(10, 5)
				busy, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for n := range 20 {
					ctx := WithNamespace(WithPriority(busy, Priority(n%int(Check+1))), "busy")
					wg.Go(func() {
						for {
							if _, err := b.Acquire(ctx, Read); err != nil {
								return
							}
						}
					})
				}
				<-time.After(time.Minute) // the flows of the busy namespace have many recent calls
				check := WithNamespace(WithPriority(t.Context(), Check), tc.namespace)
				var waited time.Duration
				for range 4 {
					w, err := b.Acquire(check, Read)
					if err != nil {
						t.Fatal(err)
					}
					waited += w
				}
				if waited < tc.least || waited > tc.most {
					t.Errorf("four calls waited %s, want %s to %s", waited, tc.least, tc.most)
				}
				stop()
				wg.Wait()
			})
		})
	}
}

// A waiting call whose priority is raised is served as if it had always had that priority;
// no priority is lowered.
func TestRaise_CountsAsIfItHadAlwaysBeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(1, 1)
		drain(t, b, Read, 1)
		var mu sync.Mutex
		var served []string
		var wg sync.WaitGroup
		wait := func(ctx context.Context, name string) {
			wg.Go(func() {
				if _, err := b.Acquire(ctx, Read); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				served = append(served, name)
			})
			synctest.Wait()
		}
		first, second := WithPriority(t.Context(), Check), WithPriority(t.Context(), Check)
		wait(WithPriority(t.Context(), Create), "create")
		wait(first, "first check")
		wait(context.WithoutCancel(second), "second check")

		Raise(second, Edit)
		Raise(second, Repair)
		Raise(t.Context(), Check) // says nothing, and is as urgent as can be
		wg.Wait()
		if diff := cmp.Diff([]string{"second check", "create", "first check"}, served); diff != "" {
			t.Errorf("served: -want, +got:\n%s", diff)
		}
		if got := PriorityOf(second); got != Edit {
			t.Errorf("what was raised to edit is %s", got)
		}
	})
}

// A canceled call takes no token.
func TestAcquire_CanceledTakesNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(1, 1)
		drain(t, b, Read, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := b.Acquire(ctx, Read); err == nil {
			t.Fatal("a call came through before its time")
		}
		waited, err := b.Acquire(t.Context(), Read)
		if err != nil || waited.Round(10*time.Millisecond) != 900*time.Millisecond {
			t.Errorf("the next one waited %s: %v", waited, err)
		}
	})
}

// Throttling halves the rate, at most once a second, and the rate recovers.
func TestThrottled_HalvesTheRateThatThenRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(8, 8)
		b.Throttled(Write)
		b.Throttled(Write) // on its way when AWS said stop
		if got := b.Rate(Write); got != 4 {
			t.Errorf("rate = %v, want half of 8", got)
		}
		if waited, _ := b.Acquire(t.Context(), Write); waited < 200*time.Millisecond {
			t.Errorf("the next call waited %s only", waited)
		}
		for range 100 {
			b.Throttled(Write)
			<-time.After(minHalvingInterval)
		}
		if got := b.Rate(Write); got < 8*floor || got > 1 {
			t.Errorf("rate = %v after a long storm", got)
		}
		<-time.After(recovery)
		if got := b.Rate(Write); got != 8 {
			t.Errorf("rate = %v after the recovery, want 8", got)
		}
		if got := b.Rate(Read); got != 8 {
			t.Errorf("rate of reads = %v, although AWS throttled no read", got)
		}
	})
}

// However calls arrive, no second exceeds the burst and the rate, and all calls are
// served in the end.
func TestAcquire_NeverExceedsBurstAndRate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.IntRange(1, 20).Draw(rt, "rate")
		calls := rapid.SliceOfN(rapid.IntRange(int(Edit), int(Check)), 1, 60).Draw(rt, "priorities")
		synctest.Test(t, func(t *testing.T) {
			b := New(float64(rate), 1)
			began := time.Now()
			var wg sync.WaitGroup
			for _, p := range calls {
				wg.Go(func() { _, _ = b.Acquire(WithPriority(t.Context(), Priority(p)), Read) })
			}
			wg.Wait()
			second := func(calls int) time.Duration { return time.Duration(max(0, calls)) * time.Second / time.Duration(rate) }
			least, most := second(len(calls)-rate), second(len(calls)-rate+rate/2) // if all are edits, and if none is
			took := time.Since(began)
			if took < least-time.Millisecond || took > most+10*time.Millisecond*time.Duration(len(calls)+1) {
				t.Errorf("%d calls at %d a second took %s, want %s to %s", len(calls), rate, took, least, most)
			}
		})
	})
}

func TestPriorityOf_Context(t *testing.T) {
	if got := PriorityOf(t.Context()); got != Edit {
		t.Errorf("a call that does not say is %s, want edit", got)
	}
	names := []string{Edit.String(), Request.String(), Create.String(), Repair.String(), Check.String()}
	if diff := cmp.Diff([]string{"edit", "request", "create", "repair", "check"}, names); diff != "" {
		t.Error(diff)
	}
}

// Creations and repairs of a quiet namespace are served at the rate of the limiter while
// others keep editing, and a creation among many gets its share.
func TestAcquire_NothingStarves(t *testing.T) {
	cases := map[string]struct {
		namespace string
		priority  Priority
		most      time.Duration // for one call
	}{
		"A new identity elsewhere does not wait for edits":       {"quiet", Create, 250 * time.Millisecond},
		"A repair elsewhere does not wait for edits":             {"quiet", Repair, 250 * time.Millisecond},
		"An edit elsewhere does not wait for edits":              {"quiet", Edit, 250 * time.Millisecond},
		"Many creations have a share in addition to edits":       {"busy", Create, 7 * time.Second},
		"A drift check has a share in addition to edits":         {"", Check, 12 * time.Second},
		"Creations of a busy namespace leave turns for the next": {"other", Create, 250 * time.Millisecond},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(5, 5)
				ctx, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for _, p := range []Priority{Edit, Create} {
					for i := range 10 { // workers of two busy namespaces
						flow := WithNamespace(WithPriority(ctx, p), []string{"busy", "greedy"}[i%2])
						wg.Go(func() {
							for {
								if _, err := b.Acquire(flow, Write); err != nil {
									return
								}
							}
						})
					}
				}
				<-time.After(time.Minute)
				waited, err := b.Acquire(WithNamespace(WithPriority(ctx, tc.priority), tc.namespace), Write)
				if err != nil || waited > tc.most {
					t.Errorf("waited %s: %v, want at most %s", waited, err, tc.most)
				}
				stop()
				wg.Wait()
			})
		})
	}
}

// The count of recent calls does not grow with the number of namespaces.
func TestRecentCalls_Bounded(t *testing.T) {
	r, now := recentCalls{forget: 1, calls: map[fair.Flow]callCount{}}, time.Unix(0, 0)
	for i := range 10 * mostFlows {
		now = now.Add(time.Second)
		r.add(fair.Flow{Namespace: fmt.Sprint(i)}, now)
	}
	if len(r.calls) > mostFlows {
		t.Errorf("%d flows are remembered", len(r.calls))
	}
}
