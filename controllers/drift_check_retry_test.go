package controllers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// failing makes every drift check end with one error.
type failing struct {
	err   error
	count int
}

func (f *failing) ListAll(context.Context, string) (plan.RoleSnapshot, error) {
	f.count++
	return plan.RoleSnapshot{}, f.err
}

// identitiesInSync is a cluster with one identity, whose role is in sync.
type identitiesInSync struct{ client.Reader }

func (identitiesInSync) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	if list, ok := into.(*v1alpha1.PodIdentityList); ok {
		pi := v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "1", Generation: 1}}
		pi.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionRoleReady, Status: metav1.ConditionTrue, ObservedGeneration: 1}}
		list.Items = []v1alpha1.PodIdentity{pi}
	}
	return nil
}

// The operator soon repeats a drift check that failed with a transient error. If AWS
// denies the bulk read, it reads every role individually, and no more often than it
// would make a bulk read.
func TestDriftCheck_RetriesAndReadsIndividuallyIfDenied(t *testing.T) {
	cases := map[string]struct {
		reason               string
		err                  error
		bulkReads, roleReads int
	}{
		"Transient": {
			reason:    "Retries follow after 0, 15, 30 and 45 seconds, plus at most a tenth.",
			err:       fault.Errorf(fault.Transient, v1alpha1.ReasonAWSUnavailable, "no answer"),
			bulkReads: 4, roleReads: 0,
		},
		"Denied": {
			reason:    "The next check is due after an hour.",
			err:       fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "not allowed"),
			bulkReads: 1, roleReads: 1,
		},
		"CredentialsError": {
			reason:    "Without credentials no role can be read.",
			err:       fault.Errorf(fault.Blocked, v1alpha1.ReasonCredentialsUnavailable, "none"),
			bulkReads: 4, roleReads: 0,
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithTimeout(t.Context(), 55*time.Second)
				defer stop()
				shared := &clusterInfo{clock: clock.RealClock{}}
				shared.facts.value = plan.Cluster{
					Name: "test", Partition: "aws", AccountID: "123456789012", Issuer: "https://oidc.example.com", Audience: "sts.amazonaws.com", RolePath: "/test/",
				}
				shared.facts.at = time.Now()
				lister := &failing{err: tc.err}
				s := &driftChecker{
					config: Config{DriftCheckInterval: time.Hour}, client: identitiesInSync{}, lister: lister, clusterInfo: shared, guardrails: guardrailReader{identitiesInSync{}}, roleCache: newRoleCache(),
					orphans:  newOrphans(OrphanReport, clock.RealClock{}, identitiesInSync{}, nil, guardrailReader{identitiesInSync{}}),
					policies: newManagedPolicies(&fakePolicies{}, clock.RealClock{}),
					clock:    clock.RealClock{}, suspects: make(chan event.GenericEvent, 10),
				}
				if err := s.Start(ctx); err != nil {
					t.Error(err)
				}
				if lister.count != tc.bulkReads || len(s.suspects) != tc.roleReads {
					t.Errorf("%d bulk reads and %d reads of roles, want %d and %d", lister.count, len(s.suspects), tc.bulkReads, tc.roleReads)
				}
				if s.pending() != (tc.roleReads == 0) {
					t.Errorf("is the first drift check still to come? %v", s.pending())
				}
			})
		})
	}
}
