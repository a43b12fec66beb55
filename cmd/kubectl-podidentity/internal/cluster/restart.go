package cluster

import (
	"context"
	"encoding/json"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/workload"
)

// Template returns the workload itself, nil if it is gone or if the cluster does not
// serve its kind.
func (c *Cluster) Template(ctx context.Context, namespace string, w workload.Workload) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	gv, err := schema.ParseGroupVersion(w.APIVersion)
	if err != nil {
		return nil, err
	}
	u.SetGroupVersionKind(gv.WithKind(w.Kind))
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: w.Name}, u)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	return u, err
}

// Restart begins a rollout of new pods: as kubectl rollout restart does, or as Argo
// Rollouts wants it for a Rollout.
// https://argo-rollouts.readthedocs.io/en/stable/features/restart/
func (c *Cluster) Restart(ctx context.Context, u *unstructured.Unstructured, dryRun bool) error {
	now := time.Now().Format(time.RFC3339)
	change := map[string]any{"spec": map[string]any{"restartAt": time.Now().UTC().Format(time.RFC3339)}}
	if u.GroupVersionKind().Group == appsv1.GroupName {
		change = map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
			"annotations": map[string]any{"kubectl.kubernetes.io/restartedAt": now},
		}}}}
	}
	raw, err := json.Marshal(change)
	if err != nil {
		return err
	}
	var options []client.PatchOption
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	return c.Patch(ctx, u, client.RawPatch(types.MergePatchType, raw), options...)
}
