package manifests_test

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const catalog = "config/samples/catalog"

// catalogIsAccepted applies the catalog as its README says: each entry, and all
// of them. What else it promises is shown in test/catalog.
func (c *cluster) catalogIsAccepted(t *testing.T) {
	c.createNamespacesOf(t, catalog)
	entries, err := filepath.Glob(filepath.Join(root, catalog, "*", "kustomization.yaml"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, entry := range entries {
		dir := filepath.Dir(entry)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			c.kubectl(t, nil, "apply", "--dry-run=server", "--validate=strict", "--kustomize", dir)
		})
	}
	c.kubectl(t, nil, "apply", "--validate=strict", "--kustomize", filepath.Join(root, catalog))

	// Once the API server knows the guardrail of Karpenter, it accepts what the
	// guardrail is for, and nothing else.
	user := c.admission(t)
	more := identity(t, "karpenter", statement(`effect: Allow, actions: ["iam:CreateUser"], resources: ["*"]`))
	more.Spec.ServiceAccount.Name = "karpenter"
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := user.Create(ctx, more.DeepCopy(), client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "PodIdentityGuardrail karpenter"), nil
	})
	if err != nil {
		t.Fatalf("the guardrail of Karpenter allows iam:CreateUser: %v", err)
	}
	c.kubectl(t, nil, "apply", "--dry-run=server", "--kustomize", filepath.Join(root, catalog, "karpenter"))
}

// createNamespacesOf creates the namespaces that manifests mention.
func (c *cluster) createNamespacesOf(t *testing.T, dir string) {
	t.Helper()
	rendered := c.kubectl(t, nil, "kustomize", filepath.Join(root, dir))
	for _, match := range regexp.MustCompile(`(?m)^  namespace: (\S+)$`).FindAllSubmatch(rendered, -1) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: string(match[1])}}
		_, err := c.client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
}
