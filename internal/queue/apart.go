package queue

import (
	"container/list"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// paceOfApart is the time between two probes of the namespaces that probe on their own,
// counted over all of them.
const paceOfApart = time.Second

// A tenant can cause a call to be denied forever, for instance with a tag that a service
// control policy denies. Its objects then share a cause with objects that wait for a
// permission of the operator. Nothing distinguishes the two until the call succeeds for
// any object; until then n namespaces share two probes per minute. If the next attempt of
// a namespace fails after that, the namespace waits for something else: it gets its own
// cause and delays no other namespace.

func apartKey(cause, namespace string) string { return cause + " in namespace " + namespace }

// keyOf returns the key of what an object waits for. The caller holds the lock.
func (b *Blocked) keyOf(request reconcile.Request, block Block) string {
	if block.Cause == "" {
		return "object " + request.String()
	}
	if key := apartKey(block.Cause, request.Namespace); b.causes[key] != nil {
		return key
	}
	return block.Cause
}

func newCause(key string, shared bool, now time.Time) *cause {
	return &cause{key: key, shared: shared, turns: list.New(), byName: map[string]*turn{}, window: 1, startedAt: now}
}

// setApart moves the namespace of a member whose attempt failed to its own cause, if the
// call succeeded for another object after it was denied in the namespace and before this
// attempt. The caller holds the lock.
func (b *Blocked) setApart(m *member, now time.Time) {
	c, t := m.cause, m.namespace
	if c.apart || m.successes <= t.successes {
		return
	}
	own := newCause(apartKey(c.key, t.name), true, now)
	own.apart = true
	b.causes[own.key] = own
	b.apart++
	c.turns.Remove(t.element)
	delete(c.byName, t.name)
	t.element = own.turns.PushBack(t)
	own.byName[t.name] = t
	for _, members := range []*list.List{t.resting, t.trying} {
		for e := members.Front(); e != nil; e = e.Next() {
			if m, ok := e.Value.(*member); ok {
				m.cause = own
				own.members++
				c.members--
			}
		}
	}
	b.removeEmpty(c)
	own.schedule(b.delay(own), now, b.spread)
}

// Succeed records that a call which the cause would have prevented succeeded for an
// object. If the object waited for the cause, it no longer does, and others are released.
// Then each namespace probes soon.
func (b *Blocked) Succeed(request reconcile.Request, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range []*cause{b.causes[key], b.causes[apartKey(key, request.Namespace)]} {
		if c == nil {
			continue
		}
		c.successes++
		if m := b.members[request]; m != nil && m.cause == c {
			b.succeed(m)
		}
		c.hastened = c.turns.Len()
		c.hasten(b.now())
		b.notify()
	}
}

// hasten schedules the next probe soon.
func (c *cause) hasten(now time.Time) {
	at := c.probedAt.Add(hurryInterval)
	if at.Before(now) {
		at = now
	}
	if at.Before(c.probeAt) {
		c.probeAt = at
	}
}

// removeEmpty removes a cause without members. The caller holds the lock.
func (b *Blocked) removeEmpty(c *cause) {
	if c.members > 0 {
		return
	}
	delete(b.causes, c.key)
	if c.apart {
		b.apart--
	}
}
