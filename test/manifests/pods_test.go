package manifests_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// deploymentIsRestricted checks that the API server admits the pods, with the labels that
// config/default sets on the namespace; and that it rejects pods that are a little less
// restricted.
func (c *cluster) deploymentIsRestricted(t *testing.T) {
	deployment, err := c.client.AppsV1().Deployments(namespace).Get(t.Context(), operator, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	template := deployment.Spec.Template
	pod := func() *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: *template.Spec.DeepCopy()}
		p.Name = "manager"
		return p
	}

	if err := c.create(t, pod()); err != nil {
		t.Errorf("a pod of the Deployment: %v", err)
	}
	for _, container := range template.Spec.Containers {
		if s := container.SecurityContext; s == nil || !ptr.Deref(s.ReadOnlyRootFilesystem, false) {
			t.Errorf("container %s can write to its root file system", container.Name)
		}
	}

	cases := map[string]func(*corev1.PodSpec){
		"Root":                func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot = nil },
		"NoSeccomp":           func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil },
		"PrivilegeEscalation": func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
		"Capabilities":        func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil },
		"HostNetwork":         func(s *corev1.PodSpec) { s.HostNetwork = true },
	}
	for name, weaken := range cases {
		t.Run(name, func(t *testing.T) {
			p := pod()
			weaken(&p.Spec)
			if err := c.create(t, p); err == nil || !strings.Contains(err.Error(), "restricted") {
				t.Errorf("got %v, want it to be rejected by the restricted profile", err)
			}
		})
	}
}

// create asks the API server whether it would create a pod.
func (c *cluster) create(t *testing.T, pod *corev1.Pod) error {
	t.Helper()
	_, err := c.client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
