package controllers_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// An action in Argo CD reaches the operator, and is no difference from Git, unless
// Git sets the same field.
func TestGitOps_ActionsReachTheOperator(t *testing.T) {
	s := startEnv(t)
	manifest := s.manifest(checkout)
	argo := serverSideSync("argocd-controller")
	argo.sync(s, manifest)
	s.awaitReady("checkout")
	ready := s.stable(s.live("checkout"))
	for name, action := range map[string]string{"ready": "", "reconciled": "reconcile", "suspended": "suspend", "resumed": "resume"} {
		u := ready.DeepCopy()
		if action != "" {
			edits[action](u)
		}
		golden(t, customizations+"/actions/testdata/"+name+".yaml", toYAML(t, u.Object))
	}

	s.runAction("reconcile")
	s.eventually("the request to be handled", func() bool { return s.get("checkout").Status.LastHandledReconcileAt == aTime })
	argo.expectInSync(s, manifest)

	s.runAction("suspend")
	s.awaitSuspended("checkout")
	argo.expectInSync(s, manifest)

	s.runAction("resume")
	s.awaitReady("checkout")
	argo.expectInSync(s, manifest)
}

// A suspend: false in Git ends what the action began: a sync puts it back.
func TestGitOps_SyncRevertsAnAction(t *testing.T) {
	s := startEnv(t)
	manifest := s.manifest(checkout + "  suspend: false\n")
	argo := serverSideSync("argocd-controller")
	argo.sync(s, manifest)
	s.awaitReady("checkout")
	s.runAction("suspend")
	if argo.differences(s, manifest) == "" {
		t.Error("Argo CD does not see that Git says suspend: false.")
	}
	argo.sync(s, manifest)
	s.awaitReady("checkout")
	argo.expectInSync(s, manifest)
}

// edits are what Argo CD's actions make of an object: hack/argocd/scripts holds the scripts
// to the fixtures that are written here.
var edits = map[string]func(*unstructured.Unstructured){
	"reconcile": func(u *unstructured.Unstructured) {
		u.SetAnnotations(map[string]string{v1alpha1.RequestedAtAnnotation: aTime})
	},
	"suspend": setSuspend(true),
	"resume":  setSuspend(false),
}

// runAction makes the edit of an action in PodIdentity checkout.
func (s *env) runAction(name string) {
	s.t.Helper()
	u := s.live("checkout")
	before := u.DeepCopy()
	edits[name](u)
	s.must(user.Patch(s.ctx, u, client.MergeFrom(before), client.FieldOwner("argocd-server")))
}

func setSuspend(suspend bool) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["suspend"] = suspend }
}
