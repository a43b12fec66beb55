package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// A pod gets its role at admission and keeps it: a pod that started before the
// ServiceAccount was annotated with this role needs a restart. The operator reports
// such pods and restarts none.

// podsPhase counts the pods that use the identity. Its condition is PodsUpToDate.
type podsPhase struct{ client client.Reader }

// envRoleARN is the variable by which AWS's webhook passes the role to a container.
// https://github.com/aws/amazon-eks-pod-identity-webhook
const envRoleARN = "AWS_ROLE_ARN"

// podDebounce delays the count of pods after a change, so that a rollout does not
// cost one status write per pod.
const podDebounce = 3 * time.Second

// podUsage counts the running pods of an identity's ServiceAccounts.
type podUsage struct {
	upToDate, outdated int32
	// owners are the workloads of the outdated pods, sorted, such as Deployment web.
	owners []string
}

// check finds the running pods that do not use the role.
func (p *podsPhase) check(ctx context.Context, s *scope) error {
	if s.role == nil {
		return nil
	}
	var found podUsage
	for _, name := range plan.ServiceAccountsOf(s.obj) {
		var pods corev1.PodList
		if err := p.client.List(ctx, &pods, client.InNamespace(s.obj.Namespace), client.MatchingFields{indexPodServiceAccount: name}); err != nil {
			return fmt.Errorf("listing the pods of ServiceAccount %s: %w", name, err)
		}
		found.count(pods.Items, s.role.ARN)
	}
	s.pods = &found
	return nil
}

func (w *podUsage) count(pods []corev1.Pod, roleARN string) {
	for i := range pods {
		pod := &pods[i]
		switch {
		case !isRunning(pod):
		case hasRole(pod, roleARN):
			w.upToDate++
		default:
			w.outdated++
			w.owners = append(w.owners, ownerOf(pod))
		}
	}
	slices.Sort(w.owners)
	w.owners = slices.Compact(w.owners)
}

// isRunning reports whether the pod has neither ended nor begun to terminate.
func isRunning(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp.IsZero() && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// hasRole reports whether any container has the role: the webhook can skip
// containers.
func hasRole(pod *corev1.Pod, roleARN string) bool {
	given := corev1.EnvVar{Name: envRoleARN, Value: roleARN}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if slices.Contains(c.Env, given) {
			return true
		}
	}
	return false
}

// ownerOf returns the workload to restart for a new pod: for a ReplicaSet of a
// Deployment, the Deployment.
func ownerOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return "Pod " + pod.Name
	}
	if hash := pod.Labels["pod-template-hash"]; owner.Kind == "ReplicaSet" && hash != "" {
		if deployment, ok := strings.CutSuffix(owner.Name, "-"+hash); ok {
			return "Deployment " + fault.Excerpt(deployment)
		}
	}
	return fault.Excerpt(owner.Kind) + " " + fault.Excerpt(owner.Name)
}

// condition returns status, reason and message of the condition PodsUpToDate.
func (w *podUsage) condition() (metav1.ConditionStatus, string, string) {
	if w.outdated == 0 {
		return metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "All running pods use the role"
	}
	return metav1.ConditionFalse, v1alpha1.ReasonPodsOutdated, fmt.Sprintf(
		"%d of %d running pods do not use this role; restart %s. If new pods are affected too, check that amazon-eks-pod-identity-webhook is running",
		w.outdated, w.upToDate+w.outdated, truncateList(w.owners))
}

// truncateList joins the first names and counts the others.
func truncateList(names []string) string {
	const shown = 10
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// setPodsCondition sets the condition PodsUpToDate. Ready does not depend on it.
func setPodsCondition(s *scope) {
	if s.pods == nil {
		return
	}
	s.obj.Status.Pods = &v1alpha1.PodsStatus{UpToDate: s.pods.upToDate, Outdated: s.pods.outdated}
	status, reason, message := s.pods.condition()
	s.set(v1alpha1.ConditionPodsUpToDate, status, reason, message)
}

// stripPod keeps the owner of a pod, its phase, and the role that it uses.
func stripPod(in any) (any, error) {
	pod, ok := in.(*corev1.Pod)
	if !ok {
		return in, nil
	}
	kept := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              pod.Name,
			Namespace:         pod.Namespace,
			UID:               pod.UID,
			ResourceVersion:   pod.ResourceVersion,
			DeletionTimestamp: pod.DeletionTimestamp,
		},
		Spec:   corev1.PodSpec{ServiceAccountName: pod.Spec.ServiceAccountName},
		Status: corev1.PodStatus{Phase: pod.Status.Phase},
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		yes := true
		kept.OwnerReferences = []metav1.OwnerReference{{Kind: cachedText(owner.Kind), Name: cachedText(owner.Name), Controller: &yes}}
	}
	if hash, ok := pod.Labels["pod-template-hash"]; ok {
		kept.Labels = map[string]string{"pod-template-hash": hash}
	}
	var roles []string
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, env := range c.Env {
			if role := cachedText(env.Value); env.Name == envRoleARN && len(roles) < maxPodRoles && !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	for _, role := range roles {
		kept.Spec.Containers = append(kept.Spec.Containers, corev1.Container{Env: []corev1.EnvVar{{Name: envRoleARN, Value: role}}})
	}
	return kept, nil
}

// maxPodRoles is the number of different roles of the containers of a pod that are
// kept. AWS's webhook gives all of them the same one.
const maxPodRoles = 4

// podLifecycleChanged passes events that change the number of running pods: the role
// of a pod never changes.
var podLifecycleChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Pod)
		after, also := e.ObjectNew.(*corev1.Pod)
		return ok && also && isRunning(before) != isRunning(after)
	},
}
