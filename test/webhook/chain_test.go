package webhook_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

func TestWebhook_PodGetsCredentials(t *testing.T) {
	e := newEnv(t)
	var pod *corev1.Pod
	var pi *v1alpha1.PodIdentity
	t.Run("PodWaits", func(t *testing.T) { pod, pi = e.in(t).podWaits() })
	if pod == nil {
		t.FailNow()
	}
	t.Run("OtherPods", func(t *testing.T) { e.in(t).otherPods() })
	t.Run("TokenExpires", func(t *testing.T) { e.in(t).tokenExpires(pod, pi) })
	t.Run("OperatorsTokenExpires", func(t *testing.T) { e.in(t).operatorsTokenExpires() })
}

// A team deploys its application and its identity in one go. The pods wait for the
// ServiceAccount, which comes when the role can be used, and then get what they
// need: AWS's webhook puts it into them.
func (e *env) podWaits() (*corev1.Pod, *v1alpha1.PodIdentity) {
	e.Helper()
	e.deploy("checkout")
	e.Eventually("the pods to wait for their ServiceAccount", func() bool { return e.failure("checkout") != "" })
	if got := e.failure("checkout"); !strings.Contains(got, `serviceaccount "checkout" not found`) {
		e.Errorf("The pods wait for something else: %s", got)
	}

	e.Must(e.Client.Create(e.Context(), &v1alpha1.PodIdentity{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "checkout"},
		Spec:       v1alpha1.PodIdentitySpec{ServiceAccount: v1alpha1.ServiceAccountSpec{TokenExpirationSeconds: lifetime}},
	}))
	e.await("checkout", metav1.ConditionUnknown, v1alpha1.ReasonRolePropagating)
	if pods := e.pods("checkout"); len(pods) > 0 {
		e.Errorf("There is a pod before its role can be used: %s", pods[0].Name)
	}
	e.await("checkout", metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
	e.Eventually("a pod", func() bool { return len(e.pods("checkout")) == 1 })
	var pi *v1alpha1.PodIdentity
	e.Eventually("the operator to have counted the pod", func() bool {
		pi = e.Get("checkout")
		return cmp.Equal(pi.Status.Pods, &v1alpha1.PodsStatus{UpToDate: 1})
	})
	return &e.pods("checkout")[0], pi
}

// A pod whose ServiceAccount no PodIdentity names stays as it is.
func (e *env) otherPods() {
	e.Helper()
	e.deploy("default")
	e.Eventually("a pod without a controller", func() bool { return len(e.pods("default")) == 1 })
	if env := e.pods("default")[0].Spec.Containers[0].Env; len(env) > 0 {
		e.Errorf("The pod of another ServiceAccount was changed: %v", env)
	}
}

// await waits until Ready has the status and the reason at the newest generation.
func (e *env) await(name string, status metav1.ConditionStatus, reason string) *v1alpha1.PodIdentity {
	e.Helper()
	return e.Await(name, v1alpha1.ConditionReady, status, reason)
}

// pods returns the pods of a Deployment.
func (e *env) pods(deployment string) []corev1.Pod {
	e.Helper()
	var pods corev1.PodList
	e.Must(e.Client.List(e.Context(), &pods, client.InNamespace("default"), client.MatchingLabels{"app": deployment}))
	return pods.Items
}

// deploy makes a Deployment of one pod, with the ServiceAccount of its own name.
func (e *env) deploy(name string) {
	e.Helper()
	one, labels := int32(1), map[string]string{"app": name}
	e.Must(e.Client.Create(e.Context(), &appsv1.Deployment{
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
func (e *env) failure(name string) string {
	e.Helper()
	var d appsv1.Deployment
	e.Must(e.Client.Get(e.Context(), client.ObjectKey{Namespace: "default", Name: name}, &d))
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}
