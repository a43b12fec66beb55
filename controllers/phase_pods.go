package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// A pod gets its role at admission and keeps it: a pod that started before the
// ServiceAccount was annotated with this role needs a restart. The operator reports
// such pods and restarts none.

// podsPhase counts the pods that use the identity. Its condition is PodsUpToDate.
type podsPhase struct{ pods podLister }

// podLister returns the pods that use a ServiceAccount.
type podLister interface {
	ofServiceAccount(ctx context.Context, namespace, name string) ([]*cachedPod, error)
}

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
		pods, err := p.pods.ofServiceAccount(ctx, s.obj.Namespace, name)
		if err != nil {
			return fmt.Errorf("listing the pods of ServiceAccount %s: %w", name, err)
		}
		found.count(pods, s.role.ARN)
	}
	s.pods = &found
	return nil
}

func (w *podUsage) count(pods []*cachedPod, roleARN string) {
	for _, pod := range pods {
		switch {
		case !pod.running:
		case pod.hasRole(roleARN):
			w.upToDate++
		default:
			w.outdated++
			w.owners = append(w.owners, pod.owner.Value())
		}
	}
	slices.Sort(w.owners)
	w.owners = slices.Compact(w.owners)
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
