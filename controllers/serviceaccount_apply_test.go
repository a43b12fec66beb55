package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// annotated is a ServiceAccount with the annotation of a role.
func annotated(name, roleARN string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, Annotations: map[string]string{plan.AnnotationRoleARN: roleARN},
	}}
}

// edited returns a ServiceAccount after an edit.
func edited(sa *corev1.ServiceAccount, edit func(*corev1.ServiceAccount)) *corev1.ServiceAccount {
	edit(sa)
	return sa
}

func TestServiceAccountPhase_UsedByNamesake(t *testing.T) {
	shared := func(name string, edit func(*v1alpha1.PodIdentity)) *v1alpha1.PodIdentity {
		return checkout(func(pi *v1alpha1.PodIdentity) {
			pi.Name, pi.UID = name, "2"
			pi.Spec.Role.Name, pi.Spec.ServiceAccount.Name = "shared", "legacy"
			edit(pi)
		})
	}
	for reason, tc := range map[string]struct {
		other *v1alpha1.PodIdentity
		want  bool
	}{
		"the other identity has a role of the same name": {shared("other", func(*v1alpha1.PodIdentity) {}), true},
		"the other identity has another role":            {shared("other", func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.Name = "another" }), false},
		"the other identity has another ServiceAccount":  {shared("other", func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Name = "another" }), false},
		"the other identity is being deleted": {shared("other", func(pi *v1alpha1.PodIdentity) {
			pi.DeletionTimestamp, pi.Finalizers = &metav1.Time{Time: now.Add(-time.Minute)}, []string{v1alpha1.Finalizer}
		}), false},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.other)
			s := newScope(shared("checkout", func(pi *v1alpha1.PodIdentity) { pi.UID = "1" }), "prod")
			if got, err := u.serviceAccounts.usedByNamesake(t.Context(), s, "legacy"); err != nil || got != tc.want {
				t.Errorf("usedByNamesake = %t, %v, want %t", got, err, tc.want)
			}
		})
	}
}

func TestServiceAccountPhase_InSyncOnlyIfNothingIsToBeWritten(t *testing.T) {
	name := plan.RoleName("prod", "shop", "checkout")
	annotate := func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Mode = v1alpha1.ServiceAccountAnnotate }
	for reason, tc := range map[string]struct {
		existing []client.Object
		want     bool
	}{
		"the annotation is there":             {[]client.Object{annotated("checkout", unitCluster.RoleARN(name))}, true},
		"the ServiceAccount is missing":       {nil, false},
		"the ServiceAccount has another role": {[]client.Object{annotated("checkout", unitCluster.RoleARN("another"))}, false},
		"the ServiceAccount has another audience": {[]client.Object{
			edited(annotated("checkout", unitCluster.RoleARN(name)), func(sa *corev1.ServiceAccount) { sa.Annotations[plan.AnnotationAudience] = "another" }),
		}, false},
		"the ServiceAccount is the operator's own, and is to be handed over": {[]client.Object{
			edited(annotated("checkout", unitCluster.RoleARN(name)), func(sa *corev1.ServiceAccount) {
				sa.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(checkout(), v1alpha1.GroupVersion.WithKind("PodIdentity"))}
			}),
		}, false},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.existing...)
			if got, err := u.serviceAccounts.inSync(t.Context(), u.scopeOf(checkout(annotate))); err != nil || got != tc.want {
				t.Errorf("inSync = %t, %v, want %t", got, err, tc.want)
			}
		})
	}
}
