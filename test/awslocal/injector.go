package awslocal

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// injector injects Faults.
type injector struct {
	clock  func() time.Time
	random *random

	mu      sync.Mutex
	faults  Faults
	seen    []int    // calls that each rule has applied to
	applied []int    // calls that each rule has failed
	buckets []bucket // of the throttles
}

type bucket struct {
	tokens float64
	filled time.Time
}

func newInjector(o Options, r *random) *injector {
	return &injector{clock: o.Clock, random: r}
}

func (i *injector) get() Faults {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.faults
}

func (i *injector) set(f Faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults = f
	i.seen, i.applied = make([]int, len(f.Rules)), make([]int, len(f.Rules))
	i.buckets = make([]bucket, len(f.Throttles))
	for n, t := range f.Throttles {
		i.buckets[n] = bucket{tokens: t.burst(), filled: i.clock()}
	}
}

// before delays a call, and returns the error that replaces it, if any.
func (i *injector) before(c *call) error {
	f := i.get()
	wait := time.Duration(f.Latency)
	if f.Jitter > 0 {
		wait += time.Duration(float64(f.Jitter) * i.random.float())
	}
	if err := sleep(c, wait); err != nil {
		return err
	}
	c.pageCap = f.PageSize
	if i.throttled(c.action) {
		return rateExceeded()
	}
	return i.apply(c, false)
}

// after returns the error that replaces the answer of a call, if any.
func (i *injector) after(c *call) error { return i.apply(c, true) }

// apply finds the rule that replaces a call with an error, before or after its effect.
func (i *injector) apply(c *call, after bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, r := range i.faults.Rules {
		if r.After != after || !applies(r.Action, c.action) {
			continue
		}
		i.seen[n]++
		if i.seen[n] <= r.Skip || r.Count > 0 && i.applied[n] >= r.Count {
			continue
		}
		if r.Probability > 0 && !i.random.chance(r.Probability) {
			continue
		}
		i.applied[n]++
		return r.fault(c)
	}
	return nil
}

func (r Rule) fault(c *call) error {
	switch r.Error {
	case ConnectionReset:
		return &connectionResetError{}
	case Timeout:
		return &connectionResetError{ctx: c.Context, hold: time.Duration(r.Hold)}
	case "Throttling":
		if r.Message == "" {
			return rateExceeded()
		}
	}
	message := r.Message
	if message == "" {
		message = faultMessage(r.Error, c)
	}
	return &model.APIError{Code: r.Error, Message: message}
}

// faultMessage are AWS's messages by error code.
func faultMessage(code string, c *call) string {
	switch code {
	case "ServiceFailure", "InternalFailure":
		return "The request processing has failed because of an unknown error, exception or failure."
	case "ConcurrentModification":
		return "The request was rejected because multiple requests to change this object were submitted simultaneously. " +
			"Wait a few minutes and submit your request again."
	case "AccessDenied":
		return "User: " + c.caller.arn + " is not authorized to perform: " + c.service + ":" + c.action +
			" because no identity-based policy allows the " + c.service + ":" + c.action + " action"
	case "OpenIdIdpCommunicationError":
		return "The request failed because IAM cannot connect to the OpenID Connect identity provider URL."
	}
	return "Injected by awslocal"
}

func rateExceeded() error { return model.Errorf("Throttling", "Rate exceeded") }

// throttled takes a token of each bucket that a call needs, or none.
func (i *injector) throttled(action string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.clock()
	var needed []int
	for n, t := range i.faults.Throttles {
		if !applies(t.Action, action) {
			continue
		}
		b := &i.buckets[n]
		b.tokens = min(t.burst(), b.tokens+t.Rate*now.Sub(b.filled).Seconds())
		b.filled = now
		if b.tokens < 1 {
			return true
		}
		needed = append(needed, n)
	}
	for _, n := range needed {
		i.buckets[n].tokens--
	}
	return false
}

func (t Throttle) burst() float64 {
	if t.Burst > 0 {
		return float64(t.Burst)
	}
	return max(t.Rate, 1)
}

// delay returns the age of the state that reads of a service see.
func (i *injector) delay(service string) time.Duration {
	f := i.get()
	if service == "sts" {
		return time.Duration(f.STSDelay)
	}
	return time.Duration(f.ReadDelay)
}

// longestDelay is the time for which old states are needed.
func (i *injector) longestDelay() time.Duration {
	f := i.get()
	return time.Duration(max(f.ReadDelay, f.STSDelay))
}

// connectionResetError ends the connection without an answer: immediately with a reset,
// or, with a context, when that is done or hold is over.
type connectionResetError struct {
	ctx  context.Context //nolint:containedctx // of the request that waits
	hold time.Duration
}

func (e *connectionResetError) Error() string {
	if e.ctx == nil {
		return "connection reset on purpose"
	}
	return "no answer on purpose"
}

func (e *connectionResetError) on(w http.ResponseWriter) {
	if e.ctx != nil {
		ctx, cancel := e.ctx, func() {}
		if e.hold > 0 {
			ctx, cancel = context.WithTimeout(e.ctx, e.hold)
		}
		<-ctx.Done()
		cancel()
	}
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset, not an orderly end
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// sleep waits, unless the caller disconnects first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return &connectionResetError{}
	}
}
