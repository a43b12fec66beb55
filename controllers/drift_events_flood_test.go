package controllers

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// A flood that does not end costs a drift check every 10 seconds.
func TestEventListener_EndlessFloodCostsADriftCheckEachTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, queue, suspects, checks := listening(t, 20)
		go func() {
			for range 55 {
				var bodies []string
				for n := range 20 {
					bodies = append(bodies, changedBy(fmt.Sprintf("role%d", n), "ASIAANN"))
				}
				queue.send(bodies...)
				time.Sleep(time.Second) //nolint:forbidigo // in synctest, time does not pass otherwise
			}
		}()
		requested := countChecks(checks)
		listen(t, l, time.Minute)
		count := requested()
		if count < 5 || count > 7 || len(suspects) > 0 {
			t.Errorf("%d drift checks and %d reads in a minute, want about 6 and none", count, len(suspects))
		}
	})
}

// Changes that come one by one are each read alone and immediately, however long it goes on: none waits for a drift
// check, and no other role is read.
func TestEventListener_ChangesOneByOneAreReadOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const roles = 100
		l, queue, suspects, checks := listening(t, roles)
		go func() {
			for n := range roles {
				queue.send(changedBy(fmt.Sprintf("role%d", n), "ASIAANN"))
				time.Sleep(time.Second) //nolint:forbidigo // in synctest, time does not pass otherwise
				if len(suspects) != n+1 || len(checks) > 0 {
					t.Errorf("%d reads of one role and %d drift checks for %d changes", len(suspects), len(checks), n+1)
					return
				}
			}
		}()
		listen(t, l, (roles+1)*time.Second)
		if len(suspects) != roles {
			t.Errorf("%d reads of one role for %d changes", len(suspects), roles)
		}
	})
}

// Changes that come one by one for long cost little more than those that come together: besides the
// reads of one role that the limit allows, a drift check every 10 seconds reads all of them.
func TestEventListener_ManySingleChangesShareDriftChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const roles = 240
		l, queue, suspects, checks := listening(t, roles)
		go func() {
			for n := range roles {
				queue.send(changedBy(fmt.Sprintf("role%d", n), "ASIAANN"))
				time.Sleep(time.Minute / roles) //nolint:forbidigo // in synctest, time does not pass otherwise
			}
		}()
		requested := countChecks(checks)
		listen(t, l, 80*time.Second)
		count := requested()
		if most := readBurst + 60*readsPerSecond; len(suspects) > most || count < 4 || count > 7 {
			t.Errorf("%d reads of one role and %d drift checks for %d changes in a minute, want %d at most and about 6", len(suspects), count, roles, most)
		}
		for n := range roles {
			if l.roleCache.has(types.UID(fmt.Sprint(n))) {
				t.Fatalf("role%d is not suspected of drift", n)
			}
		}
	})
}

// countChecks counts the drift checks that are requested until the returned function is called, which
// returns their number.
func countChecks(checks <-chan struct{}) (end func() int) {
	stop, count := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-checks:
				n++
			case <-stop:
				count <- n
				return
			}
		}
	}()
	return func() int {
		close(stop)
		return <-count
	}
}
