package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/driftevent"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// roleCache holds, while the process runs, the roles that were in sync when the
// operator last read or wrote them. It only saves calls: on a miss, callers read the
// role from AWS.
type roleCache struct {
	mu    sync.Mutex
	roles map[types.UID]cachedRole
	// suspicions are the roles that another caller may have changed since they were last read.
	suspicions map[types.UID]suspicion
	// outdated holds the roles as the operator last applied them, of objects that have
	// no entry in roles any longer.
	outdated map[types.UID]plan.Role
	// expected are the objects that may have a role although neither roles nor outdated
	// has it, and absent those that have none although nothing shows that.
	expected, absent map[types.UID]bool
}

// suspicion is a reason to believe that a role was changed out of band.
type suspicion struct {
	at      time.Time           // when the operator learned about it, by an event or a drift check
	readAt  time.Time           // when the operator had last read the role
	records []driftevent.Record // of the events, the latest ones last
}

// maxRecords is the number of records of one role that are remembered.
const maxRecords = 8

// cachedRole is a role that was in sync at observedAt.
type cachedRole struct {
	desired     plan.Role
	status      v1alpha1.RoleStatus
	observedAt  time.Time // when it was last read or written
	readAt      time.Time // when all of it was last known from AWS: read, or created
	assumableAt time.Time // when pods can rely on it
}

func newRoleCache() *roleCache {
	return &roleCache{
		roles: map[types.UID]cachedRole{}, suspicions: map[types.UID]suspicion{}, outdated: map[types.UID]plan.Role{},
		expected: map[types.UID]bool{}, absent: map[types.UID]bool{},
	}
}

// get returns the cached role of the object.
func (m *roleCache) get(uid types.UID) (cachedRole, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.roles[uid]
	return got, ok
}

// has reports whether the object's role is cached.
func (m *roleCache) has(uid types.UID) bool {
	_, ok := m.get(uid)
	return ok
}

// put caches a role. began is the time at which the operator began to read or write it. If
// another caller may have changed the role since, the entry is not stored, and the next
// reconcile reads the role.
func (m *roleCache) put(uid types.UID, r cachedRole, began time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store(uid, r)
	if m.suspectSince(uid, began) {
		m.expire(uid)
	}
}

// suspect records that another caller may have changed a role, and removes its entry.
func (m *roleCache) suspect(uid types.UID, at time.Time, record driftevent.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.suspectedAt(uid, at)
	s.records = append(s.records[max(0, len(s.records)-maxRecords+1):], record)
	m.suspicions[uid] = s
}

// suspectedAt removes the entry of a role that is suspected from that time on, and returns
// the suspicion. The caller holds the lock.
func (m *roleCache) suspectedAt(uid types.UID, at time.Time) suspicion {
	s := m.suspicions[uid]
	if cached, ok := m.roles[uid]; ok {
		s.readAt = cached.readAt
	}
	m.expire(uid)
	if at.After(s.at) {
		s.at = at
	}
	return s
}

// suspected returns what is known about out-of-band changes to a role since it was last
// read.
func (m *roleCache) suspected(uid types.UID) (suspicion, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.suspicions[uid]
	return s, ok
}

// lastRead returns when the operator last read a role, zero if it does not know.
func (m *roleCache) lastRead(uid types.UID) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cached, ok := m.roles[uid]; ok {
		return cached.readAt
	}
	return m.suspicions[uid].readAt
}

// suspectSince reports whether a role became suspect after a read of it began. An older
// suspicion is removed, because the read has answered it. The caller holds the lock.
func (m *roleCache) suspectSince(uid types.UID, began time.Time) bool {
	s, ok := m.suspicions[uid]
	if ok && !s.at.After(began) {
		delete(m.suspicions, uid)
		ok = false
	}
	return ok
}

// lastApplied returns the object's role as the operator last applied it since it
// started, whatever has happened to it in AWS since.
func (m *roleCache) lastApplied(uid types.UID) (plan.Role, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if got, ok := m.roles[uid]; ok {
		return got.desired, true
	}
	role, ok := m.outdated[uid]
	return role, ok
}

// remove makes the next reconcile of the object read its role.
func (m *roleCache) remove(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(uid)
}

// forget removes everything about an object that is deleted.
func (m *roleCache) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.roles, uid)
	delete(m.outdated, uid)
	delete(m.suspicions, uid)
	delete(m.expected, uid)
	delete(m.absent, uid)
}

// expect records that the operator is about to create a role for an object.
func (m *roleCache) expect(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.roles[uid]; !ok {
		m.expected[uid] = true
	}
	delete(m.absent, uid)
}

// mayExist reports whether the operator has created a role for an object since it started,
// or has tried to.
func (m *roleCache) mayExist(uid types.UID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.roles[uid]
	_, outdated := m.outdated[uid]
	return known || outdated || m.expected[uid]
}

// setAbsent records that AWS has no role of an object, and isAbsent reports whether it did
// and the operator has not created one since.
func (m *roleCache) setAbsent(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.absent[uid] = true
}

func (m *roleCache) isAbsent(uid types.UID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.absent[uid]
}

// store and expire need the lock.
func (m *roleCache) store(uid types.UID, r cachedRole) {
	m.roles[uid] = r
	delete(m.outdated, uid)
	delete(m.expected, uid)
	delete(m.absent, uid)
}

func (m *roleCache) expire(uid types.UID) {
	if got, ok := m.roles[uid]; ok {
		m.outdated[uid] = got.desired
		delete(m.roles, uid)
	}
}

// recordCheck stores what a drift check that began at that time found, or removes the
// entry if it found nothing, and reports whether it did either. A role that was read
// or written since the check began is more recent, so its entry stays.
func (m *roleCache) recordCheck(uid types.UID, began time.Time, found *cachedRole) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roles[uid].observedAt.After(began) {
		return false
	}
	if found == nil || m.suspicions[uid].at.After(began) {
		m.expire(uid)
		return true
	}
	delete(m.suspicions, uid)
	m.store(uid, *found)
	return true
}

// recordDrift is recordCheck for a role that is not as desired in what the drift check read.
// The next reconcile of its object reads the role with the priority of a repair.
func (m *roleCache) recordDrift(uid types.UID, began time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roles[uid].observedAt.After(began) {
		return false
	}
	m.suspicions[uid] = m.suspectedAt(uid, began)
	return true
}
