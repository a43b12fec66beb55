package webhook_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

func TestWebhook_PodGetsCredentials(t *testing.T) {
	w := open(t)
	var pod *corev1.Pod
	var pi *v1alpha1.PodIdentity
	t.Run("PodWaits", func(t *testing.T) { pod, pi = w.in(t).podWaits() })
	if pod == nil {
		t.FailNow()
	}
	t.Run("OtherPods", func(t *testing.T) { w.in(t).otherPods() })
	t.Run("TokenExpires", func(t *testing.T) { w.in(t).tokenExpires(pod, pi) })
	t.Run("OperatorsTokenExpires", func(t *testing.T) { w.in(t).operatorsTokenExpires() })
}

// A team deploys its application and its identity in one go. The pods wait for the
// ServiceAccount, which comes when the role can be used, and then get what they
// need: AWS's webhook puts it into them.
func (w *world) podWaits() (*corev1.Pod, *v1alpha1.PodIdentity) {
	w.Helper()
	w.deploy("checkout")
	w.eventually("the pods to wait for their ServiceAccount", func() bool { return w.failure("checkout") != "" })
	if got := w.failure("checkout"); !strings.Contains(got, `serviceaccount "checkout" not found`) {
		w.Errorf("The pods wait for something else: %s", got)
	}

	w.must(w.user.Create(w.Context(), &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "checkout"},
		Spec:       v1alpha1.PodIdentitySpec{ServiceAccount: v1alpha1.ServiceAccountSpec{TokenExpirationSeconds: lifetime}},
	}))
	w.await("checkout", metav1.ConditionUnknown, v1alpha1.ReasonRolePropagating)
	if pods := w.pods("checkout"); len(pods) > 0 {
		w.Errorf("There is a pod before its role can be used: %s", pods[0].Name)
	}
	w.await("checkout", metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	w.eventually("a pod", func() bool { return len(w.pods("checkout")) == 1 })
	var pi *v1alpha1.PodIdentity
	w.eventually("the operator to have counted the pod", func() bool {
		pi = w.get("checkout")
		return cmp.Equal(pi.Status.Pods, &v1alpha1.PodsStatus{UpToDate: 1})
	})
	return &w.pods("checkout")[0], pi
}

// A pod whose ServiceAccount no PodIdentity names stays as it is.
func (w *world) otherPods() {
	w.Helper()
	w.deploy("default")
	w.eventually("a pod without a controller", func() bool { return len(w.pods("default")) == 1 })
	if env := w.pods("default")[0].Spec.Containers[0].Env; len(env) > 0 {
		w.Errorf("The pod of another ServiceAccount was changed: %v", env)
	}
}

// get returns a PodIdentity, which must exist.
func (w *world) get(name string) *v1alpha1.PodIdentity {
	w.Helper()
	pi := &v1alpha1.PodIdentity{}
	w.must(w.user.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: name}, pi))
	return pi
}

// await waits until Ready says so of the object's newest generation.
func (w *world) await(name string, status metav1.ConditionStatus, reason string) *v1alpha1.PodIdentity {
	w.Helper()
	var pi *v1alpha1.PodIdentity
	w.eventually(fmt.Sprintf("%s to be %s because of %s", name, status, reason), func() bool {
		pi = w.get(name)
		c := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
		return c != nil && c.Status == status && c.Reason == reason && c.ObservedGeneration == pi.Generation
	})
	return pi
}

// pods returns the pods of a Deployment.
func (w *world) pods(deployment string) []corev1.Pod {
	w.Helper()
	var pods corev1.PodList
	w.must(w.user.List(w.Context(), &pods, client.InNamespace("default"), client.MatchingLabels{"app": deployment}))
	return pods.Items
}

// deploy makes a Deployment of one pod, with the ServiceAccount of its own name.
func (w *world) deploy(name string) {
	w.Helper()
	one, labels := int32(1), map[string]string{"app": name}
	w.must(w.user.Create(w.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "app", Image: "app"}}},
			},
		},
	}))
}

// failure returns why a Deployment has no pods, empty if it does not say.
func (w *world) failure(name string) string {
	w.Helper()
	var d appsv1.Deployment
	w.must(w.user.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: name}, &d))
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}
