package controllers

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

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

// owned returns a ServiceAccount that checkout owns.
func owned(sa *corev1.ServiceAccount) *corev1.ServiceAccount {
	return edited(sa, func(sa *corev1.ServiceAccount) {
		sa.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(checkout(), v1alpha1.GroupVersion.WithKind("PodIdentity"))}
	})
}

// create creates an object as a user does.
func (u *unit) create(obj client.Object) {
	u.t.Helper()
	if err := u.client.Create(u.t.Context(), obj); err != nil {
		u.t.Fatal(err)
	}
}

// annotate annotates a ServiceAccount as the operator does.
func (u *unit) annotate(sa *corev1.ServiceAccount, roleARN string) {
	u.t.Helper()
	if err := u.serviceAccounts.annotate(u.t.Context(), sa, map[string]string{plan.AnnotationRoleARN: roleARN}); err != nil {
		u.t.Fatal(err)
	}
}

// roleOf returns the annotation of a ServiceAccount with a role, and whether it has one.
func (u *unit) roleOf(namespace, name string) (arn string, found bool) {
	u.t.Helper()
	var sa corev1.ServiceAccount
	if err := u.client.Get(u.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &sa); err != nil {
		u.t.Fatal(err)
	}
	arn, found = sa.Annotations[plan.AnnotationRoleARN]
	return arn, found
}

// version returns the resourceVersion of a ServiceAccount.
func (u *unit) version(namespace, name string) string {
	u.t.Helper()
	var sa corev1.ServiceAccount
	if err := u.client.Get(u.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &sa); err != nil {
		u.t.Fatal(err)
	}
	return sa.ResourceVersion
}

// unreachable returns a client whose calls fail.
func unreachable(c client.WithWatch, err error) client.Client {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return err
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return err },
		Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
			return err
		},
	})
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
			owned(annotated("checkout", unitCluster.RoleARN(name))),
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

// Deletion releases what the operator annotated, and nothing that others need.
func TestServiceAccountPhase_ReleaseAllLeavesWhatOthersNeed(t *testing.T) {
	name := plan.RoleName("prod", "shop", "checkout")
	arn := unitCluster.RoleARN(name)
	namesake := checkout(func(pi *v1alpha1.PodIdentity) {
		pi.Name, pi.UID = "other", "2"
		pi.Spec.Role.Name, pi.Spec.ServiceAccount.Name = name, "legacy"
	})
	byOperator := func(sa *corev1.ServiceAccount) func(*unit) { return func(u *unit) { u.annotate(sa, arn) } }
	byCreation := func(u *unit) {
		want := plan.ServiceAccount{Name: "legacy", Create: true, Annotations: map[string]string{plan.AnnotationRoleARN: arn}}
		if err := u.serviceAccounts.createManaged(t.Context(), checkout(), want); err != nil {
			t.Fatal(err)
		}
	}
	for reason, tc := range map[string]struct {
		existing []client.Object
		setUp    func(*unit)
		want     bool // the annotation stays
	}{
		"the operator annotated it":                         {setUp: byOperator(annotated("legacy", ""))},
		"a user annotated it":                               {existing: []client.Object{annotated("legacy", arn)}, want: true},
		"it has another role":                               {setUp: func(u *unit) { u.annotate(annotated("legacy", ""), unitCluster.RoleARN("another")) }, want: true},
		"the identity owns it, so it was deleted":           {setUp: byCreation, want: true},
		"another identity with a role of that name uses it": {existing: []client.Object{namesake}, setUp: byOperator(annotated("legacy", "")), want: true},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t, tc.existing...)
			if tc.setUp != nil {
				tc.setUp(u)
			}
			before := u.version("shop", "legacy")
			if err := u.serviceAccounts.releaseAll(t.Context(), newScope(checkout(), "prod")); err != nil {
				t.Fatal(err)
			}
			if got, found := u.roleOf("shop", "legacy"); found != tc.want {
				t.Errorf("the annotation is %q, want it to stay: %t", got, tc.want)
			}
			if written := u.version("shop", "legacy") != before; written == tc.want {
				t.Errorf("the ServiceAccount was written: %t, want the opposite", written)
			}
		})
	}
}

func TestServiceAccountPhase_ReleasesWhatTheSpecNoLongerNames(t *testing.T) {
	arn := unitCluster.RoleARN(plan.RoleName("prod", "shop", "checkout"))
	also := func(pi *v1alpha1.PodIdentity) {
		pi.Spec.AdditionalServiceAccounts = []v1alpha1.ServiceAccountName{"legacy"}
	}
	elsewhere := edited(annotated("legacy", ""), func(sa *corev1.ServiceAccount) { sa.Namespace = "other" })
	for reason, tc := range map[string]struct {
		setUp     func(*unit)
		edit      func(*v1alpha1.PodIdentity)
		namespace string // of ServiceAccount legacy; by default that of the identity
		want      bool   // the annotation stays
	}{
		"the spec does not name it":                  {setUp: func(u *unit) { u.annotate(annotated("legacy", ""), arn) }},
		"the spec names it among the additional":     {setUp: func(u *unit) { u.annotate(annotated("legacy", ""), arn) }, edit: also, want: true},
		"the spec names it as its own":               {setUp: func(u *unit) { u.annotate(annotated("legacy", ""), arn) }, edit: func(pi *v1alpha1.PodIdentity) { pi.Spec.ServiceAccount.Name = "legacy" }, want: true},
		"a user annotated it":                        {setUp: func(u *unit) { u.create(annotated("legacy", arn)) }, want: true},
		"it has the role of another identity":        {setUp: func(u *unit) { u.annotate(annotated("legacy", ""), unitCluster.RoleARN("another")) }, want: true},
		"it is in the namespace of another identity": {setUp: func(u *unit) { u.annotate(elsewhere, arn) }, namespace: "other", want: true},
	} {
		t.Run(reason, func(t *testing.T) {
			u := newUnit(t)
			tc.setUp(u)
			pi := checkout()
			if tc.edit != nil {
				tc.edit(pi)
			}
			namespace := cmp.Or(tc.namespace, "shop")
			before := u.version(namespace, "legacy")
			if err := u.serviceAccounts.releaseUnreferenced(t.Context(), u.scopeOf(pi)); err != nil {
				t.Fatal(err)
			}
			if got, found := u.roleOf(namespace, "legacy"); found != tc.want {
				t.Errorf("the annotation is %q, want it to stay: %t", got, tc.want)
			}
			if written := u.version(namespace, "legacy") != before; written == tc.want {
				t.Errorf("the ServiceAccount was written: %t, want the opposite", written)
			}
		})
	}
}

func TestServiceAccountPhase_FailsIfTheAPIServerDoesNotAnswer(t *testing.T) {
	broken := errors.New("unreachable")
	for name, run := range map[string]func(*serviceAccountPhase, context.Context, *scope) error{
		"checkOwnership":      (*serviceAccountPhase).checkOwnership,
		"reconcile":           (*serviceAccountPhase).reconcile,
		"releaseUnreferenced": (*serviceAccountPhase).releaseUnreferenced,
		"releaseAll":          (*serviceAccountPhase).releaseAll,
		"inSync": func(p *serviceAccountPhase, ctx context.Context, s *scope) error {
			_, err := p.inSync(ctx, s)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUnit(t)
			u.serviceAccounts.client = unreachable(u.client, broken)
			if err := run(u.serviceAccounts, t.Context(), u.scopeOf(checkout())); !errors.Is(err, broken) {
				t.Errorf("error = %v, want that of the API server", err)
			}
		})
	}
}
