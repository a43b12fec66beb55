package controllers

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// unusedAfter is the time without use after which a role counts as unused.
const unusedAfter = 90 * 24 * time.Hour

// lastUseKinds are the values of the label of identitiesByLastUse.
var lastUseKinds = []string{useRecent, useNone, useNever, useNew, useUnknown}

const (
	useRecent  = "used"
	useNone    = "unused"
	useNever   = "never"
	useNew     = "new"
	useUnknown = "unknown"
)

// roleStatus returns the status of a role as it was read.
func roleStatus(observed *plan.Observed) v1alpha1.RoleStatus {
	return v1alpha1.RoleStatus{Name: observed.Name, ARN: observed.ARN, ID: observed.ID, LastUsedTime: dayOf(observed.LastUsedAt)}
}

// dayOf returns the day of a time, in UTC, nil for no time. The status changes at most
// once a day because of it.
func dayOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(24 * time.Hour)}
}

// withLastUse returns the status of a role with the later of the days on which it was
// used. A source may lack the last use: GetRole and the bulk read are not equally recent,
// the response to a write has none, and IAM forgets after 400 days.
func withLastUse(now, before *v1alpha1.RoleStatus) *v1alpha1.RoleStatus {
	role := *now
	if before != nil && before.ID == role.ID && earlierDay(role.LastUsedTime, before.LastUsedTime) {
		role.LastUsedTime = before.LastUsedTime
	}
	return &role
}

// hasNewUse reports whether the role was used on a later day than the status says.
func hasNewUse(before, now *v1alpha1.RoleStatus) bool {
	if before == nil {
		return false // the reconcile that is due reports the role
	}
	return before.ID == now.ID && earlierDay(before.LastUsedTime, now.LastUsedTime)
}

// earlierDay reports whether a is before b. No day is before every day.
func earlierDay(a, b *metav1.Time) bool { return b != nil && (a == nil || a.Before(b)) }

// recordLastUse counts the identities with a role by its last use.
func recordLastUse(identities []v1alpha1.PodIdentity, snapshot plan.RoleSnapshot, now time.Time) {
	counts := map[string]int{}
	for i := range identities {
		if role := identities[i].Status.Role; role != nil {
			counts[lastUse(snapshot.Roles[strings.ToLower(role.Name)], role.ID, now)]++
		}
	}
	for _, kind := range lastUseKinds {
		identitiesByLastUse.WithLabelValues(kind).Set(float64(counts[kind]))
	}
}

// lastUse returns the kind of use of a role: found is the role of its name in the
// snapshot, nil if there is none.
func lastUse(found *plan.Observed, id string, now time.Time) string {
	switch {
	case found == nil || found.ID != id:
		return useUnknown
	case !found.LastUsedAt.IsZero() && now.Sub(found.LastUsedAt) < unusedAfter:
		return useRecent
	case !found.LastUsedAt.IsZero():
		return useNone
	case now.Sub(found.CreatedAt) < unusedAfter:
		return useNew
	default:
		return useNever
	}
}
