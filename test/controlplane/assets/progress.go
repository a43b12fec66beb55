package assets

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// The measured duration of a build with an empty cache. The estimate starts with it; the
// progress of the build itself soon outweighs it.
const (
	wholeCPU = 1280 * time.Second // of one core
	linking  = 20 * time.Second
	busy     = 0.85 // share of the cores that a build keeps busy
)

// downloads follows the modules that the go command downloads.
type downloads struct {
	count, total int
	last         string
	rest         []string // the other lines
}

func (d *downloads) line(text string) {
	if module, ok := strings.CutPrefix(text, "go: downloading "); ok {
		d.count++
		d.last = module
		return
	}
	d.rest = append(d.rest, text)
}

func (d *downloads) status() string {
	if d.count == 0 {
		return "listing packages"
	}
	return fmt.Sprintf("downloading modules, %d of at most %d (%s)", d.count, max(d.count, d.total), d.last)
}

// progress follows `go build -v`, which names each package when it starts to
// compile it.
type progress struct {
	todo    *worklist
	began   time.Time
	guess   time.Duration // for all of it, before anything was seen
	count   int
	done    int64
	linking bool
	rest    []string // the other lines
}

func newProgress(todo *worklist, began time.Time) *progress {
	return &progress{todo: todo, began: began, guess: guess(todo, runtime.GOMAXPROCS(0))}
}

// guess estimates how long a build takes on so many cores.
func guess(todo *worklist, cores int) time.Duration {
	if todo.whole == 0 {
		return linking
	}
	share := float64(todo.total) / float64(todo.whole)
	return linking + time.Duration(share*float64(wholeCPU)/(busy*float64(max(cores, 1))))
}

func (p *progress) line(text string) {
	weight, ok := p.todo.weight[text]
	switch {
	case ok:
		p.count++
		p.done += weight
		p.linking = text == p.todo.main // all that it imports is compiled
	case text != "" && !strings.HasPrefix(text, "go: downloading "):
		p.rest = append(p.rest, text)
	}
}

// opening describes the work to do.
func (p *progress) opening() string {
	fresh := len(p.todo.weight)
	return fmt.Sprintf("%d packages to compile, %d are in Go's build cache: %s.", fresh, p.todo.all-fresh, about(p.guess))
}

func (p *progress) status(now time.Time) string {
	elapsed := now.Sub(p.began)
	if p.linking {
		return fmt.Sprintf("linking, the last step, after %s", elapsed.Round(time.Second))
	}
	share := 1.0
	if p.todo.total > 0 {
		share = float64(p.done) / float64(p.todo.total)
	}
	return fmt.Sprintf("compiling package %d of %d (%.0f %%), %s left",
		p.count, len(p.todo.weight), 100*share, about(left(share, elapsed, p.guess)))
}

// left estimates what remains when share of the work took elapsed. Early on it
// trusts the guess for the whole; well after half, only what was seen.
func left(share float64, elapsed, guess time.Duration) time.Duration {
	const enough = 0.6
	trust := min(share/enough, 1)
	ahead := (1 - trust) * float64(guess) * (1 - share)
	if share > 0 {
		ahead += trust * float64(elapsed) * (1 - share) / share
	}
	return max(time.Duration(ahead), linking)
}

// about renders an estimate no more precisely than it is known.
func about(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("about %d s", int(max(d.Round(10*time.Second), 10*time.Second).Seconds()))
	}
	return fmt.Sprintf("about %d min", int(d.Round(time.Minute).Minutes()))
}
