package fair

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

var testShares = []float64{0.25, 0.25, 0.1}

func TestNext_NothingWaits(t *testing.T) {
	if _, ok := NewTurns(testShares...).Next(nil, nil); ok {
		t.Error("served what does not wait")
	}
}

// Whichever flows wait all the time, a class with a share is served within 1/share turns
// of its last, and the namespaces of a class are served equally often.
func TestTurns_NothingStarves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var waiting []Flow
		for class := range testShares {
			for n := range rapid.IntRange(0, 5).Draw(rt, "namespaces") {
				waiting = append(waiting, Flow{class, fmt.Sprint(n)})
			}
		}
		turns := NewTurns(testShares...)
		served := map[Flow]int{}
		last := make([]int, len(testShares))
		for turn := 1; turn <= 500; turn++ {
			next, ok := turns.Next(waiting, nil)
			if !ok {
				return
			}
			turns.Serve(next, waiting)
			served[next]++
			last[next.Class] = turn
			for _, f := range waiting {
				if gap := turn - last[f.Class]; gap > int(1/testShares[f.Class])+len(testShares) {
					rt.Fatalf("class %d waited %d turns", f.Class, gap)
				}
			}
		}
		for _, a := range waiting {
			for _, b := range waiting {
				if a.Class == b.Class && served[a] > served[b]+1 {
					rt.Fatalf("%v was served %d times, %v %d times", a, served[a], b, served[b])
				}
			}
		}
	})
}

func TestServe_ForgetsFlowsOfLongAgo(t *testing.T) {
	turns := NewTurns(testShares...)
	for i := range 10 * memory {
		f := Flow{0, fmt.Sprint(i)}
		turns.Serve(f, []Flow{f})
	}
	if len(turns.served) > 2*memory {
		t.Errorf("%d flows are remembered", len(turns.served))
	}
}
