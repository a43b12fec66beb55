package controllers_test

import (
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// invariant is a rule that the status of every version of every object keeps.
type invariant struct {
	rule  string
	holds func(*v1alpha1.PodIdentity) bool
}

// invariants are kstatus's rules, as Flux writes them down for its own objects,
// and ours. An object that no operator has seen has nothing to keep.
var invariants = []invariant{
	{"Ready is set from the first reconcile on", func(pi *v1alpha1.PodIdentity) bool {
		return condition(pi, v1alpha1.ConditionReady) != nil
	}},
	{"Reconciling and Stalled are there only while they are true", func(pi *v1alpha1.PodIdentity) bool {
		return abnormal(pi, v1alpha1.ConditionReconciling) != "False" && abnormal(pi, v1alpha1.ConditionStalled) != "False"
	}},
	{"Reconciling and Stalled are never both there", func(pi *v1alpha1.PodIdentity) bool {
		return abnormal(pi, v1alpha1.ConditionReconciling) == "" || abnormal(pi, v1alpha1.ConditionStalled) == ""
	}},
	{"Ready is not True while Reconciling or Stalled is", func(pi *v1alpha1.PodIdentity) bool {
		return !ready(pi, metav1.ConditionTrue) ||
			abnormal(pi, v1alpha1.ConditionReconciling) == "" && abnormal(pi, v1alpha1.ConditionStalled) == ""
	}},
	{"Ready that is not True comes with Reconciling or Stalled", func(pi *v1alpha1.PodIdentity) bool {
		return ready(pi, metav1.ConditionTrue) ||
			abnormal(pi, v1alpha1.ConditionReconciling) != "" || abnormal(pi, v1alpha1.ConditionStalled) != ""
	}},
	{"Ready Unknown means work in progress", func(pi *v1alpha1.PodIdentity) bool {
		return !ready(pi, metav1.ConditionUnknown) || abnormal(pi, v1alpha1.ConditionReconciling) == "True"
	}},
	{"Stalled means that Ready is False for the same reason", func(pi *v1alpha1.PodIdentity) bool {
		stalled := condition(pi, v1alpha1.ConditionStalled)
		return stalled == nil || ready(pi, metav1.ConditionFalse) && condition(pi, v1alpha1.ConditionReady).Reason == stalled.Reason
	}},
	{"no observed generation is of the future", func(pi *v1alpha1.PodIdentity) bool {
		for _, c := range pi.Status.Conditions {
			if c.ObservedGeneration > pi.Generation {
				return false
			}
		}
		return pi.Status.ObservedGeneration <= pi.Generation
	}},
	{"when Ready is True, every condition but Suspended is of the same generation, and the status of none before", func(pi *v1alpha1.PodIdentity) bool {
		if !ready(pi, metav1.ConditionTrue) {
			return true
		}
		generation := condition(pi, v1alpha1.ConditionReady).ObservedGeneration
		for _, c := range pi.Status.Conditions {
			if c.ObservedGeneration != generation && c.Type != v1alpha1.ConditionSuspended {
				return false
			}
		}
		return pi.Status.ObservedGeneration >= generation // a suspension is seen, and nothing else is checked
	}},
	{"a message is a sentence for a user: it holds no request ID, no session and no time", func(pi *v1alpha1.PodIdentity) bool {
		for _, c := range pi.Status.Conditions {
			if c.Message == "" || unstable.MatchString(c.Message) {
				return false
			}
		}
		return true
	}},
}

// unstable matches what differs from one attempt to the next.
var unstable = regexp.MustCompile(`(?i)request ?id|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b.*request|assumed-role/|\d\d:\d\d:\d\d|attempts?,|127\.0\.0\.1:\d+->`)

// violations returns what is wrong with the status of pi.
func violations(pi *v1alpha1.PodIdentity) []string {
	if pi.Status.ObservedGeneration == -1 {
		return nil
	}
	var found []string
	for i, inv := range invariants {
		if !inv.holds(pi) {
			found = append(found, fmt.Sprintf("invariant %d is violated: %s", i+1, inv.rule))
		}
	}
	return found
}

func condition(pi *v1alpha1.PodIdentity, kind string) *metav1.Condition {
	return meta.FindStatusCondition(pi.Status.Conditions, kind)
}

func ready(pi *v1alpha1.PodIdentity, status metav1.ConditionStatus) bool {
	c := condition(pi, v1alpha1.ConditionReady)
	return c != nil && c.Status == status
}

// abnormal returns the status of a condition, empty if it is not there.
func abnormal(pi *v1alpha1.PodIdentity, kind string) metav1.ConditionStatus {
	if c := condition(pi, kind); c != nil {
		return c.Status
	}
	return ""
}
