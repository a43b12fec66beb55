package workload

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Restartable reports whether a rollout of the workload replaces its pods. If not, it
// returns what its user has to do. A workload that is gone is nil.
func Restartable(w Workload, namespace string, u *unstructured.Unstructured) (todo string, ok bool) {
	var names []string
	for _, p := range w.Outdated() {
		names = append(names, p.Name)
	}
	deletePods := "kubectl delete pod -n " + namespace + " " + strings.Join(names, " ")
	switch group, _, _ := strings.Cut(w.APIVersion, "/"); {
	case w.Kind == "Pod":
		return "recreate the pod: nothing replaces it when it is deleted", false
	case w.Kind == "Job":
		return "wait for the job to finish, or recreate it: its pods do not change", false
	case u == nil:
		return "it no longer exists; " + deletePods, false
	case group == "argoproj.io" && w.Kind == "Rollout":
		return "", true
	case group != "apps" || w.Kind != "Deployment" && w.Kind != "StatefulSet" && w.Kind != "DaemonSet":
		return "restart it by its controller, or: " + deletePods, false
	}
	if paused, _, _ := unstructured.NestedBool(u.Object, "spec", "paused"); paused {
		return "its rollout is paused; first: kubectl rollout resume -n " + namespace + " deployment " + w.Name, false
	}
	if strategy, _, _ := unstructured.NestedString(u.Object, "spec", "updateStrategy", "type"); strategy == "OnDelete" {
		return "its update strategy is OnDelete: " + deletePods, false
	}
	return "", true
}
