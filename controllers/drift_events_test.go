package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/driftevent"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// memoryQueue is a queue in memory. A message that was received and not deleted stays.
type memoryQueue struct {
	mu       sync.Mutex
	messages []driftevent.Message
	next     int
	failure  error // of the next receive
	deleted  int
	received int
}

func (q *memoryQueue) send(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range bodies {
		q.messages = append(q.messages, driftevent.Message{Body: body})
	}
}

func (q *memoryQueue) Receive(ctx context.Context, wait bool) ([]driftevent.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.received++
	if err := q.failure; err != nil {
		q.failure = nil
		return nil, err
	}
	for range 200 { // 20 seconds
		if q.next < len(q.messages) || !wait || ctx.Err() != nil {
			break
		}
		q.mu.Unlock()
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // in synctest, time does not pass otherwise
		q.mu.Lock()
	}
	end := min(q.next+10, len(q.messages))
	batch := q.messages[q.next:end]
	q.next = end
	return batch, nil
}

func (q *memoryQueue) Delete(_ context.Context, messages []driftevent.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deleted += len(messages)
	return nil
}

func (q *memoryQueue) Own(key string) bool { return key == "ASIAOWN" }

// identities are PodIdentities with roles, by number.
type identities struct {
	client.Reader
	count   int
	failure error  // of the next list
	forged  string // the name of a role in the status of one more identity
	created bool   // there is one more identity, which has no status yet
}

func (i *identities) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	if err := i.failure; err != nil {
		i.failure = nil
		return err
	}
	if list, ok := into.(*v1alpha1.PodIdentityList); ok {
		for n := range i.count {
			pi := v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint(n), UID: types.UID(fmt.Sprint(n))}}
			pi.Status.Role = &v1alpha1.RoleStatus{Name: fmt.Sprintf("Role%d", n)}
			list.Items = append(list.Items, pi)
		}
		if i.created {
			list.Items = append(list.Items, newIdentity)
		}
		if i.forged != "" {
			pi := v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "hostile", Name: "forged", UID: "forged"}}
			pi.Status.Role = &v1alpha1.RoleStatus{Name: i.forged}
			list.Items = append(list.Items, pi)
		}
	}
	return nil
}

// newIdentity is the identity without a status.
var newIdentity = v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "new", UID: "new"}}

var eventNumber int

// changedBy is an event about a policy that a session attached to a role just now.
func changedBy(role, key string) string {
	eventNumber++
	return fmt.Sprintf(`{"detail":{"eventSource":"iam.amazonaws.com","eventName":"AttachRolePolicy","eventTime":%q,"eventID":"e%d","recipientAccountId":"123456789012",`+
		`"userIdentity":{"arn":"arn:aws:sts::123456789012:assumed-role/Admin/ann","accessKeyId":%q},"requestParameters":{"roleName":%q}}}`,
		time.Now().UTC().Format(time.RFC3339), eventNumber, key, role)
}

// listening is a listener of a cluster with that many identities, whose roles are all cached.
func listening(t *testing.T, count int) (*eventListener, *memoryQueue, chan event.GenericEvent, chan struct{}) {
	t.Helper()
	shared := &clusterInfo{clock: clock.RealClock{}}
	shared.facts.value = plan.Cluster{Name: "test", AccountID: "123456789012", RolePath: "/test/"}
	shared.facts.at = time.Now()
	queue, suspects, checks := &memoryQueue{}, make(chan event.GenericEvent, 1000), make(chan struct{}, 1)
	l := &eventListener{
		queue: queue, client: &identities{count: count}, clusterInfo: shared, roleCache: newRoleCache(), clock: clock.RealClock{},
		suspects: suspects, checkNow: checks, reads: newReadLimiter(),
	}
	for n := range count {
		l.roleCache.put(types.UID(fmt.Sprint(n)), cachedRole{readAt: time.Now()}, time.Now())
	}
	return l, queue, suspects, checks
}

// listen runs a listener for a time.
func listen(t *testing.T, l *eventListener, d time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	if err := l.Start(ctx); err != nil {
		t.Error(err)
	}
	synctest.Wait()
}

func TestEventListener_QueuesWhatChanged(t *testing.T) {
	repeat := func(n int, body func() string) []string {
		var bodies []string
		for range n {
			bodies = append(bodies, body())
		}
		return bodies
	}
	cases := map[string]struct {
		reason         string
		bodies         func() []string
		reads, checks  int // after 10 seconds
		cached         int // roles that still are, of 20
		cachedRoleRead time.Duration
	}{
		"Change": {"The role is read.", func() []string { return []string{changedBy("role3", "ASIAANN")} }, 1, 0, 19, 0},
		"Own":    {"The operator ignores its own changes.", func() []string { return repeat(50, func() string { return changedBy("role3", "ASIAOWN") }) }, 0, 0, 20, 0},
		"OtherAccount": {"The role of that name is in another account.", func() []string {
			return []string{strings.Replace(changedBy("role3", "A"), "123456789012", "210987654321", 1)}
		}, 0, 0, 20, 0},
		"OtherRole": {"No identity has such a role.", func() []string { return []string{changedBy("admin", "ASIAANN")} }, 0, 0, 20, 0},
		"Malformed": {"Malformed messages are dropped.", func() []string { return []string{"", "{", "null", strings.Repeat("x", 1<<18)} }, 0, 0, 20, 0},
		"Duplicates": {"Delivery is at least once.", func() []string {
			body := changedBy("role3", "ASIAANN")
			return repeat(300, func() string { return body })
		}, 1, 0, 19, 0},
		"Few": {"Each role is read alone.", func() []string {
			n := 0
			return repeat(10, func() string { n++; return changedBy(fmt.Sprintf("role%d", n), "ASIAANN") })
		}, 10, 0, 10, 0},
		"FloodOnRole": {"One read immediately, and one more a second later.", func() []string {
			return repeat(500, func() string { return changedBy("role3", "ASIAANN") })
		}, 2, 0, 19, 0},
		"FloodOnAll": {"A drift check reads all roles in a few calls.", func() []string {
			n := 0
			return repeat(1000, func() string { n++; return changedBy(fmt.Sprintf("role%d", n%20), "ASIAANN") })
		}, 0, 1, 0, 0},
		"Old": {"The role was read after the event.", func() []string { return []string{changedBy("role3", "ASIAANN")} }, 0, 0, 20, visibleAfter + 2*time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, queue, suspects, checks := listening(t, 20)
				queue.send(tc.bodies()...)
				if tc.cachedRoleRead > 0 {
					time.Sleep(tc.cachedRoleRead) //nolint:forbidigo // in synctest, time does not pass otherwise
					l.roleCache.put("3", cachedRole{readAt: time.Now()}, time.Now())
				}
				listen(t, l, 10*time.Second)
				cached := 0
				for n := range 20 {
					if l.roleCache.has(types.UID(fmt.Sprint(n))) {
						cached++
					}
				}
				if len(suspects) != tc.reads || len(checks) != tc.checks || cached != tc.cached {
					t.Errorf("%s\n%d reads, %d drift checks, %d roles cached; want %d, %d, %d", tc.reason, len(suspects), len(checks), cached, tc.reads, tc.checks, tc.cached)
				}
				if queue.deleted != len(queue.messages) {
					t.Errorf("%d of %d messages were deleted", queue.deleted, len(queue.messages))
				}
			})
		})
	}
}

// A status that names the role of another identity does not hide a change of it.
func TestEventListener_ForgedStatusHidesNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, queue, suspects, _ := listening(t, 20)
		l.client = &identities{count: 20, forged: "ROLE3"}
		queue.send(changedBy("role3", "ASIAANN"))
		listen(t, l, time.Second)
		close(suspects)
		var read []string
		for e := range suspects {
			read = append(read, e.Object.GetName())
		}
		if !slices.Contains(read, "3") || l.roleCache.has("3") {
			t.Errorf("the identities %v are read, want 3 among them", read)
		}
	})
}

// The change of a role is not missed because its identity has no status yet in the cache.
func TestEventListener_RoleOfANewIdentityIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, queue, suspects, _ := listening(t, 20)
		l.client = &identities{count: 20, created: true}
		queue.send(changedBy(plan.RoleName("test", newIdentity.Namespace, newIdentity.Name), "ASIAANN"))
		listen(t, l, time.Second)
		if len(suspects) != 1 {
			t.Fatalf("%d reads, want one", len(suspects))
		}
		if e := <-suspects; e.Object.GetName() != newIdentity.Name {
			t.Errorf("%s is read", e.Object.GetName())
		}
	})
}

// A message is deleted only when the reconcile is queued: it comes again otherwise, and is not
// taken for a duplicate then.
func TestEventListener_MessageStaysUntilItIsHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, queue, suspects, _ := listening(t, 20)
		l.client = &identities{count: 20, failure: errors.New("the cache has stopped")}
		body := changedBy("role3", "ASIAANN")
		queue.send(body)
		listen(t, l, time.Second)
		if queue.deleted != 0 || len(suspects) != 0 {
			t.Fatalf("%d messages deleted, %d reads; want none", queue.deleted, len(suspects))
		}
		queue.send(body)
		listen(t, l, time.Second)
		if queue.deleted != 1 || len(suspects) != 1 {
			t.Errorf("%d messages deleted, %d reads; want one each", queue.deleted, len(suspects))
		}
	})
}

// A failed receive is retried, but not in a hot loop.
func TestEventListener_FailingQueueIsAskedWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, queue, suspects, _ := listening(t, 20)
		queue.failure = errors.New("access denied")
		queue.send(changedBy("role3", "ASIAANN"))
		listen(t, l, 5*time.Second)
		if queue.received != 1 || !l.failing {
			t.Errorf("received %d times in 5 seconds, failing: %t; want once and true", queue.received, l.failing)
		}
		listen(t, l, queueRetryInterval)
		if len(suspects) != 1 || l.failing {
			t.Errorf("%d reads, failing: %t; want one and false", len(suspects), l.failing)
		}
	})
}

// A read that began before an event does not settle it.
func TestRoleCache_EarlierReadDoesNotEndASuspicion(t *testing.T) {
	m, start := newRoleCache(), time.Now()
	record := driftevent.Record{Action: "AttachRolePolicy"}
	m.put("1", cachedRole{}, start)
	m.suspect("1", start.Add(time.Second), record)
	if m.has("1") {
		t.Error("the entry of a suspect is still there")
	}
	m.put("1", cachedRole{}, start)
	if m.has("1") {
		t.Error("a read that began before the event put an entry")
	}
	if m.recordCheck("1", start, &cachedRole{}); m.has("1") {
		t.Error("a drift check that began before the event put an entry")
	}
	if s, ok := m.suspected("1"); !ok || len(s.records) != 1 {
		t.Errorf("the records are lost: %v", s)
	}
	m.put("1", cachedRole{}, start.Add(2*time.Second))
	if _, ok := m.suspected("1"); ok || !m.has("1") {
		t.Error("a read that began after the event did not settle it")
	}
	for range 100 {
		m.suspect("1", start.Add(3*time.Second), record)
	}
	if s, _ := m.suspected("1"); len(s.records) != maxRecords {
		t.Errorf("%d records are remembered, want %d", len(s.records), maxRecords)
	}
	if m.recordCheck("1", start.Add(4*time.Second), &cachedRole{}); !m.has("1") {
		t.Error("a drift check that began after the event did not settle it")
	}
}

func TestCauseOf_LatestRecordOfTheComponent(t *testing.T) {
	records := []driftevent.Record{
		{ID: "1", Action: "AttachRolePolicy"}, {ID: "2", Action: "TagRole"}, {ID: "3", Action: "AttachRolePolicy"}, {ID: "4", Action: "UpdateRole"},
	}
	for component, want := range map[string]string{"managedPolicy": "3", "tags": "2", "description": "4", "sessionDuration": "4", "trust": "", "inlinePolicy": ""} {
		if got, _ := causeOf(component, records); got.ID != want {
			t.Errorf("causeOf(%s) = %q, want %q", component, got.ID, want)
		}
	}
	if got, _ := causeOf("managedPolicy", []driftevent.Record{{ID: "1", Action: "DeleteRole"}}); got.ID != "1" {
		t.Errorf("a role that was deleted changed all of its parts, got %q", got.ID)
	}
}

// A label has a bounded number of values, however many names callers choose.
func TestPrincipalLabels_AreBounded(t *testing.T) {
	var p principalLabels
	const admin = "arn:aws:sts::1:assumed-role/Admin"
	for n := range 100 {
		if got := p.label(fmt.Sprintf("%s/session%d", admin, n)); got != admin {
			t.Fatalf("label(...) = %q, want %q", got, admin)
		}
	}
	values := map[string]bool{}
	for n := range 1000 {
		values[p.label(fmt.Sprintf("arn:aws:iam::1:user/u%d", n))] = true
	}
	if len(values) > maxPrincipals || !values["other"] {
		t.Errorf("%d values", len(values))
	}
}
