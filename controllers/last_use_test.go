package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func daysAgo(n int) time.Time { return noon.Add(-time.Duration(n) * 24 * time.Hour) }

func TestLastUse_IsClassified(t *testing.T) {
	cases := map[string]struct {
		reason string
		found  *plan.Observed
		want   string
	}{
		"Skipped":   {"The bulk read was skipped or denied, or is older than the role.", nil, useUnknown},
		"Recreated": {"The role was deleted, and another one has its name.", &plan.Observed{ID: "AROA2", LastUsedAt: daysAgo(1)}, useUnknown},
		"Used":      {"The role was used in the last 90 days.", &plan.Observed{ID: "AROA1", CreatedAt: daysAgo(400), LastUsedAt: daysAgo(89)}, useRecent},
		"Unused":    {"The role was last used 90 days ago or earlier.", &plan.Observed{ID: "AROA1", CreatedAt: daysAgo(400), LastUsedAt: daysAgo(90)}, useNone},
		"Never":     {"The role was not used in its first 90 days.", &plan.Observed{ID: "AROA1", CreatedAt: daysAgo(90)}, useNever},
		"New":       {"The role is too new to count as unused.", &plan.Observed{ID: "AROA1", CreatedAt: daysAgo(89)}, useNew},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := lastUse(tc.found, "AROA1", noon); got != tc.want {
				t.Errorf("%s\nlastUse() = %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// Every kind is set, so that none unused and unknown differ.
func TestRecordLastUse_SetsEveryKind(t *testing.T) {
	identity := func(id string) v1alpha1.PodIdentity {
		var pi v1alpha1.PodIdentity
		if id != "" {
			pi.Status.Role = &v1alpha1.RoleStatus{Name: "Role-" + id, ID: id}
		}
		return pi
	}
	snapshot := plan.RoleSnapshot{Roles: map[string]*plan.Observed{}}
	snapshot.Add(&plan.Observed{Role: plan.Role{Name: "role-1"}, ID: "1", LastUsedAt: daysAgo(1)})
	all := []v1alpha1.PodIdentity{identity("1"), identity("2"), identity("")}
	for name, tc := range map[string]struct {
		snapshot plan.RoleSnapshot
		want     map[string]float64
	}{
		"Read":    {snapshot, map[string]float64{useRecent: 1, useUnknown: 1, useNone: 0, useNever: 0, useNew: 0}},
		"Skipped": {plan.RoleSnapshot{}, map[string]float64{useRecent: 0, useUnknown: 2, useNone: 0, useNever: 0, useNew: 0}},
	} {
		recordLastUse(all, tc.snapshot, noon)
		if diff := cmp.Diff(tc.want, gauges(t, "podidentity_identities_by_last_use")); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", name, diff)
		}
	}
}

// gauges returns the values of a gauge by its one label.
func gauges(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				values[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return values
}

// The day only moves forward, while the role is the same.
func TestWithLastUse_DayOnlyMovesForward(t *testing.T) {
	status := func(id string, used time.Time) *v1alpha1.RoleStatus {
		return &v1alpha1.RoleStatus{ID: id, LastUsedTime: dayOf(used)}
	}
	day := func(n int) *metav1.Time { return dayOf(daysAgo(n)) }
	cases := map[string]struct {
		reason      string
		now, before *v1alpha1.RoleStatus
		want        *metav1.Time
		isNew       bool
	}{
		"First":     {"The role was used for the first time.", status("1", daysAgo(1)), status("1", time.Time{}), day(1), true},
		"Later":     {"The role was used on a later day.", status("1", daysAgo(1)), status("1", daysAgo(2)), day(1), true},
		"SameDay":   {"The role was used again on the same day.", status("1", daysAgo(1).Add(time.Hour)), status("1", daysAgo(1)), day(1), false},
		"Earlier":   {"The status has a more recent use.", status("1", daysAgo(2)), status("1", daysAgo(1)), day(1), false},
		"Unknown":   {"The answer to a write contains no use.", status("1", time.Time{}), status("1", daysAgo(1)), day(1), false},
		"Recreated": {"The recreated role was not used.", status("2", time.Time{}), status("1", daysAgo(1)), nil, false},
		"New":       {"There was no role before.", status("1", daysAgo(1)), nil, day(1), false},
		"Never":     {"The role was never used.", status("1", time.Time{}), status("1", time.Time{}), nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := withLastUse(tc.now, tc.before).LastUsedTime; !got.Equal(tc.want) {
				t.Errorf("%s\nwithLastUse() = %v, want %v", tc.reason, got, tc.want)
			}
			if got := hasNewUse(tc.before, tc.now); got != tc.isNew {
				t.Errorf("%s\nhasNewUse() = %t, want %t", tc.reason, got, tc.isNew)
			}
		})
	}
	if got := dayOf(noon).Format(time.RFC3339); got != "2026-11-01T00:00:00Z" {
		t.Errorf("dayOf(noon) = %s", got)
	}
}
