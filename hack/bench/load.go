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

// writers is the number of concurrent requests that fill the API server.
const writers = 20

// parallel calls write for 0 to n-1.
func parallel(ctx context.Context, n int, write func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range n {
		group.Go(func() error { return write(ctx, i) })
	}
	return group.Wait()
}

// identity returns one with a policy of each kind: a create of it costs three
// calls.
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

// What is done to such an identity costs at least so many calls.
const (
	createCost = 3 // CreateRole, and one for each policy
	readCost   = 2 // GetPolicy, GetPolicyVersion: once for each managed policy
	lookCost   = 4 // GetRole, two lists of policies, and one for each inline policy
	editCost   = 2 // GetRole, and one write
)

// addIdentities creates the identities from first to last-1.
func (w *world) addIdentities(ctx context.Context, namespace string, first, last int) error {
	return parallel(ctx, last-first, func(ctx context.Context, i int) error {
		return w.user.Create(ctx, identity(namespace, first+i))
	})
}

// addPods creates pods of the identities' ServiceAccounts, a few of each, as if
// AWS's webhook had given them their roles.
func (w *world) addPods(ctx context.Context, namespace string, identities, n int) error {
	return parallel(ctx, n, func(ctx context.Context, i int) error {
		name := identity(namespace, i%identities).Name
		var pi v1alpha1.PodIdentity
		if err := w.user.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &pi); err != nil {
			return err
		}
		return w.user.Create(ctx, &corev1.Pod{
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
func (w *world) addServiceAccounts(ctx context.Context, namespace string, n int) error {
	return parallel(ctx, n, func(ctx context.Context, i int) error {
		return w.user.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("other-%05d", i), Labels: map[string]string{"app": "other"},
		}})
	})
}

// clear deletes all identities of a namespace, with an operator without rate limits and
// an AWS endpoint without latency, and empties the account.
func (w *world) clear(ctx context.Context, namespace string) error {
	w.operator.stop() // or it would make roles all the while
	var list v1alpha1.PodIdentityList
	if err := w.user.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return err
	}
	err := parallel(ctx, len(list.Items), func(ctx context.Context, i int) error { return w.user.Delete(ctx, &list.Items[i]) })
	if err != nil {
		return err
	}
	if err := w.setFaults(ctx, awslocal.Faults{}); err != nil {
		return err
	}
	if err := w.restart(ctx, hasty...); err != nil {
		return err
	}
	if err := w.tracker.awaitGone(ctx); err != nil {
		return err
	}
	return w.newAccount(ctx)
}
