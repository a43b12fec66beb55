package controllers_test

import (
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/podidentity/podidentity-operator/internal/ratelimit"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// The metrics tell what a day of the operator cost, and what it found. All tests
// share them, so this one is not parallel to others.
func TestMetrics_CountCallsChangesAndDrift(t *testing.T) {
	s := newEnv(t)
	s.createProvider()
	s.budget = ratelimit.New(1000, 1000)
	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{{Action: "CreateRole", Error: "Throttling", Count: 1}}})
	before := readMetrics(t)
	s.start()
	s.apply(checkout)
	role := s.awaitReady("checkout").Status.Role.Name
	s.stop()
	s.must(s.putPolicy(role, "backdoor"))
	s.start()
	s.eventually("the repair", func() bool { return s.account.Calls()["DeleteRolePolicy"] > 0 })
	s.awaitEvent("checkout", "CorrectedDrift", "")
	s.apply("metadata: {name: checkout}\nspec: {}")
	s.awaitReady("checkout")
	s.request("checkout", "again")
	s.eventually("the request to be handled", func() bool { return s.get("checkout").Status.LastHandledReconcileAt == "again" })
	for _, nth := range []string{"once", "twice"} {
		s.apply("metadata: {name: greedy}\nspec: {policies: {managed: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]}, role: {description: " + nth + "}}")
		s.awaitRejected("greedy")
	}
	s.stop()

	after := readMetrics(t)
	for want, n := range map[string]float64{
		"podidentity_aws_requests_total{CreateRole,Throttling}": 1,
		"podidentity_aws_requests_total{CreateRole,Success}":    1,
		"podidentity_aws_requests_total{ListRoles,Success}":     1,
		"podidentity_aws_request_duration_seconds{CreateRole}":  2,
		"podidentity_aws_rate_limit_wait_seconds{create}":       5 + 4, // the throttled one, 1 + managed + inline, and two managed policies to read
		"podidentity_aws_rate_limit_wait_seconds{repair}":       6 + 1, // a read of a role with three inline policies, and the repair
		"podidentity_role_changes_total{CreateRole}":            1,
		"podidentity_drift_corrected_total{inlinePolicy}":       1,
		"podidentity_failures_total{GuardrailViolated}":         1, // the second time it says nothing new
		"podidentity_drift_check_duration_seconds{}":            2,
	} {
		if got := after[want] - before[want]; got != n {
			t.Errorf("%s grew by %v, want %v", want, got, n)
		}
	}
	for want, least := range map[string]float64{
		"podidentity_aws_rate_limit_wait_seconds{edit}":    1,
		"podidentity_aws_rate_limit_wait_seconds{check}":   2 + 2, // the pages, and the managed policy
		"podidentity_aws_rate_limit_wait_seconds{request}": 3,     // a read of a bare role, and one of the provider on a slow machine
	} {
		if got := after[want] - before[want]; got < least {
			t.Errorf("%s grew by %v, want %v at least", want, got, least)
		}
	}
	for want, n := range map[string]float64{"podidentity_drift_check_requests{}": 2, "podidentity_drift_check_suspected_roles{}": 1} {
		if got := after[want]; got != n {
			t.Errorf("%s is %v, want %v", want, got, n)
		}
	}
	checked := time.Unix(int64(after["podidentity_drift_check_last_success_timestamp_seconds{}"]), 0)
	if age := time.Since(checked); age < 0 || age > awaitTimeout {
		t.Errorf("the last drift check is %s old", age)
	}
}

// readMetrics returns all samples, by name and the values of labels; of a histogram the
// number of observations.
func readMetrics(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			samples[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return samples
}
