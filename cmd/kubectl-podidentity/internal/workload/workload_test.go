package workload

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const roleARN = "arn:aws:iam::123456789012:role/r"

func pod(name, kind, owner string, vars ...string) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{ServiceAccountName: "sa"}}
	if owner != "" {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: owner, Controller: &yes}}
	}
	c := corev1.Container{Name: "app"}
	for _, value := range vars {
		c.Env = append(c.Env, corev1.EnvVar{Name: envRoleARN, Value: value})
	}
	p.Spec.Containers = []corev1.Container{{Name: "sidecar"}, c}
	return p
}

func TestGroup_ByTopmostOwner(t *testing.T) {
	hashed := pod("web-1-a", "ReplicaSet", "web-1")
	hashed.Labels = map[string]string{"pod-template-hash": "1"}
	done := pod("done", "Job", "job")
	done.Status.Phase = corev1.PodSucceeded
	failed := pod("failed", "Job", "job")
	failed.Status.Phase = corev1.PodFailed
	now := metav1.Now()
	leaving := pod("leaving", "StatefulSet", "db")
	leaving.DeletionTimestamp = &now

	deployment := Workload{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", ServiceAccount: "sa"}
	with := func(w Workload, pods ...Pod) Workload { w.Pods = pods; return w }
	cases := map[string]struct {
		reason string
		pods   []corev1.Pod
		owners Owners
		want   []Workload
	}{
		"None": {"There are no pods.", nil, nil, nil},
		"Deployment": {
			"A user restarts a Deployment, not its ReplicaSet.",
			[]corev1.Pod{pod("web-1-a", "ReplicaSet", "web-1", roleARN)},
			Owners{"web-1": {APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}},
			[]Workload{with(deployment, Pod{Name: "web-1-a", UpToDate: true})},
		},
		"Rollout": {
			"Another controller may own ReplicaSets.",
			[]corev1.Pod{pod("web-1-a", "ReplicaSet", "web-1")},
			Owners{"web-1": {APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "web"}},
			[]Workload{{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "web", ServiceAccount: "sa", Pods: []Pod{{Name: "web-1-a"}}}},
		},
		"UnknownReplicaSet": {
			"The user may not read ReplicaSets.", []corev1.Pod{hashed}, nil, []Workload{with(deployment, Pod{Name: "web-1-a"})},
		},
		"ReplicaSetAlone": {
			"Nothing owns the pod.",
			[]corev1.Pod{pod("a", "ReplicaSet", "web")},
			nil,
			[]Workload{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", ServiceAccount: "sa", Pods: []Pod{{Name: "a"}}}},
		},
		"PodAlone": {
			"Its owner is not a controller.",
			[]corev1.Pod{pod("a", "", "", "arn:aws:iam::123456789012:role/old")},
			nil,
			[]Workload{{APIVersion: "v1", Kind: "Pod", Name: "a", ServiceAccount: "sa", Pods: []Pod{{Name: "a", Role: "arn:aws:iam::123456789012:role/old"}}}},
		},
		"NotRunning": {"Finished and deleted pods no longer need a role.", []corev1.Pod{done, failed, leaving}, nil, nil},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Group(tc.pods, tc.owners, roleARN)); diff != "" {
				t.Errorf("Group(): -want, +got:\n%s", diff)
			}
		})
	}
}

// Before there is a role no pod has it, not even one with an empty variable.
func TestGroup_NoPodIsUpToDateWithoutARole(t *testing.T) {
	got := Group([]corev1.Pod{pod("a", "", "", "")}, nil, "")
	if len(got) != 1 || len(got[0].Outdated()) != 1 {
		t.Errorf("Group() = %+v, want one outdated pod", got)
	}
}
