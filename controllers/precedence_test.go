package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// Of two identities that name one ServiceAccount exactly one comes first, and it
// is not taken away from the one that has it.
func TestPrecedes_IsATotalOrderAndKeepsTheHolder(t *testing.T) {
	s := &scope{cluster: plan.Cluster{Name: "test", Partition: "aws", AccountID: "123456789012", RolePath: "/"}}
	identity := func(name string, uid types.UID, second int) *v1alpha1.PodIdentity {
		return &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: uid, CreationTimestamp: metav1.Unix(int64(second), 0),
		}}
	}
	carrying := func(pi *v1alpha1.PodIdentity) *corev1.ServiceAccount {
		arn := s.cluster.RoleARN(plan.NameOf(pi, s.cluster.Name))
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{plan.AnnotationRoleARN: arn}}}
	}
	controlled := func(pi *v1alpha1.PodIdentity) *corev1.ServiceAccount {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(pi, v1alpha1.GroupVersion.WithKind("PodIdentity"))},
		}}
	}
	old, young := identity("old", "z", 1), identity("young", "a", 2)
	twin, other := identity("twin", "z", 1), identity("other", "a", 1)
	cases := map[string]struct {
		reason      string
		first, then *v1alpha1.PodIdentity
		sa          *corev1.ServiceAccount
	}{
		"Older":      {"The older one comes first.", old, young, nil},
		"OlderLate":  {"The older one comes first, even if the ServiceAccount has the role of the younger one.", old, young, carrying(young)},
		"Carries":    {"Of two with the same creation time, the one whose role the ServiceAccount has comes first.", twin, other, carrying(twin)},
		"Controls":   {"Of two with the same creation time, the one that created the ServiceAccount comes first.", twin, other, controlled(twin)},
		"NeitherHas": {"Of two with the same creation time that do not have the ServiceAccount, the order is stable.", other, twin, nil},
		"ThirdHas":   {"The role of a third identity does not matter.", other, twin, carrying(identity("third", "b", 1))},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if !olderThan(tc.first, tc.then, s.hasServiceAccount(tc.sa)) || olderThan(tc.then, tc.first, s.hasServiceAccount(tc.sa)) {
				t.Errorf("%s does not come before %s alone", tc.first.Name, tc.then.Name)
			}
		})
	}
}
