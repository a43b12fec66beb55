package queue

import (
	"container/list"
	"maps"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Blocked decides when blocked objects are reconciled again. Objects that wait for the
// same cause, such as an IAM permission, share the attempts: one of them probes, the
// others rest until a probe succeeds. Then more and more of them are released, as long
// as they succeed. Their namespaces take turns. A namespace in which a call is denied
// that succeeds for others probes on its own. An object whose cause no other object has
// is retried with a delay that doubles. Blocked only decides: a runner queues what Due
// returns. It is safe for concurrent use.
type Blocked struct {
	now    func() time.Time
	spread func(time.Duration) time.Duration

	mu         sync.Mutex
	members    map[reconcile.Request]*member
	causes     map[string]*cause
	namespaces map[string]int // causes with members in a namespace
	apart      int            // causes of a single namespace
	reasons    map[string]int // members by reason
	released   []Release      // returned by the next Due
	changed    chan struct{}
}

// Block is why an object is blocked.
type Block struct {
	// Cause is what the object waits for, empty if no other object waits for it.
	Cause string
	// Reason is the reason of the object's condition.
	Reason string
	// Token identifies the spec and the requests of users: another token restarts the delays.
	Token string
}

// Release is an object to reconcile.
type Release struct {
	Request reconcile.Request
	// Shared reports that other objects may wait for the same cause: the attempt is made
	// on behalf of all of them.
	Shared bool
}

// member is a blocked object.
type member struct {
	request   reconcile.Request
	block     Block
	cause     *cause
	trying    bool          // it was released
	successes int           // successes of the cause when it was released
	element   *list.Element // in one of the lists of its namespace
	namespace *turn
}

// cause is what members wait for.
type cause struct {
	key       string
	shared    bool
	members   int
	turns     *list.List // of *turn, the next one first
	byName    map[string]*turn
	attempts  int       // probes since startedAt
	startedAt time.Time // of the delays
	probedAt  time.Time
	probeAt   time.Time // the next probe
	window    int       // how many members the next success releases
	apart     bool      // it is the cause of a single namespace
	successes int       // successful calls that the cause would have prevented
	hastened  int       // the number of probes that still follow quickly after a success
}

// turn holds the members of one namespace that wait for a cause, the one that has waited
// longest first.
type turn struct {
	name            string
	element         *list.Element
	resting, trying *list.List // of *member
	successes       int        // successes of the cause when the namespace was denied
}

// The delays before the attempts of an object whose cause no other object has.
const (
	ownFirst = 2 * time.Second
	ownMost  = 30 * time.Minute
	// paceOfNamespace is the time between two attempts of a namespace with many causes.
	paceOfNamespace = 5 * time.Second
)

// sharedDelays are the delays before the probes of a shared cause: five seconds at most in
// the first half minute, when a user is most likely working on the cause, and then two
// probes per minute. Together with the two calls that were denied first, this is at most
// twelve calls in the first two minutes, a small part of the account's rate.
var sharedDelays = []time.Duration{
	2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second,
	5 * time.Second, 5 * time.Second, 29 * time.Second, 30 * time.Second,
}

const (
	// restartInterval is the time after which the delays of a shared cause can restart:
	// many edits must not make more probes than one.
	restartInterval = 2 * time.Minute
	// hurryInterval is the minimum time between two probes after another object's call
	// succeeded.
	hurryInterval = 2 * time.Second
	mostReleased  = 1 << 16
)

// NewBlocked returns a Blocked without objects. spread returns a slightly longer delay, so
// that the attempts of objects that were blocked together do not coincide.
func NewBlocked(now func() time.Time, spread func(time.Duration) time.Duration) *Blocked {
	return &Blocked{
		now: now, spread: spread, members: map[reconcile.Request]*member{}, causes: map[string]*cause{},
		namespaces: map[string]int{}, reasons: map[string]int{}, changed: make(chan struct{}, 1),
	}
}

// Add records that an attempt of an object failed because it is blocked.
func (b *Blocked) Add(request reconcile.Request, block Block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	before := b.members[request]
	edited := before == nil || before.block.Token != block.Token
	if before != nil && before.cause.key == b.keyOf(request, block) {
		if before.trying {
			before.cause.window = 1
			b.setApart(before, now)
		}
		b.reasons[before.block.Reason]--
		before.block = block
		b.rest(before)
	} else {
		b.remove(request)
		b.insert(&member{request: request, block: block}, now)
	}
	b.reasons[block.Reason]++
	c := b.members[request].cause
	if edited && (!c.shared || now.Sub(c.startedAt) >= restartInterval) {
		c.attempts, c.startedAt = 0, now
		c.schedule(b.delay(c), now, b.spread)
	}
	b.notify()
}

// insert adds a new member. The caller holds the lock.
func (b *Blocked) insert(m *member, now time.Time) {
	key := b.keyOf(m.request, m.block)
	c := b.causes[key]
	if c == nil {
		c = newCause(key, m.block.Cause != "", now)
		b.causes[key] = c
	}
	t := c.byName[m.request.Namespace]
	if t == nil {
		t = &turn{name: m.request.Namespace, resting: list.New(), trying: list.New(), successes: c.successes}
		t.element = c.turns.PushBack(t) // it has just been denied
		c.byName[t.name] = t
		b.namespaces[t.name]++
	}
	m.cause, m.namespace = c, t
	m.element = t.resting.PushBack(m)
	c.members++
	b.members[m.request] = m
	if c.probeAt.IsZero() {
		c.schedule(b.delay(c), now, b.spread)
	}
}

// rest ends the attempt of a member. The caller holds the lock.
func (b *Blocked) rest(m *member) {
	if m.trying {
		m.namespace.trying.Remove(m.element)
		m.trying, m.element = false, m.namespace.resting.PushBack(m)
	}
}

// remove removes a member, and its cause with the last one. The caller holds the lock.
func (b *Blocked) remove(request reconcile.Request) {
	m := b.members[request]
	if m == nil {
		return
	}
	delete(b.members, request)
	if b.reasons[m.block.Reason]--; b.reasons[m.block.Reason] == 0 {
		delete(b.reasons, m.block.Reason)
	}
	t, c := m.namespace, m.cause
	if m.trying {
		t.trying.Remove(m.element)
	} else {
		t.resting.Remove(m.element)
	}
	if t.resting.Len()+t.trying.Len() == 0 {
		c.turns.Remove(t.element)
		delete(c.byName, t.name)
		if b.namespaces[t.name]--; b.namespaces[t.name] == 0 {
			delete(b.namespaces, t.name)
		}
	}
	c.members--
	b.removeEmpty(c)
}

// delay returns the time until the next probe of a cause. The caller holds the lock.
func (b *Blocked) delay(c *cause) time.Duration {
	delay := sharedDelays[min(c.attempts, len(sharedDelays)-1)]
	switch {
	case c.hastened > 0:
		return hurryInterval
	case c.apart:
		delay = max(delay, time.Duration(b.apart)*paceOfApart)
	case !c.shared:
		delay = min(ownFirst<<min(c.attempts, 20), ownMost)
	}
	// A namespace with many causes is retried at a constant pace. It does not delay the
	// namespaces with which it shares a cause.
	fewest := len(b.causes)
	for name := range c.byName {
		fewest = min(fewest, b.namespaces[name])
	}
	return min(max(delay, time.Duration(fewest-1)*paceOfNamespace), ownMost)
}

func (c *cause) schedule(delay time.Duration, now time.Time, spread func(time.Duration) time.Duration) {
	if !c.shared {
		delay = spread(delay)
	}
	if at := now.Add(delay); c.probeAt.IsZero() || at.Before(c.probeAt) {
		c.probeAt = at
	}
}

// succeed removes a member whose attempt succeeded, and releases others that wait for the
// same cause: twice as many at each success. The caller holds the lock.
func (b *Blocked) succeed(m *member) {
	c := m.cause
	b.remove(m.request)
	c.window = min(2*c.window, mostReleased)
	for range c.window {
		next := c.next()
		if next == nil {
			return
		}
		b.release(next)
	}
}

// Resolve records that an object is no longer blocked, and releases objects that wait for
// the same cause.
func (b *Blocked) Resolve(request reconcile.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.members[request]; m != nil {
		b.succeed(m)
		b.notify()
	}
}

// Forget removes an object that was deleted, or that failed for another reason, which is
// no evidence about its cause. Another object probes in its place.
func (b *Blocked) Forget(request reconcile.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.members[request]
	if m == nil {
		return
	}
	c, probed := m.cause, m.trying
	b.remove(request)
	if probed && c.members > 0 {
		c.hasten(b.now())
	}
	b.notify()
}

// next returns the member that has rested longest in the namespace whose turn it is, nil
// if none rests. The caller holds the lock.
func (c *cause) next() *member {
	for e := c.turns.Front(); e != nil; e = e.Next() {
		t, ok := e.Value.(*turn)
		if !ok || t.resting.Len() == 0 {
			continue
		}
		c.turns.MoveToBack(e)
		m, _ := t.resting.Front().Value.(*member)
		return m
	}
	return nil
}

// oldest returns the member that was released first in the namespace whose turn it is.
// The caller holds the lock.
func (c *cause) oldest() *member {
	e := c.turns.Front()
	t, ok := e.Value.(*turn)
	if !ok || t.trying.Len() == 0 {
		return nil
	}
	c.turns.MoveToBack(e)
	m, _ := t.trying.Front().Value.(*member)
	return m
}

// release adds a member to what the next Due returns. The caller holds the lock.
func (b *Blocked) release(m *member) {
	if m.trying {
		m.namespace.trying.MoveToBack(m.element)
	} else {
		m.namespace.resting.Remove(m.element)
		m.trying, m.element = true, m.namespace.trying.PushBack(m)
	}
	m.successes = m.cause.successes
	b.released = append(b.released, Release{Request: m.request, Shared: m.cause.shared})
}

// Due returns the objects to reconcile now, and the time until the next ones; zero if
// there are none. A probe that is still running when the next one is due does not delay
// it.
func (b *Blocked) Due() (due []Release, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	var first time.Time
	for _, c := range b.causes {
		if !c.probeAt.After(now) {
			b.probe(c, now)
		}
		if first.IsZero() || c.probeAt.Before(first) {
			first = c.probeAt
		}
	}
	due, b.released = b.released, nil
	if !first.IsZero() {
		wait = max(first.Sub(now), time.Millisecond)
	}
	return due, wait
}

// probe releases one member of a cause. The caller holds the lock.
func (b *Blocked) probe(c *cause, now time.Time) {
	m := c.next()
	if m == nil {
		m = c.oldest()
	}
	if m != nil {
		b.release(m)
	}
	c.attempts++
	c.hastened = max(0, c.hastened-1)
	c.probedAt, c.probeAt = now, time.Time{}
	c.schedule(b.delay(c), now, b.spread)
}

// Changed returns a channel that receives a value when Due may return objects earlier than
// its last result stated.
func (b *Blocked) Changed() <-chan struct{} { return b.changed }

// notify signals Changed.
func (b *Blocked) notify() {
	select {
	case b.changed <- struct{}{}:
	default: // the runner has not seen the last change yet
	}
}

// State returns whether an object is blocked, and whether it has been released to probe
// for a cause.
func (b *Blocked) State(request reconcile.Request) (block Block, released, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.members[request]
	if m == nil {
		return Block{}, false, false
	}
	return m.block, m.trying, true
}

// Reasons returns the number of blocked objects by reason.
func (b *Blocked) Reasons() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.reasons)
}
