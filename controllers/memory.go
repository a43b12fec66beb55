package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// memory remembers, while the process lives, which roles were last seen or made
// as desired. It only saves calls: whoever finds nothing here asks AWS.
type memory struct {
	mu    sync.Mutex
	roles map[types.UID]remembered
}

// remembered is a role that was as desired at some time.
type remembered struct {
	desired  plan.Role
	status   v1alpha1.RoleStatus
	seenAt   time.Time
	usableAt time.Time // when pods may rely on it
}

func newMemory() *memory { return &memory{roles: map[types.UID]remembered{}} }

// of returns what is remembered of the object's role.
func (m *memory) of(uid types.UID) (remembered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.roles[uid]
	return got, ok
}

// knows reports whether anything is remembered of the object's role.
func (m *memory) knows(uid types.UID) bool {
	_, ok := m.of(uid)
	return ok
}

func (m *memory) remember(uid types.UID, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.roles[uid] = r
}

func (m *memory) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.roles, uid)
}

// judge remembers what a sweep that began at that time found, or forgets the role if
// it found nothing, and reports whether it did: of a role that was seen or made
// since, more is known than a sweep can tell.
func (m *memory) judge(uid types.UID, began time.Time, found *remembered) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roles[uid].seenAt.After(began) {
		return false
	}
	if found == nil {
		delete(m.roles, uid)
	} else {
		m.roles[uid] = *found
	}
	return true
}
