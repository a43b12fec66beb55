package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// concurrency is the number of concurrent requests that create objects.
const concurrency = 20

// parallel calls do for 0 to n-1.
func parallel(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// identity returns an identity with one managed and one inline policy.
func identity(namespace string, i int) *v1alpha1.PodIdentity {
	return &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("app-%04d", i)},
		Spec: v1alpha1.PodIdentitySpec{Policies: v1alpha1.PoliciesSpec{
			Managed: []v1alpha1.PolicyARN{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
			Inline: []v1alpha1.InlinePolicy{{
				Name: "bucket",
				Statements: []v1alpha1.Statement{{
					Effect:    "Allow",
					Actions:   []v1alpha1.Action{"s3:PutObject"},
					Resources: []v1alpha1.Resource{v1alpha1.Resource(fmt.Sprintf("arn:aws:s3:::bucket-%04d/*", i))},
				}},
			}},
		}},
	}
}

// The minimum numbers of AWS calls for such an identity.
const (
	createCost     = 3 // CreateRole, and one for each policy
	policyReadCost = 2 // GetPolicy, GetPolicyVersion: once for each managed policy
	fullReadCost   = 4 // GetRole, two lists of policies, and one for each inline policy
	editCost       = 2 // GetRole, and one write
	deleteCost     = 2 // one for each policy; ownership, trust and the role come in addition
)

// addIdentities creates the identities from first to last-1.
func (env *environment) addIdentities(ctx context.Context, namespace string, first, last int) error {
	return parallel(ctx, last-first, func(ctx context.Context, i int) error {
		return env.user.Create(ctx, identity(namespace, first+i))
	})
}

// addPods creates pods that use the identities' ServiceAccounts and have the roles, as if
// AWS's webhook had admitted them.
func (env *environment) addPods(ctx context.Context, namespace string, identities, n int) error {
	return parallel(ctx, n, func(ctx context.Context, i int) error {
		name := identity(namespace, i%identities).Name
		var pi v1alpha1.PodIdentity
		if err := env.user.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &pi); err != nil {
			return err
		}
		return env.user.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("pod-%05d", i), Labels: map[string]string{"app": name}},
			Spec: corev1.PodSpec{
				ServiceAccountName: name,
				Containers: []corev1.Container{{
					Name: "app", Image: "registry.example.com/app:v1",
					Env: []corev1.EnvVar{{Name: "AWS_ROLE_ARN", Value: pi.Status.Role.ARN}, {Name: "LOG_LEVEL", Value: "info"}},
				}},
			},
		})
	})
}

// addServiceAccounts creates ServiceAccounts that no identity names.
func (env *environment) addServiceAccounts(ctx context.Context, namespace string, n int) error {
	return parallel(ctx, n, func(ctx context.Context, i int) error {
		return env.user.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("other-%05d", i), Labels: map[string]string{"app": "other"},
		}})
	})
}

// clear deletes all identities of the namespaces, with an operator without rate limits and
// an AWS endpoint without latency, and resets the account.
func (env *environment) clear(ctx context.Context, namespaces ...string) error {
	env.operator.stop() // it must not create further roles
	for _, namespace := range namespaces {
		var list v1alpha1.PodIdentityList
		if err := env.user.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return err
		}
		err := parallel(ctx, len(list.Items), func(ctx context.Context, i int) error {
			return client.IgnoreNotFound(env.user.Delete(ctx, &list.Items[i]))
		})
		if err != nil {
			return err
		}
	}
	if err := env.setFaults(ctx, awslocal.Faults{}); err != nil {
		return err
	}
	if err := env.restart(ctx, unlimited...); err != nil {
		return err
	}
	if err := env.tracker.awaitGone(ctx); err != nil {
		return err
	}
	return env.resetAccount(ctx)
}

// edit changes an identity, and returns its new generation.
func (env *environment) edit(ctx context.Context, key client.ObjectKey, change func(*v1alpha1.PodIdentity)) (int64, error) {
	var pi v1alpha1.PodIdentity
	if err := env.user.Get(ctx, key, &pi); err != nil {
		return 0, err
	}
	before := pi.DeepCopy()
	change(&pi)
	err := env.user.Patch(ctx, &pi, client.MergeFrom(before))
	return pi.Generation, err
}

// request requests a reconciliation.
func (env *environment) request(ctx context.Context, key client.ObjectKey, token string) error {
	_, err := env.edit(ctx, key, func(pi *v1alpha1.PodIdentity) {
		pi.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: token}
	})
	return err
}

// awaitHandled waits until a request has been handled.
func (env *environment) awaitHandled(ctx context.Context, key client.ObjectKey, token string) error {
	return eventually(ctx, "the request to be handled", func() (bool, error) {
		var pi v1alpha1.PodIdentity
		err := env.user.Get(ctx, key, &pi)
		return pi.Status.LastHandledReconcileAt == token, err
	})
}

// describe returns a change of a role's description, which differs for each value.
func describe(value any) func(*v1alpha1.PodIdentity) {
	return func(pi *v1alpha1.PodIdentity) { pi.Spec.Role.Description = fmt.Sprint(value) }
}
