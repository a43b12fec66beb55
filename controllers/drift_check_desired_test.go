package controllers

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// A drift check computes the desired role of an identity again if the generation or the
// cluster has changed, and only then.
func TestDriftChecker_DesiredRoleFollowsSpecAndCluster(t *testing.T) {
	const boundary = "arn:aws:iam::123456789012:policy/boundary"
	bounded := unitCluster
	bounded.Boundary = boundary
	edit := func(pi *v1alpha1.PodIdentity) {
		pi.Spec.Policies.Managed = append(pi.Spec.Policies.Managed, sqsFullAccess)
	}
	for name, tc := range map[string]struct {
		reason   string
		edit     func(*v1alpha1.PodIdentity)
		bounded  bool
		policies int
		boundary string
	}{
		"Same":       {reason: "Without a new generation the spec has not changed, and nothing is computed.", edit: edit, policies: 1},
		"Generation": {reason: "A new generation can have another role.", edit: func(pi *v1alpha1.PodIdentity) { edit(pi); pi.Generation++ }, policies: 2},
		"Cluster":    {reason: "A guardrail can require another boundary.", bounded: true, policies: 1, boundary: boundary},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			d, obj, cluster := &driftChecker{}, checkout(), &unitCluster
			d.desired = map[types.UID]desiredRole{obj.UID: d.desiredRole(obj, cluster)}
			if tc.edit != nil {
				tc.edit(obj)
			}
			if tc.bounded {
				cluster = &bounded
			}
			got := d.desiredRole(obj, cluster)
			if !got.valid || len(got.role.Managed) != tc.policies || got.role.Boundary != tc.boundary {
				t.Errorf("desired role = %+v, want %d policies and boundary %q", got, tc.policies, tc.boundary)
			}
		})
	}
}
