package workload

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestRestartable_SaysWhatElseToDo(t *testing.T) {
	spec := func(fields map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	}
	plain := spec(nil)
	cases := map[string]struct {
		reason           string
		apiVersion, kind string
		object           *unstructured.Unstructured
		todo             string // part of it; empty if it can be restarted
	}{
		"Deployment":  {"kubectl rollout restart does it.", "apps/v1", "Deployment", plain, ""},
		"StatefulSet": {"kubectl rollout restart does it.", "apps/v1", "StatefulSet", plain, ""},
		"DaemonSet":   {"kubectl rollout restart does it.", "apps/v1", "DaemonSet", plain, ""},
		"Rollout":     {"Argo Rollouts restarts on a field of its own.", "argoproj.io/v1alpha1", "Rollout", plain, ""},
		"Paused":      {"A paused Deployment creates no new pods.", "apps/v1", "Deployment", spec(map[string]any{"paused": true}), "kubectl rollout resume -n shop deployment w"},
		"OnDelete": {
			"A user must delete the pods.", "apps/v1", "DaemonSet", spec(map[string]any{"updateStrategy": map[string]any{"type": "OnDelete"}}),
			"kubectl delete pod -n shop old",
		},
		"Job":        {"The template of a Job cannot change.", "batch/v1", "Job", plain, "wait for the job to finish"},
		"Pod":        {"Nothing replaces a pod without a controller.", "v1", "Pod", plain, "recreate the pod"},
		"ReplicaSet": {"A ReplicaSet has no rollouts.", "apps/v1", "ReplicaSet", plain, "kubectl delete pod -n shop old"},
		"Unknown":    {"How another controller restarts is not known.", "example.com/v1", "Thing", plain, "restart it by its controller"},
		"Gone":       {"The workload was deleted, but its pods still exist.", "apps/v1", "Deployment", nil, "kubectl delete pod -n shop old"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			w := Workload{APIVersion: tc.apiVersion, Kind: tc.kind, Name: "w", Pods: []Pod{{Name: "new", UpToDate: true}, {Name: "old"}}}
			todo, ok := Restartable(w, "shop", tc.object)
			if ok != (tc.todo == "") || !strings.Contains(todo, tc.todo) {
				t.Errorf("Restartable() = %q, %t, want %q", todo, ok, tc.todo)
			}
		})
	}
}
