package controllers

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/awsiam"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

var benchCluster = plan.Cluster{
	Name: "bench", ID: "0f8fad5b-d9cb-469f-a165-70867728950e", Partition: "aws", AccountID: "123456789012",
	Issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF", Audience: plan.DefaultAudience, RolePath: "/podidentity/bench/",
}

// readyIdentity returns an identity that is in sync, as the API server returns it.
func readyIdentity(i int) v1alpha1.PodIdentity {
	pi := v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{
		Namespace: fmt.Sprintf("team-%02d", i%50), Name: fmt.Sprintf("app-%05d", i), UID: types.UID(fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", i)),
		ResourceVersion: fmt.Sprint(100000 + i), Generation: 1, Finalizers: []string{v1alpha1.Finalizer},
		CreationTimestamp: metav1.Now(),
	}}
	pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}
	pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "bucket", Statements: []v1alpha1.Statement{{
		Effect: "Allow", Actions: []v1alpha1.Action{"s3:PutObject"}, Resources: []v1alpha1.Resource{v1alpha1.Resource(fmt.Sprintf("arn:aws:s3:::bucket-%05d/*", i))},
	}}}}
	for _, c := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionIssuerReady, v1alpha1.ConditionRoleReady, v1alpha1.ConditionServiceAccountReady, v1alpha1.ConditionPodsUpToDate} {
		pi.Status.Conditions = append(pi.Status.Conditions, metav1.Condition{
			Type: c, Status: metav1.ConditionTrue, ObservedGeneration: 1, LastTransitionTime: metav1.Now(), Reason: v1alpha1.ReasonSucceeded, Message: "The role is in sync",
		})
	}
	name := plan.NameOf(&pi, benchCluster.Name)
	pi.Status.ObservedGeneration = 1
	pi.Status.Issuer = benchCluster.Issuer
	pi.Status.Role = &v1alpha1.RoleStatus{Name: name, ARN: benchCluster.RoleARN(name), ID: fmt.Sprintf("AROA%012d", i)}
	return pi
}

// copying is a cache that returns copies of its objects, like the one of controller-runtime.
type copying struct {
	client.Reader

	items []v1alpha1.PodIdentity
}

func (c copying) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	list, ok := into.(*v1alpha1.PodIdentityList)
	if !ok {
		return nil
	}
	o := client.ListOptions{}
	o.ApplyOptions(options)
	list.Items = make([]v1alpha1.PodIdentity, len(c.items))
	for i := range c.items {
		if o.UnsafeDisableDeepCopy != nil && *o.UnsafeDisableDeepCopy {
			list.Items[i] = c.items[i]
		} else {
			c.items[i].DeepCopyInto(&list.Items[i])
		}
	}
	return nil
}

// BenchmarkDriftCheck checks 5,000 roles in sync. The time of the AWS endpoint, which runs
// in the same process, is included.
func BenchmarkDriftCheck(b *testing.B) {
	const n = 5000
	endpoint := httptest.NewServer(awslocal.New(awslocal.Options{Quotas: map[string]int{"RolesQuota": n + 1}}))
	defer endpoint.Close()
	api := iam.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint.URL, Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})})
	roles := awsiam.NewRoles(api)
	items := make([]v1alpha1.PodIdentity, n)
	for i := range items {
		items[i] = readyIdentity(i)
		desired, err := plan.Desired(&items[i], benchCluster)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := roles.Apply(b.Context(), desired.Role.Name, plan.Diff(nil, desired.Role)); err != nil {
			b.Fatal(err)
		}
	}
	shared := &clusterInfo{clock: clock.RealClock{}}
	shared.facts.value, shared.facts.at = benchCluster, time.Now()
	suspects := make(chan event.GenericEvent)
	checker := &driftChecker{
		config: Config{DriftCheckInterval: time.Hour}, client: copying{items: items}, lister: roles, clusterInfo: shared, guardrails: guardrailReader{client: copying{}},
		roleCache: newRoleCache(), policies: newManagedPolicies(roles, clock.RealClock{}), clock: clock.RealClock{}, suspects: suspects,
		orphans: newOrphans(OrphanSeal, clock.RealClock{}, copying{}, roles, guardrailReader{client: copying{}}),
	}
	for b.Loop() {
		if err := checker.check(b.Context()); err != nil {
			b.Fatal(err)
		}
		if got := len(checker.roleCache.roles); got != n {
			b.Fatalf("%d roles in sync, want %d", got, n)
		}
		freeMemory()
	}
	runtime.KeepAlive(checker)
}

// heap returns the bytes of the objects that are reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCache_SizeOfObjects limits the heap that a cached object takes.
func TestCache_SizeOfObjects(t *testing.T) {
	const n = 2000
	yes := true
	kinds := map[string]struct {
		most      int64 // bytes
		transform func(any) (any, error)
		object    func(i int) any
	}{
		"Pod": {most: 700, transform: stripPod, object: func(i int) any { // four of each identity
			pi := readyIdentity(i / 4)
			return &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: clone(pi.Namespace), Name: fmt.Sprintf("%s-5d9c-%05d", pi.Name, i), UID: pi.UID, ResourceVersion: pi.ResourceVersion,
					Labels:          map[string]string{"app": pi.Name, "pod-template-hash": clone("5d9c")},
					OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: clone("ReplicaSet"), Name: clone(pi.Name + "-5d9c"), UID: pi.UID, Controller: &yes}},
				},
				Spec: corev1.PodSpec{ServiceAccountName: clone(pi.Name), Containers: []corev1.Container{{
					Name: "app", Env: []corev1.EnvVar{{Name: clone(envRoleARN), Value: clone(pi.Status.Role.ARN)}},
				}}},
				Status: corev1.PodStatus{Phase: corev1.PodPhase(clone("Running"))},
			}
		}},
		"PodIdentity": {most: 3000, transform: stripPodIdentity, object: func(i int) any {
			pi := readyIdentity(i)
			for j := range pi.Status.Conditions {
				c := &pi.Status.Conditions[j]
				c.Type, c.Reason, c.Message, c.Status = clone(c.Type), clone(c.Reason), clone(c.Message), metav1.ConditionStatus(clone(string(c.Status)))
			}
			return &pi
		}},
		"ServiceAccount": {most: 500, transform: stripServiceAccount, object: func(i int) any {
			return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
				Namespace: clone("team"), Name: fmt.Sprintf("other-%d", i), UID: types.UID(fmt.Sprintf("uid-%d", i)), ResourceVersion: fmt.Sprint(i), Labels: map[string]string{"a": "b"},
			}}
		}},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			kept := make([]any, n)
			before := heap()
			for i := range kept {
				var err error
				if kept[i], err = kind.transform(kind.object(i)); err != nil {
					t.Fatal(err)
				}
			}
			size := (heap() - before) / n
			t.Logf("%d bytes", size)
			if size > kind.most {
				t.Errorf("a cached %s takes %d bytes, want %d at most", name, size, kind.most)
			}
			runtime.KeepAlive(kept)
		})
	}
}

// clone returns a copy of s in memory of its own, like a decoder's.
func clone(s string) string { return string([]byte(s)) }
