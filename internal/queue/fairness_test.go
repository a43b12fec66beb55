package queue

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// deniedAlways are objects in namespaces whose calls are denied whatever permissions the
// operator has, for example by a service control policy that denies one of their tags.
// They share the cause with objects that wait for a permission of the operator.
type deniedAlways struct {
	*blockedWithClock
	granted time.Time // when the permission is granted to all others
	calls   map[string]int
	ready   map[string]time.Duration // of the others, since then
}

func newDeniedAlways(hostile, others int) *deniedAlways {
	w := &deniedAlways{blockedWithClock: newBlockedWithClock(), calls: map[string]int{}, ready: map[string]time.Duration{}}
	w.granted = w.now.Add(1000 * time.Hour)
	for i := range hostile {
		w.Add(request(fmt.Sprintf("hostile-%d", i), "x"), denied)
	}
	w.addOthers(others)
	return w
}

func (w *deniedAlways) addOthers(n int) {
	for i := range n {
		w.Add(request(fmt.Sprintf("team-%d", i), "a"), denied)
	}
}

func (w *deniedAlways) attempt(r Release) {
	w.calls[r.Request.Namespace]++
	if r.Request.Name == "x" || w.now.Before(w.granted) {
		w.Add(r.Request, denied)
		return
	}
	w.Succeed(r.Request, createRole)
	w.ready[r.Request.Namespace] = w.now.Sub(w.granted)
}

// grantAt grants the permission at a random time after d, and returns the longest time
// until an object of the others is released.
func (w *deniedAlways) grantAt(random *rand.Rand, d time.Duration, others int) (longest time.Duration) {
	w.granted = w.now.Add(d + time.Duration(random.Int64N(int64(time.Minute))))
	w.run(w.granted.Sub(w.now)+30*time.Minute, w.attempt)
	for _, d := range w.ready {
		longest = max(longest, d)
	}
	if len(w.ready) != others {
		longest = time.Hour
	}
	return longest
}

// Namespaces that are denied always delay no other once the same call has succeeded for
// another object: then they are known to wait for something else.
func TestBlocked_DeniedAlwaysDelaysNoOther(t *testing.T) {
	for _, hostile := range []int{1, 10} {
		t.Run(fmt.Sprint(hostile), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(hostile)))
			for range 50 {
				w := newDeniedAlways(hostile, 0)
				w.run(10*time.Minute, w.attempt)
				w.Succeed(request("calm", "b"), createRole)
				w.run(10*time.Minute, w.attempt)
				w.addOthers(1)
				if wait := w.grantAt(random, 5*time.Minute, 1); wait > 30*time.Second {
					t.Fatalf("the permission was granted, and the other identity waited %s for an attempt", wait)
				}
			}
		})
	}
}

// While the call has not succeeded for any object, it is not known which objects wait for
// a permission: namespaces take turns, with two calls a minute. The first success hastens
// all.
func TestBlocked_DeniedAlwaysTakesTurns(t *testing.T) {
	for _, hostile := range []int{1, 10} {
		t.Run(fmt.Sprint(hostile), func(t *testing.T) {
			random := rand.New(rand.NewPCG(2, uint64(hostile)))
			for range 50 {
				w := newDeniedAlways(hostile, 5)
				bound := time.Duration(hostile+1)*30*time.Second + time.Duration(hostile+5)*hurryInterval
				if wait := w.grantAt(random, 5*time.Minute, 5); wait > bound {
					t.Fatalf("the permission was granted, and an identity waited %s for an attempt, want %s at most", wait, bound)
				}
			}
		})
	}
}

// When the call succeeds for an object that did not wait, all namespaces get an attempt
// within seconds.
func TestBlocked_SuccessReachesEachNamespace(t *testing.T) {
	for turn := range 15 { // of any namespace
		w := newDeniedAlways(10, 5)
		w.run(10*time.Minute+time.Duration(turn)*30*time.Second, w.attempt)
		w.granted = w.now
		w.Succeed(request("calm", "b"), createRole)
		w.run(30*time.Second, w.attempt)
		if len(w.ready) != 5 {
			t.Errorf("30 s after news, %d of 5 namespaces had an attempt that succeeded: %v", len(w.ready), w.ready)
		}
	}
}

// A tenant that deletes and recreates its object does not get the turns of others.
func TestBlocked_CreatedAnewWaitsForItsTurn(t *testing.T) {
	w := newDeniedAlways(1, 1)
	w.run(10*time.Minute, w.attempt)
	clear(w.calls)
	for range 10 * 60 {
		w.Forget(request("hostile-0", "x"))
		w.Add(request("hostile-0", "x"), denied)
		w.run(time.Second, w.attempt)
	}
	if n := w.calls["team-0"]; n < 10 {
		t.Errorf("the other namespace had %d of %v attempts in ten minutes, want every other of two a minute", n, w.calls)
	}
}

// Namespaces that are known to wait for something else make no more than one call a
// second together, and are retried.
func TestBlocked_ManyNamespacesThatAreDeniedAlways(t *testing.T) {
	w := newDeniedAlways(300, 0)
	w.Succeed(request("calm", "b"), createRole)
	w.run(time.Hour, w.attempt)
	clear(w.calls)
	w.run(time.Hour, w.attempt)
	total := 0
	for _, n := range w.calls {
		total += n
	}
	if total > 3600+300 || len(w.calls) != 300 {
		t.Errorf("%d attempts of %d namespaces in an hour, want one a second at most, and some of all 300", total, len(w.calls))
	}
}
