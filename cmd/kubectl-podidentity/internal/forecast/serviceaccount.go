package forecast

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// ServiceAccountChanges returns what the operator would do with the ServiceAccounts of
// an identity, and what keeps it from doing so. Existing holds the ServiceAccounts of
// the namespace by name, live is the identity as it is, nil if it does not exist.
func ServiceAccountChanges(pi, live *v1alpha1.PodIdentity, desired plan.State, existing map[string]*corev1.ServiceAccount) ([]Change, []Finding) {
	var changes []Change
	var findings []Finding
	for _, want := range desired.ServiceAccounts() {
		change, finding := serviceAccountChange(pi, want, existing[want.Name])
		if change != nil {
			changes = append(changes, *change)
		}
		if finding != nil {
			findings = append(findings, *finding)
		}
	}
	if live == nil {
		return changes, findings
	}
	kept := plan.ServiceAccountsOf(pi)
	for _, name := range plan.ServiceAccountsOf(live) {
		sa := existing[name]
		if !slices.Contains(kept, name) && sa != nil && sa.Annotations[plan.AnnotationRoleARN] == desired.ServiceAccount.Annotations[plan.AnnotationRoleARN] {
			changes = append(changes, Change{On: "ServiceAccount " + name, Action: "release", Detail: "its new pods get no role"})
		}
	}
	return changes, findings
}

func serviceAccountChange(pi *v1alpha1.PodIdentity, want plan.ServiceAccount, sa *corev1.ServiceAccount) (*Change, *Finding) {
	on, arn := "ServiceAccount "+want.Name, want.Annotations[plan.AnnotationRoleARN]
	switch {
	case sa == nil && want.Create:
		return &Change{On: on, Action: "create", Detail: "with role " + arn}, nil
	case sa == nil:
		f := Warn(CheckConflict, on+" does not exist; the identity waits until it is created")
		return nil, &f
	case want.Create && !metav1.IsControlledBy(sa, pi):
		f := Broken(CheckConflict, on+" already exists and is not owned by this PodIdentity; to use it anyway, set spec.serviceAccount.mode: Annotate")
		return nil, &f
	}
	if has := sa.Annotations[plan.AnnotationRoleARN]; !want.Create && has != "" && has != arn {
		f := Warn(CheckConflict, fmt.Sprintf("%s has role %s, which the operator does not replace; once the new role is ready, set its annotation %s to %s",
			on, has, plan.AnnotationRoleARN, arn))
		return nil, &f
	}
	for key, value := range want.Annotations {
		if sa.Annotations[key] != value {
			return &Change{On: on, Action: "annotate", Detail: "with role " + arn}, nil
		}
	}
	return nil, nil
}

// ServiceAccountConflicts returns the ServiceAccounts of an identity that another one of the
// cluster names. Of two identities, the older one wins.
func ServiceAccountConflicts(pi *v1alpha1.PodIdentity, others []v1alpha1.PodIdentity) []Finding {
	var findings []Finding
	for i := range others {
		other := &others[i]
		if other.Name == pi.Name || pi.CreationTimestamp.Before(&other.CreationTimestamp) && !pi.CreationTimestamp.IsZero() {
			continue
		}
		for _, name := range plan.ServiceAccountsOf(pi) {
			if slices.Contains(plan.ServiceAccountsOf(other), name) {
				findings = append(findings, Broken(CheckConflict, fmt.Sprintf(
					"ServiceAccount %s is already used by the older PodIdentity %s; use a different ServiceAccount or delete one of the two", name, other.Name)))
			}
		}
	}
	return findings
}

// Older returns how many of the identities of a namespace are older than this one. One
// that does not exist yet, without a creation time, is the youngest.
func Older(pi *v1alpha1.PodIdentity, all []v1alpha1.PodIdentity) int {
	n := 0
	for i := range all {
		if other := &all[i]; other.Name != pi.Name && (pi.CreationTimestamp.IsZero() || other.CreationTimestamp.Before(&pi.CreationTimestamp)) {
			n++
		}
	}
	return n
}
