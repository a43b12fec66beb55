package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// roleCache remembers, while the process lives, which roles were last seen or made
// as desired. It only saves calls: whoever finds nothing here asks AWS.
type roleCache struct {
	mu    sync.Mutex
	roles map[types.UID]cachedRole
}

// cachedRole is a role that was as desired at some time.
type cachedRole struct {
	desired     plan.Role
	status      v1alpha1.RoleStatus
	observedAt  time.Time
	assumableAt time.Time // when pods may rely on it
}

func newRoleCache() *roleCache { return &roleCache{roles: map[types.UID]cachedRole{}} }

// get returns what is remembered of the object's role.
func (m *roleCache) get(uid types.UID) (cachedRole, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.roles[uid]
	return got, ok
}

// has reports whether anything is remembered of the object's role.
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

// recordCheck remembers what a sweep that began at that time found, or forgets the role if
// it found nothing, and reports whether it did: of a role that was seen or made
// since, more is known than a sweep can tell.
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
