package controllers

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/driftevent"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// EventQueue is a queue of CloudTrail's events about IAM.
type EventQueue interface {
	// Receive returns the next messages, none if there are none. It waits for the
	// first one, for some seconds, if wait is set.
	Receive(ctx context.Context, wait bool) ([]driftevent.Message, error)
	// Delete deletes messages. What it does not delete is received again.
	Delete(ctx context.Context, messages []driftevent.Message) error
	// Own reports whether an access key is, or was, the operator's.
	Own(accessKeyID string) bool
}

const (
	// maxPending is the number of messages that are handled together. If a request
	// returns as many messages as it can, another one follows, so that a flood of events
	// is recognized.
	maxPending = 200
	// maxSuspects is the number of roles that are read one by one when events about
	// them come together. For more, a drift check reads all roles, in a few calls.
	maxSuspects = 10
	// readBurst and readsPerSecond limit how often events cause the read of a single
	// role. Beyond that, a drift check reads all roles.
	readBurst      = 20
	readsPerSecond = 1
	// minCheckPause is the time between two drift checks that events cause.
	minCheckPause = 10 * time.Second
	// minRolePause is the time between two reads of one role that events cause.
	minRolePause = time.Second
	// visibleAfter is the age from which every read of a role shows a change. It allows
	// for the clocks of AWS and of the node to differ, and for IAM's eventual consistency.
	visibleAfter = 15 * time.Second
	// queueRetryInterval is the time between two requests to a queue that fails.
	queueRetryInterval = 10 * time.Second
	// maxRemembered is the number of events that are remembered, for duplicates.
	maxRemembered = 4096
)

// eventListener marks a role as suspect as soon as CloudTrail reports that another caller
// has changed it, and queues a reconcile, which reads the role from AWS. A message can
// cause nothing but that read.
type eventListener struct {
	queue       EventQueue
	client      client.Reader
	clusterInfo *clusterInfo
	roleCache   *roleCache
	clock       clock.Clock
	suspects    chan<- event.GenericEvent
	// checkNow requests a drift check of all roles; it is buffered for one.
	checkNow chan<- struct{}

	seen      recentIDs
	lastCheck time.Time
	reads     *rate.Limiter // of single roles

	mu       sync.Mutex
	lastRead map[types.UID]time.Time // of the roles that are to be read, or were within minRolePause
	failing  bool
}

// newReadLimiter returns the limiter of reads of single roles.
func newReadLimiter() *rate.Limiter { return rate.NewLimiter(readsPerSecond, readBurst) }

// Start handles messages until ctx ends. Only the leader does.
func (l *eventListener) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.handleNext(ctx); err != nil && ctx.Err() == nil {
			l.report(ctx, err)
			select {
			case <-ctx.Done():
			case <-l.clock.After(jitter(queueRetryInterval)):
			}
			continue
		}
		l.report(ctx, nil)
	}
	return nil
}

// report shows in the metric, and once in the log, whether the queue works. The periodic drift
// check goes on without it.
func (l *eventListener) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	switch {
	case err == nil:
		driftEventQueueUp.Set(1)
	default:
		driftEventQueueUp.Set(0)
		if !l.failing {
			logf.FromContext(ctx).Error(err, "Reading the event queue failed, retrying; until then only the periodic drift check finds out-of-band changes")
		}
	}
	l.failing = err != nil
}

// handleNext waits for messages, handles them, and deletes them.
func (l *eventListener) handleNext(ctx context.Context) error {
	cluster, err := l.clusterInfo.cluster(ctx)
	if err != nil {
		return err
	}
	messages, err := l.receive(ctx)
	if err != nil || len(messages) == 0 {
		return err
	}
	records := l.changes(cluster, messages)
	if len(records) > 0 {
		if err := l.suspectRoles(ctx, cluster, records); err != nil {
			return err
		}
	}
	return l.queue.Delete(ctx, messages)
}

// receive returns the messages that are there, and waits for the first.
func (l *eventListener) receive(ctx context.Context) ([]driftevent.Message, error) {
	all, err := l.queue.Receive(ctx, true)
	for full := len(all) >= 10; err == nil && full && len(all) < maxPending; {
		var more []driftevent.Message
		more, err = l.queue.Receive(ctx, false)
		all, full = append(all, more...), len(more) >= 10
	}
	if len(all) > 0 {
		return all, nil // an error comes again with the next request
	}
	return nil, err
}

// changes returns the records about changes that other callers made, each once.
func (l *eventListener) changes(cluster plan.Cluster, messages []driftevent.Message) []driftevent.Record {
	scope := driftevent.Scope{Account: cluster.AccountID, Path: cluster.RolePath, Own: l.queue.Own}
	var records []driftevent.Record
	for _, m := range messages {
		record, err := driftevent.Parse(m.Body)
		class := driftevent.Malformed
		if err == nil {
			class = scope.Classify(record)
		}
		if class == driftevent.Suspect && !l.seen.add(record.ID) {
			class = "Duplicate"
		}
		driftEvents.WithLabelValues(string(class)).Inc()
		if class != driftevent.Suspect {
			continue
		}
		driftEventDelay.Observe(max(0, l.clock.Since(record.Time).Seconds()))
		records = append(records, record)
	}
	return records
}

// suspectRoles marks the roles of records as suspect and causes reads of them: one read per
// role, or a drift check if there are many.
func (l *eventListener) suspectRoles(ctx context.Context, cluster plan.Cluster, records []driftevent.Record) error {
	owners, err := l.owners(ctx, cluster)
	if err != nil {
		l.seen.remove(records) // the messages come again
		return err
	}
	var found []*v1alpha1.PodIdentity
	known := map[types.UID]bool{}
	for _, record := range records {
		for _, obj := range owners[strings.ToLower(record.Role)] {
			if l.alreadyRead(obj, record) {
				continue
			}
			l.roleCache.suspect(obj.UID, l.clock.Now(), record)
			logf.FromContext(ctx).Info("IAM role was changed out of band", "role", record.Role, "action", record.Action, "principal", record.Caller.Principal, "time", record.Time)
			if !known[obj.UID] && !l.readDue(obj) {
				found = append(found, obj)
			}
			known[obj.UID] = true
		}
	}
	if len(found) > maxSuspects || !l.reads.AllowN(l.clock.Now(), len(found)) {
		l.requestCheck(ctx)
		return ctx.Err()
	}
	for _, obj := range found {
		l.enqueue(ctx, obj)
	}
	return ctx.Err()
}

// requestCheck requests a drift check now, or later if events have caused one just now.
func (l *eventListener) requestCheck(ctx context.Context) {
	now := l.clock.Now()
	if l.lastCheck.After(now) {
		return // one is already scheduled
	}
	wait := max(0, l.lastCheck.Add(minCheckPause).Sub(now))
	l.lastCheck = now.Add(wait)
	go func() {
		if wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-l.clock.After(wait):
			}
		}
		select {
		case l.checkNow <- struct{}{}:
		default: // one is about to begin
		}
	}()
}

// owners returns the PodIdentities by the name of their role in lower case. The cache may not
// have the status of a new role yet; then the computed name counts. There are several for a
// name if the status of one PodIdentity names the role of another.
func (l *eventListener) owners(ctx context.Context, cluster plan.Cluster) (map[string][]*v1alpha1.PodIdentity, error) {
	var list v1alpha1.PodIdentityList
	if err := l.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	owners := make(map[string][]*v1alpha1.PodIdentity, len(list.Items))
	for i := range list.Items {
		obj := &list.Items[i]
		name := plan.NameOf(obj, cluster.Name)
		if obj.Status.Role != nil {
			name = obj.Status.Role.Name
		}
		name = strings.ToLower(name)
		owners[name] = append(owners[name], obj)
	}
	return owners, nil
}

// alreadyRead reports whether the operator has read the role since the change.
func (l *eventListener) alreadyRead(obj *v1alpha1.PodIdentity, record driftevent.Record) bool {
	return l.roleCache.lastRead(obj.UID).Sub(record.Time) > visibleAfter
}

// readDue reports whether a read of the role of obj is already scheduled: it will show a
// change that was made before now.
func (l *eventListener) readDue(obj *v1alpha1.PodIdentity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastRead[obj.UID].After(l.clock.Now())
}

// enqueue queues a reconcile of obj now, or later if another one was queued just now: a flood of
// events about one role costs a read per second.
func (l *eventListener) enqueue(ctx context.Context, obj *v1alpha1.PodIdentity) {
	l.mu.Lock()
	now := l.clock.Now()
	next := l.lastRead[obj.UID].Add(minRolePause)
	if l.lastRead == nil {
		l.lastRead = map[types.UID]time.Time{}
	}
	for uid, at := range l.lastRead {
		if now.Sub(at) > minRolePause {
			delete(l.lastRead, uid)
		}
	}
	wait := max(0, next.Sub(now))
	l.lastRead[obj.UID] = now.Add(wait)
	l.mu.Unlock()
	if wait == 0 {
		l.send(ctx, obj)
		return
	}
	go func() {
		select {
		case <-ctx.Done():
		case <-l.clock.After(wait):
			l.send(ctx, obj)
		}
	}()
}

func (l *eventListener) send(ctx context.Context, obj *v1alpha1.PodIdentity) {
	select {
	case l.suspects <- event.GenericEvent{Object: obj}:
	case <-ctx.Done():
	}
}

// recentIDs are the IDs of the latest events.
type recentIDs struct {
	known map[string]bool
	order []string
}

// add reports whether the ID is new. An event without one is always new.
func (r *recentIDs) add(id string) bool {
	if id == "" {
		return true
	}
	if r.known[id] {
		return false
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	r.known[id] = true
	r.order = append(r.order, id)
	if len(r.order) > maxRemembered {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	return true
}

// remove forgets the IDs of records that could not be handled.
func (r *recentIDs) remove(records []driftevent.Record) {
	for _, record := range records {
		delete(r.known, record.ID)
	}
}

// causeOf returns the latest record about a component, false if there is none. For the records
// all settings of a role are one component, which the operator divides further.
func causeOf(component string, records []driftevent.Record) (driftevent.Record, bool) {
	settings := map[string]bool{"trust": false, "tags": false, "boundary": false, "inlinePolicy": false, "managedPolicy": false, "instanceProfile": false, "role": false}
	for _, record := range slices.Backward(records) {
		changed := record.Component()
		_, own := settings[component]
		if changed == component || changed == "settings" && !own || changed == "role" {
			return record, true
		}
	}
	return driftevent.Record{}, false
}

// principalLabels bounds the values of a metric's label: the first principals by name, all others
// as one.
type principalLabels struct {
	mu    sync.Mutex
	known map[string]bool
}

// maxPrincipals is the number of principals that get their own value.
const maxPrincipals = 50

var driftPrincipals principalLabels

// label returns the value of the label for a principal. The sessions of a role share one.
func (p *principalLabels) label(principal string) string {
	if before, after, ok := strings.Cut(principal, ":assumed-role/"); ok {
		role, _, _ := strings.Cut(after, "/")
		principal = before + ":assumed-role/" + role
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known[principal] {
		if len(p.known) >= maxPrincipals {
			return "other"
		}
		if p.known == nil {
			p.known = map[string]bool{}
		}
		p.known[principal] = true
	}
	return principal
}
