// Package workload groups pods by what created them, and determines which of them have
// the role of their ServiceAccount. It is pure.
package workload

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// envRoleARN is the variable by which AWS's webhook gives a container its role.
// https://github.com/aws/amazon-eks-pod-identity-webhook
const envRoleARN = "AWS_ROLE_ARN"

// Pod is a running pod.
type Pod struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// UpToDate reports that a container of the pod has the role.
	UpToDate bool `json:"upToDate"`
	// Role is the one that the pod has instead, if any.
	Role string `json:"role,omitempty"`
}

// Workload is what creates pods: a Deployment, for example, or a pod itself that
// nothing else controls.
type Workload struct {
	APIVersion     string `json:"apiVersion"`
	Kind           string `json:"kind"`
	Name           string `json:"name"`
	ServiceAccount string `json:"serviceAccount"`
	Pods           []Pod  `json:"pods"`
}

// Outdated returns the pods that do not have the role.
func (w Workload) Outdated() []Pod {
	var outdated []Pod
	for _, p := range w.Pods {
		if !p.UpToDate {
			outdated = append(outdated, p)
		}
	}
	return outdated
}

// Owners are the controllers of ReplicaSets, by the name of the ReplicaSet.
type Owners map[string]metav1.OwnerReference

// Group returns the workloads of the running pods, sorted by kind and name. A pod is
// up to date if it has the role of that ARN.
func Group(pods []corev1.Pod, owners Owners, roleARN string) []Workload {
	var found []Workload
	for i := range pods {
		pod := &pods[i]
		if !runs(pod) {
			continue
		}
		w := ownerOf(pod, owners)
		w.ServiceAccount = pod.Spec.ServiceAccountName
		at := slices.IndexFunc(found, func(other Workload) bool {
			return other.Kind == w.Kind && other.Name == w.Name && other.ServiceAccount == w.ServiceAccount
		})
		if at < 0 {
			at = len(found)
			found = append(found, w)
		}
		found[at].Pods = append(found[at].Pods, podOf(pod, roleARN))
	}
	slices.SortFunc(found, func(a, b Workload) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ServiceAccount, b.ServiceAccount))
	})
	return found
}

// runs reports whether the pod is neither finished nor being deleted.
func runs(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp.IsZero() && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

func podOf(pod *corev1.Pod, roleARN string) Pod {
	p := Pod{Name: pod.Name, Created: pod.CreationTimestamp.UTC()}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, e := range c.Env {
			switch {
			case e.Name != envRoleARN:
			case e.Value == roleARN && roleARN != "":
				return Pod{Name: p.Name, Created: p.Created, UpToDate: true}
			default:
				p.Role = e.Value
			}
		}
	}
	return p
}

// ownerOf returns the workload of a pod: the controller of its ReplicaSet, if it is
// one, or else its controller, or else itself.
func ownerOf(pod *corev1.Pod, owners Owners) Workload {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return Workload{APIVersion: "v1", Kind: "Pod", Name: pod.Name}
	}
	if owner.Kind == "ReplicaSet" {
		if above, ok := owners[owner.Name]; ok {
			return Workload{APIVersion: above.APIVersion, Kind: above.Kind, Name: above.Name}
		}
		// ReplicaSets that the user may not read: Deployments name them by a hash.
		if name, ok := strings.CutSuffix(owner.Name, "-"+pod.Labels["pod-template-hash"]); ok {
			return Workload{APIVersion: "apps/v1", Kind: "Deployment", Name: name}
		}
	}
	return Workload{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name}
}
