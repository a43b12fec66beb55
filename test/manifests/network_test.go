package manifests_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// networkPolicyFitsThePods shows that the policy is about the operator's pods and
// opens ports that they have, and no port to all clients but that of health checks.
func (c *cluster) networkPolicyFitsThePods(t *testing.T) {
	deployment, err := c.client.AppsV1().Deployments(namespace).Get(t.Context(), operator, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	policies, err := c.client.NetworkingV1().NetworkPolicies(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(policies.Items) != 1 {
		t.Fatalf("%d policies, %v", len(policies.Items), err)
	}
	policy := policies.Items[0].Spec
	selector, err := metav1.LabelSelectorAsSelector(&policy.PodSelector)
	if err != nil {
		t.Fatal(err)
	}
	if !selector.Matches(labels.Set(deployment.Spec.Template.Labels)) {
		t.Errorf("%s does not select the operator's pods, which have %v", selector, deployment.Spec.Template.Labels)
	}
	ports := deployment.Spec.Template.Spec.Containers[0].Ports
	for _, rule := range policy.Ingress {
		for _, open := range rule.Ports {
			name := open.Port.String()
			if !slices.ContainsFunc(ports, func(p corev1.ContainerPort) bool { return p.Name == name }) {
				t.Errorf("port %s is none of the container's", name)
			}
			if len(rule.From) == 0 && name != "health" {
				t.Errorf("port %s is open to all clients", name)
			}
		}
	}
}
