package controllers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// A team moves a Deployment that runs already to an identity. The operator counts
// the pods that have to be restarted, says whose they are, and restarts none.
func TestPods_OutdatedOnesAreCountedAndNamed(t *testing.T) {
	s := startEnv(t)
	s.createServiceAccount("checkout", nil)
	s.deploy("web", 2)
	s.runPod("done", "")
	s.finish("done")
	s.apply(`
		metadata: {name: checkout}
		spec: {serviceAccount: {mode: Annotate}}
	`)
	arn := s.awaitReady("checkout").Status.Role.ARN

	pi := s.awaitPods(0, 2)
	c := condition(pi, v1alpha1.ConditionPodsUpToDate)
	const message = "2 of 2 running pods do not use this role; restart Deployment web. " +
		"If new pods are affected too, check that amazon-eks-pod-identity-webhook is running" +
		"; see https://github.com/podidentity/podidentity-operator/blob/main/docs/conditions.md#podsoutdated"
	if c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonPodsOutdated || c.Message != message {
		t.Errorf("%s is %s, %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	s.awaitEvent("checkout", v1alpha1.ReasonPodsOutdated, message)

	s.runPod("new", arn)
	s.runPod("old", "arn:aws:iam::123456789012:role/old")
	pi = s.awaitPods(1, 3)
	if got, want := condition(pi, v1alpha1.ConditionPodsUpToDate).Message, "3 of 4 running pods do not use this role; restart Deployment web, Pod old. "; got[:len(want)] != want {
		t.Errorf("message %q", got)
	}

	s.must(user.Delete(s.ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: s.namespace}}))
	s.must(user.Delete(s.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: s.namespace}}))
	pi = s.awaitPods(1, 0)
	if c := condition(pi, v1alpha1.ConditionPodsUpToDate); c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonSucceeded {
		t.Errorf("%s is %s, %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	s.finish("new")
	s.awaitPods(0, 0)
}

// awaitPods waits until checkout counts that many pods.
func (s *env) awaitPods(current, stale int32) *v1alpha1.PodIdentity {
	s.t.Helper()
	var pi *v1alpha1.PodIdentity
	s.eventually("the pods to be counted", func() bool {
		pi = s.get("checkout")
		return cmp.Equal(pi.Status.Pods, &v1alpha1.PodsStatus{UpToDate: current, Outdated: stale})
	})
	return pi
}

// deploy makes a Deployment whose pods use ServiceAccount checkout, and waits for
// them.
func (s *env) deploy(name string, replicas int32) {
	s.t.Helper()
	labels := map[string]string{"app": name}
	s.must(user.Create(s.ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec("")},
		},
	}))
}

// runPod makes a pod that uses ServiceAccount checkout. AWS's webhook gave it the
// role, if there is one.
func (s *env) runPod(name, roleARN string) {
	s.t.Helper()
	s.must(user.Create(s.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace}, Spec: podSpec(roleARN)}))
}

// finish has a pod end well.
func (s *env) finish(name string) {
	s.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace}}
	pod.Status.Phase = corev1.PodSucceeded
	s.must(user.Status().Update(s.ctx, pod))
}

func podSpec(roleARN string) corev1.PodSpec {
	container := corev1.Container{Name: "app", Image: "app"}
	if roleARN != "" {
		container.Env = []corev1.EnvVar{{Name: "AWS_ROLE_ARN", Value: roleARN}}
	}
	return corev1.PodSpec{ServiceAccountName: "checkout", Containers: []corev1.Container{container}}
}
