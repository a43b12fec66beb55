package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// roleCache holds, while the process runs, the roles that were in sync when the
// operator last read or wrote them. It only saves calls: on a miss, callers read the
// role from AWS.
type roleCache struct {
	mu    sync.Mutex
	roles map[types.UID]cachedRole
}

// cachedRole is a role that was in sync at observedAt.
type cachedRole struct {
	desired     plan.Role
	status      v1alpha1.RoleStatus
	observedAt  time.Time // when it was last read or written
	readAt      time.Time // when all of it was last known from AWS: read, or created
	assumableAt time.Time // when pods can rely on it
}

func newRoleCache() *roleCache { return &roleCache{roles: map[types.UID]cachedRole{}} }

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

func (m *roleCache) put(uid types.UID, r cachedRole) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roles[uid] = r
}

func (m *roleCache) remove(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.roles, uid)
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
	if found == nil {
		delete(m.roles, uid)
	} else {
		m.roles[uid] = *found
	}
	return true
}
