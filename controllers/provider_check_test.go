package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

func withIssuerReady(name string, status metav1.ConditionStatus, edits ...func(*v1alpha1.PodIdentity)) *v1alpha1.PodIdentity {
	return checkout(append(edits, func(pi *v1alpha1.PodIdentity) {
		pi.Name = name
		pi.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionIssuerReady, Status: status, Reason: "Test"}}
	})...)
}

func TestProviderChecker_QueuesTheIdentitiesThatShowAnotherResult(t *testing.T) {
	working := &plan.Provider{Audiences: []string{plan.DefaultAudience}}
	cases := map[string]struct {
		found *plan.Provider
		err   error
		want  []string
	}{
		"a provider that is gone is shown by all":        {found: nil, want: []string{"ready"}},
		"a missing audience is shown by all":             {found: &plan.Provider{}, want: []string{"ready"}},
		"a provider that is back frees those that wait":  {found: working, want: []string{"failed"}},
		"a check that AWS does not answer shows nothing": {err: errors.New("unreachable"), want: nil},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t,
				withIssuerReady("ready", metav1.ConditionTrue), withIssuerReady("failed", metav1.ConditionFalse),
				withIssuerReady("suspended", metav1.ConditionTrue, func(pi *v1alpha1.PodIdentity) { pi.Spec.Suspend = true }),
				checkout(func(pi *v1alpha1.PodIdentity) { pi.Name = "new" }),
			)
			queue := make(chan event.GenericEvent, 10)
			c, _ := u.providerChecker(&fakeProviders{found: tc.found, err: tc.err}, queue)
			_ = c.check(t.Context())
			close(queue)
			var got []string
			for e := range queue {
				got = append(got, e.Object.GetName())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("queued = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestProviderChecker_NamesACauseOnceUntilItIsGone(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "podidentity-system", Name: "operator-1"}}
	u := newUnit(t, pod)
	providers := &fakeProviders{}
	recorder := events.NewFakeRecorder(10)
	c, clock := u.providerChecker(providers, make(chan event.GenericEvent, 10))
	c.config.Pod, c.events = types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, recorder
	check := func(ready float64) {
		t.Helper()
		clock.Step(providerRetryInterval)
		_ = c.check(t.Context())
		var shown dto.Metric
		if err := issuerReady.Write(&shown); err != nil || shown.GetGauge().GetValue() != ready {
			t.Errorf("podidentity_issuer_ready is %v (%v), want %v", shown.GetGauge().GetValue(), err, ready)
		}
	}
	check(0)
	check(0)
	if n := len(recorder.Events); n != 1 {
		t.Errorf("%d events about one cause, want 1", n)
	}
	providers.found = &plan.Provider{Audiences: []string{plan.DefaultAudience}}
	check(1)
	providers.found = nil
	check(0)
	if n := len(recorder.Events); n != 2 {
		t.Errorf("%d events after the cause came back, want 2", n)
	}
}

// Identities that are reconciled between two checks take the result of the last one.
func TestProviderChecker_ReconcilesCauseNoCall(t *testing.T) {
	u := newUnit(t)
	providers := &fakeProviders{}
	c, clock := u.providerChecker(providers, make(chan event.GenericEvent, 10))
	_ = c.check(t.Context())
	u.issuer.clusterInfo = c.clusterInfo
	for range 5 {
		clock.Step(providerRetryInterval)
		s := u.scopeOf(checkout())
		expectFault(t, u.issuer.requireProvider(t.Context(), s), fault.Blocked, v1alpha1.ReasonOIDCProviderNotFound)
	}
	if providers.reads != 1 {
		t.Errorf("%d reads of the provider, want 1", providers.reads)
	}
}

// providerChecker returns a checker of a cluster with these providers.
func (u *unit) providerChecker(providers providers, queue chan<- event.GenericEvent) (*providerChecker, *testingclock.FakeClock) {
	clock := testingclock.NewFakeClock(now)
	return &providerChecker{
		config: unitConfig, client: u.client, apiReader: u.client, clock: clock, queue: queue, events: events.NewFakeRecorder(10),
		clusterInfo: &clusterInfo{
			config: unitConfig, clock: clock, apiReader: u.client, providers: providers, account: fakeAccount{account: plan.Account{Partition: "aws", ID: "123456789012"}},
			discover: func(context.Context) (string, error) { return unitCluster.Issuer, nil },
		},
	}, clock
}
