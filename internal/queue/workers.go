package queue

import (
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/podidentity/podidentity-operator/internal/fair"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// maxWorkers is more than the number of workers can be.
const maxWorkers = 1 << 20

// kind divides the workers: edits, which a user waits for, and all else. Each kind
// leaves some workers to the other, because a reconcile that waits for the AWS rate
// limiter keeps its worker.
type kind int

const (
	edits kind = iota
	others
)

func kindOf(f fair.Flow) kind {
	if f.Class == int(ratelimit.Edit) {
		return edits
	}
	return others
}

// workers counts the reconciles that run. It is not safe for concurrent use.
type workers struct {
	total int
	most  [2]int // by kind

	active      map[reconcile.Request]fair.Flow
	byKind      [2]int
	byNamespace [2]map[string]int
}

// newWorkers divides workers: one in five, and at least one of two, serves edits only,
// and of five or more as many serve no edits.
func newWorkers(count int) workers {
	reserved := max(1, count/5)
	w := workers{
		total:       count,
		active:      map[reconcile.Request]fair.Flow{},
		byNamespace: [2]map[string]int{{}, {}},
	}
	w.most[others] = max(1, count-reserved)
	w.most[edits] = max(1, count-count/5)
	return w
}

// mostOfFree is how many times as many workers a namespace may hold as it leaves free.
const mostOfFree = 3

// free reports whether the flow may have one more worker. A namespace without one of the
// kind may have any, so that its first edit does not wait for its other work, nor the
// reverse. One that holds some must leave a worker free, and more the more it holds: a
// namespace alone gets about three of four, two get three of seven each, so that a worker
// is free for the next namespace even if they keep theirs. These are the dynamic thresholds
// of Choudhury and Hahne (IEEE/ACM Transactions on Networking 6(2), 1998).
func (w *workers) free(f fair.Flow) bool {
	k := kindOf(f)
	free := min(w.most[k]-w.byKind[k], w.total-w.byKind[edits]-w.byKind[others])
	if w.byNamespace[k][f.Namespace] == 0 {
		return free > 0
	}
	held := w.byNamespace[edits][f.Namespace] + w.byNamespace[others][f.Namespace]
	return held < mostOfFree*(free-1)
}

// held returns the number of workers of the flow's kind that its namespace has.
func (w *workers) held(f fair.Flow) int { return w.byNamespace[kindOf(f)][f.Namespace] }

func (w *workers) running(request reconcile.Request) bool {
	_, ok := w.active[request]
	return ok
}

func (w *workers) start(request reconcile.Request, f fair.Flow) {
	w.active[request] = f
	w.count(f, 1)
}

// end reports whether the request was running.
func (w *workers) end(request reconcile.Request) bool {
	f, ok := w.active[request]
	if ok {
		delete(w.active, request)
		w.count(f, -1)
	}
	return ok
}

func (w *workers) count(f fair.Flow, n int) {
	k := kindOf(f)
	w.byKind[k] += n
	w.byNamespace[k][f.Namespace] += n
	if w.byNamespace[k][f.Namespace] == 0 {
		delete(w.byNamespace[k], f.Namespace)
	}
}
