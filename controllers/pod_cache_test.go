package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// cachedPods returns pods as the cache keeps them.
func cachedPods(pods ...*corev1.Pod) []*cachedPod {
	transform := transformOf(&corev1.Pod{})
	kept := make([]*cachedPod, len(pods))
	for i, pod := range pods {
		got, err := transform(pod)
		if err != nil {
			panic(err)
		}
		if again, err := transform(got); err != nil || again != got {
			panic(fmt.Sprintf("transformed twice, a pod is %v, %v", again, err)) // informers may do so
		}
		kept[i], _ = got.(*cachedPod)
	}
	return kept
}

// The count of cached pods is that of the pods of the API server.
func TestCachedPod_CountsLikePods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const role = "arn:aws:iam::123456789012:role/r"
		now := metav1.Now()
		value := rapid.SampledFrom([]string{role, "", "arn:aws:iam::123456789012:role/other", strings.Repeat("a", 4000)})
		containers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) corev1.Container {
			c := corev1.Container{Name: "c"}
			for range rapid.IntRange(0, 2).Draw(t, "variables") {
				c.Env = append(c.Env, corev1.EnvVar{Name: rapid.SampledFrom([]string{envRoleARN, "OTHER"}).Draw(t, "variable"), Value: value.Draw(t, "value")})
			}
			return c
		}), 0, 3)
		var pods []*corev1.Pod
		var want podUsage
		for i := range rapid.IntRange(0, 6).Draw(t, "pods") {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("p%d", i)}}
			pod.Spec.InitContainers, pod.Spec.Containers = containers.Draw(t, "init containers"), containers.Draw(t, "containers")
			pod.Status.Phase = rapid.SampledFrom([]corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed}).Draw(t, "phase")
			if rapid.Bool().Draw(t, "deleted") {
				pod.DeletionTimestamp = &now
			}
			if kind := rapid.SampledFrom([]string{"", "ReplicaSet", "Job"}).Draw(t, "owner"); kind != "" {
				yes := true
				pod.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: "web-5d9", Controller: &yes}}
				pod.Labels = map[string]string{"pod-template-hash": rapid.SampledFrom([]string{"", "5d9", "x"}).Draw(t, "hash")}
			}
			pods = append(pods, pod)
			ended := pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
			has := slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(c corev1.Container) bool {
				return slices.Contains(c.Env, corev1.EnvVar{Name: envRoleARN, Value: role})
			})
			switch {
			case ended:
			case has:
				want.upToDate++
			default:
				want.outdated++
				want.owners = append(want.owners, ownerOf(pod))
			}
		}
		slices.Sort(want.owners)
		want.owners = slices.Compact(want.owners)
		var got podUsage
		got.count(cachedPods(pods...), role)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(podUsage{})); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
	})
}

// Texts that a user of the cluster can choose are bounded in the cache.
func TestCachedPod_IsBounded(t *testing.T) {
	long, yes := strings.Repeat("a", 1<<16), true
	var containers []corev1.Container
	for _, role := range []string{long, "1", "2", "3", "4"} {
		containers = append(containers, corev1.Container{Env: []corev1.EnvVar{{Name: envRoleARN, Value: role}}})
	}
	pod := cachedPods(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "p", ResourceVersion: "7", UID: "1", Labels: map[string]string{"a": long}, Annotations: map[string]string{"a": long},
			OwnerReferences: []metav1.OwnerReference{{Kind: long, Name: long, Controller: &yes}}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Spec: corev1.PodSpec{Containers: containers},
	})[0]
	if diff := cmp.Diff(metav1.ObjectMeta{Namespace: "shop", Name: "p", ResourceVersion: "7"}, pod.ObjectMeta); diff != "" {
		t.Errorf("metadata: -want, +got:\n%s", diff)
	}
	if got := len(pod.role.Value()); got > maxCachedText+1 {
		t.Errorf("a role of %d bytes is cached", got)
	}
	if got := len(pod.owner.Value()); got > maxCachedText {
		t.Errorf("an owner of %d bytes is cached", got)
	}
	if got := 1 + len(pod.others); got != maxPodRoles {
		t.Errorf("%d roles are cached, want %d", got, maxPodRoles)
	}
}

// The index holds the pods of a ServiceAccount as the last events show them, and nothing of
// ServiceAccounts without pods.
func TestPodIndex_FollowsEvents(t *testing.T) {
	pod := func(name, account, version string) *cachedPod {
		return cachedPods(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, ResourceVersion: version}, Spec: corev1.PodSpec{ServiceAccountName: account}})[0]
	}
	index := newPodIndex()
	names := func(account string) string {
		pods, err := index.ofServiceAccount(t.Context(), "shop", account)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, p := range pods {
			all = append(all, p.Name+"@"+p.ResourceVersion)
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	a, b := pod("a", "checkout", "1"), pod("b", "checkout", "2")
	index.set(nil, a)
	held, _ := index.ofServiceAccount(t.Context(), "shop", "checkout")
	index.set(nil, b)
	index.set(nil, pod("c", "cart", "3"))
	index.set(a, pod("a", "checkout", "4"))
	if got, want := names("checkout"), "a@4 b@2"; got != want {
		t.Errorf("pods of checkout = %s, want %s", got, want)
	}
	if len(held) != 1 || held[0] != a {
		t.Error("a result has changed after it was returned")
	}
	index.set(pod("a", "checkout", "4"), nil)
	index.set(b, nil)
	if got := names("checkout"); got != "" || len(index.pods) != 1 {
		t.Errorf("pods of checkout = %s, %d ServiceAccounts in the index, want 1", got, len(index.pods))
	}
}
