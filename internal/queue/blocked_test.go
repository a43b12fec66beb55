package queue

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// blockedWithClock is a Blocked with a clock that the test sets.
type blockedWithClock struct {
	*Blocked
	now time.Time
}

var start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func newBlockedWithClock() *blockedWithClock {
	p := &blockedWithClock{now: start}
	p.Blocked = NewBlocked(func() time.Time { return p.now }, func(d time.Duration) time.Duration { return d })
	return p
}

// run advances the clock, and calls try for what is due meanwhile.
func (p *blockedWithClock) run(d time.Duration, try func(Release)) {
	for end := p.now.Add(d); ; {
		due, wait := p.Due()
		for _, r := range due {
			try(r)
		}
		if len(due) > 0 {
			continue
		}
		if wait == 0 || p.now.Add(wait).After(end) {
			p.now = end
			return
		}
		p.now = p.now.Add(wait)
	}
}

const createRole = "iam:CreateRole"

var denied = Block{Cause: createRole, Reason: "AccessDenied", Token: "1"}

func TestBlocked_OneObjectProbesForAll(t *testing.T) {
	for _, n := range []int{1, 2, 500} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			p := newBlockedWithClock()
			for i := range n {
				p.Add(request(fmt.Sprintf("team-%d", i%7), fmt.Sprint(i)), denied)
			}
			var at []time.Duration
			fails := func(r Release) {
				at = append(at, p.now.Sub(start))
				p.Add(r.Request, denied)
			}
			p.run(2*time.Minute, fails)
			want := seconds(2, 6, 11, 16, 21, 26, 31, 60, 90, 120)
			if diff := cmp.Diff(want, at); diff != "" {
				t.Errorf("probes of the first two minutes: -want +got:\n%s", diff)
			}
			at = nil
			p.run(time.Hour, fails)
			if len(at) != 120 {
				t.Errorf("%d probes in an hour, want two a minute", len(at))
			}
		})
	}
}

func TestBlocked_DelayOfAnOwnCauseDoubles(t *testing.T) {
	p := newBlockedWithClock()
	taken := Block{Reason: "RoleNotOwned", Token: "1"}
	p.Add(request("shop", "a"), taken)
	var at []time.Duration
	fails := func(r Release) {
		at = append(at, p.now.Sub(start))
		p.Add(r.Request, taken)
	}
	p.run(5*time.Minute, fails)
	want := seconds(2, 6, 14, 30, 62, 126, 254)
	if diff := cmp.Diff(want, at); diff != "" {
		t.Errorf("attempts of the first minutes: -want +got:\n%s", diff)
	}
	p.run(10*time.Hour, fails)
	at = nil
	p.run(10*time.Hour, fails)
	if len(at) != 20 {
		t.Errorf("%d attempts in ten hours, want one each 30 minutes", len(at))
	}
	p.Add(request("shop", "a"), Block{Reason: "RoleNotOwned", Token: "2"})
	at, start := nil, p.now
	p.run(6*time.Second, fails)
	if len(at) != 2 {
		t.Errorf("%d attempts in the 6 s after an edit at %s, want two", len(at), start)
	}
}

// A namespace with many causes is retried at a constant rate, and delays no other.
func TestBlocked_PaceOfANamespace(t *testing.T) {
	p := newBlockedWithClock()
	block := func(r reconcile.Request) Block {
		if r.Namespace == "hostile" {
			return Block{Reason: "RoleNotOwned", Token: "1"}
		}
		return denied
	}
	for i := range 700 {
		r := request("hostile", fmt.Sprint(i))
		p.Add(r, block(r))
		p.Add(r, Block{Cause: fmt.Sprint("managed policy ", i), Reason: "PolicyNotFound", Token: "1"})
		p.Add(r, block(r))
	}
	p.Add(request("hostile", "z"), denied)
	p.Add(request("shop", "a"), denied)
	counts := map[string]int{}
	attempt := func(r Release) {
		counts[r.Request.Namespace]++
		b, _, _ := p.State(r.Request)
		p.Add(r.Request, b)
	}
	p.run(time.Hour, attempt)
	clear(counts)
	p.run(time.Hour, attempt)
	if n := counts["hostile"]; n > 700*2+120 {
		t.Errorf("%d attempts in an hour, want one each 30 minutes for 700 objects", n)
	}
	if n := counts["shop"]; n < 59 {
		t.Errorf("the other namespace probed %d times in an hour, want every other of two a minute", n)
	}
}

// As soon as one probe succeeds, all others are released, more at each success, so that a
// success that says nothing about the others costs few calls.
func TestBlocked_SuccessReleasesAll(t *testing.T) {
	p := newBlockedWithClock()
	for i := range 500 {
		p.Add(request("shop", fmt.Sprint(i)), denied)
	}
	tried := 0
	p.run(10*time.Second, func(r Release) {
		tried++
		p.Succeed(r.Request, createRole)
	})
	if tried != 500 || len(p.Reasons()) != 0 {
		t.Errorf("%d objects were tried, and %v are blocked still", tried, p.Reasons())
	}
}

func TestBlocked_NewsThatSayNothingCostLittle(t *testing.T) {
	p := newBlockedWithClock()
	for i := range 500 {
		p.Add(request("shop", fmt.Sprint(i)), denied)
	}
	tried := 0
	p.run(time.Minute, func(r Release) {
		if tried++; tried == 1 {
			p.Succeed(r.Request, createRole)
			return
		}
		p.Add(r.Request, denied)
	})
	if tried > 9+2 {
		t.Errorf("%d attempts in a minute, though only the first one succeeded", tried)
	}
	tried = 0
	end := p.now.Add(time.Minute)
	for p.now.Before(end) { // calls of others succeed all the time
		p.Succeed(request("other", "x"), createRole)
		p.run(10*time.Millisecond, func(r Release) {
			tried++
			p.Add(r.Request, denied)
		})
	}
	if tried > 31 {
		t.Errorf("%d probes in a minute, want one each two seconds", tried)
	}
}

func TestBlocked_AnotherProbesForADeletedObject(t *testing.T) {
	p := newBlockedWithClock()
	for _, name := range []string{"a", "b"} {
		p.Add(request("shop", name), denied)
	}
	var tried []string
	p.run(5*time.Second, func(r Release) {
		tried = append(tried, r.Request.Name)
		if r.Request.Name == "a" {
			p.Forget(r.Request)
		}
	})
	if diff := cmp.Diff([]string{"a", "b"}, tried); diff != "" {
		t.Errorf("probes: -want +got:\n%s", diff)
	}
}

// A probe that does not return does not prevent others from probing.
func TestBlocked_AProbeThatHangs(t *testing.T) {
	p := newBlockedWithClock()
	for _, name := range []string{"a", "b"} {
		p.Add(request("shop", name), denied)
	}
	var tried []string
	p.run(12*time.Second, func(r Release) { tried = append(tried, r.Request.Name) })
	if diff := cmp.Diff([]string{"a", "b", "a"}, tried); diff != "" {
		t.Errorf("probes: -want +got:\n%s", diff)
	}
}

// Whatever happens, no object is lost: a blocked object is due within the longest delay,
// and once all causes have ended, all objects are reconciled and none is blocked.
func TestBlocked_LosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newBlockedWithClock()
		w := &blockedModel{t: t, blockedWithClock: p, waits: map[reconcile.Request]string{}, held: map[string]bool{"": true, "A": true, "B": true}}
		t.Repeat(map[string]func(*rapid.T){
			"block": func(t *rapid.T) {
				w.attempt(w.anyRequest(t), rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "cause"))
			},
			"delete": func(t *rapid.T) {
				r := w.anyRequest(t)
				delete(w.waits, r)
				p.Forget(r)
			},
			"grant": func(t *rapid.T) { w.held[rapid.SampledFrom([]string{"A", "B"}).Draw(t, "cause")] = false },
			"deny":  func(t *rapid.T) { w.held[rapid.SampledFrom([]string{"A", "B"}).Draw(t, "cause")] = true },
			"news": func(t *rapid.T) {
				p.Succeed(request("other", "x"), rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "cause"))
			},
			"pass": func(t *rapid.T) {
				p.run(time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds"))*time.Second, w.react)
			},
			"": func(*rapid.T) { w.check() },
		})
		w.held = map[string]bool{}
		p.run(30*time.Minute, w.react)
		if len(w.waits) > 0 || len(p.Reasons()) > 0 {
			t.Fatalf("half an hour after all causes have ended, blocked are still %v", w.waits)
		}
	})
}

// blockedModel is a model of objects and what they wait for.
type blockedModel struct {
	*blockedWithClock
	t     *rapid.T
	waits map[reconcile.Request]string // cause of each blocked object
	held  map[string]bool              // causes that hold
	n     int
}

func (w *blockedModel) anyRequest(t *rapid.T) reconcile.Request {
	return request(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "namespace"), rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "name"))
}

// attempt reconciles an object, which the cause blocks if it holds.
func (w *blockedModel) attempt(r reconcile.Request, cause string) {
	if w.held[cause] {
		w.waits[r] = cause
		w.Add(r, Block{Cause: cause, Reason: "R" + cause, Token: fmt.Sprint(w.n / 5)})
		w.n++
		return
	}
	delete(w.waits, r)
	w.Resolve(r)
}

// react attempts what was released; every third attempt fails with a transient error, and
// is repeated immediately, as in the work queue.
func (w *blockedModel) react(r Release) {
	cause, ok := w.waits[r.Request]
	if !ok {
		return // it was deleted
	}
	if w.n++; w.n%3 == 0 {
		w.Forget(r.Request)
	}
	w.attempt(r.Request, cause)
}

func (w *blockedModel) check() {
	for r, cause := range w.waits {
		block, _, ok := w.State(r)
		if !ok || block.Cause != cause {
			w.t.Fatalf("%s waits for %q, but Blocked has %+v, %v", r, cause, block, ok)
		}
	}
	total := 0
	for _, n := range w.Reasons() {
		total += n
	}
	if total != len(w.waits) || len(w.members) != total {
		w.t.Fatalf("%d objects are blocked, but Blocked has %v", len(w.waits), w.Reasons())
	}
	members, apart := 0, 0
	for key, c := range w.causes {
		if c.apart {
			apart++
		}
		if delay := c.probeAt.Sub(w.now); delay > ownMost || c.shared && delay > 30*time.Second {
			w.t.Fatalf("the next probe of %s is in %s", key, delay)
		}
		n := 0
		for e := c.turns.Front(); e != nil; e = e.Next() {
			turn, _ := e.Value.(*turn)
			if n += turn.resting.Len() + turn.trying.Len(); turn.resting.Len()+turn.trying.Len() == 0 {
				w.t.Fatalf("namespace %s has no object that waits for %s", turn.name, key)
			}
		}
		if n != c.members || n == 0 || c.turns.Len() != len(c.byName) {
			w.t.Fatalf("%s has %d members, and counts %d", key, n, c.members)
		}
		members += n
	}
	if members != total || apart != w.apart {
		w.t.Fatalf("%d members of %d wait for causes, %d of %d of them apart", members, total, apart, w.apart)
	}
	if names := slices.Sorted(maps.Keys(w.namespaces)); len(names) > 2 {
		w.t.Fatalf("namespaces = %v", names)
	}
}

func seconds(ns ...int) []time.Duration {
	durations := make([]time.Duration, len(ns))
	for i, n := range ns {
		durations[i] = time.Duration(n) * time.Second
	}
	return durations
}

// A tenant that keeps changing its object or the annotation gets no more than one retry
// in two seconds, and none of the probes that others wait for.
func TestBlocked_FlappingBuysNothing(t *testing.T) {
	t.Run("own cause", func(t *testing.T) {
		p := newBlockedWithClock()
		released := 0
		for n := range 600 { // a minute
			p.Add(request("hostile", "a"), Block{Reason: "RoleNotOwned", Token: fmt.Sprint(n)})
			p.run(100*time.Millisecond, func(Release) { released++ })
		}
		if released > 31 {
			t.Errorf("%d retries in a minute, want one each two seconds", released)
		}
	})
	t.Run("shared cause", func(t *testing.T) {
		p := newBlockedWithClock()
		flapping := func(n int) Block { return Block{Cause: createRole, Reason: "AccessDenied", Token: fmt.Sprint(n)} }
		p.Add(request("team", "b"), denied)
		probes := map[string]int{}
		for n := range 6000 { // ten minutes
			p.Add(request("hostile", "a"), flapping(n))
			p.run(100*time.Millisecond, func(r Release) {
				probes[r.Request.Namespace]++
				if r.Request.Namespace == "team" {
					p.Add(r.Request, denied)
				} else {
					p.Add(r.Request, flapping(n))
				}
			})
		}
		if total := probes["team"] + probes["hostile"]; total > 60 {
			t.Errorf("%v probes in ten minutes, want ten in two minutes at most", probes)
		}
		if probes["team"] < probes["hostile"]-1 {
			t.Errorf("%v probes, want that the namespaces take turns", probes)
		}
	})
}
