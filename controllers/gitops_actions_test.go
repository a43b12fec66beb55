package controllers_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// A user's click in Argo CD reaches the operator, and is no difference from Git, unless
// Git sets the same field.
func TestGitOps_ActionsReachTheOperator(t *testing.T) {
	s := begin(t)
	manifest := s.manifest(checkout)
	argo := serverSideSync("argocd-controller")
	argo.sync(s, manifest)
	s.awaitReady("checkout")
	ready := s.stable(s.live("checkout"))
	for name, edit := range map[string]func(*unstructured.Unstructured){
		"ready": func(*unstructured.Unstructured) {},
		"reconciled": func(u *unstructured.Unstructured) {
			u.SetAnnotations(map[string]string{v1alpha1.RequestedAtAnnotation: aTime})
		},
		"suspended": setSuspend(true),
		"resumed":   setSuspend(false),
	} {
		u := ready.DeepCopy()
		edit(u)
		golden(t, customizations+"/actions/testdata/"+name+".yaml", toYAML(t, u.Object))
	}

	s.click("reconcile")
	s.eventually("the request to be handled", func() bool {
		pi := s.get("checkout")
		return pi.Status.LastHandledReconcileAt != "" && pi.Status.LastHandledReconcileAt == pi.Annotations[v1alpha1.RequestedAtAnnotation]
	})
	argo.expectInSync(s, manifest)

	s.click("suspend")
	s.awaitSuspended("checkout")
	if got := argoHealth(t, s.live("checkout")).Status; got != "Suspended" {
		t.Errorf("Argo CD says that a suspended identity is %s.", got)
	}
	argo.expectInSync(s, manifest)

	s.click("resume")
	s.awaitReady("checkout")
	argo.expectInSync(s, manifest)
}

// A suspend: false in Git ends what the action began: a sync puts it back.
func TestGitOps_SyncRevertsAnAction(t *testing.T) {
	s := begin(t)
	manifest := s.manifest(checkout + "  suspend: false\n")
	argo := serverSideSync("argocd-controller")
	argo.sync(s, manifest)
	s.awaitReady("checkout")
	s.click("suspend")
	if argo.differences(s, manifest) == "" {
		t.Error("Argo CD does not see that Git says suspend: false.")
	}
	argo.sync(s, manifest)
	s.awaitReady("checkout")
	argo.expectInSync(s, manifest)
}

// click runs an action of Argo CD on PodIdentity checkout, if Argo CD offers it,
// and sends the difference that it made to the API server.
func (s *story) click(name string) {
	s.t.Helper()
	u := s.live("checkout")
	for _, action := range discoverActions(s.t, u) {
		if action.Name == name && action.Disabled {
			s.t.Fatalf("Argo CD does not offer %s.", name)
		}
	}
	s.must(user.Patch(s.ctx, runAction(s.t, name, u), client.MergeFrom(u), client.FieldOwner("argocd-server")))
}

func setSuspend(suspend bool) func(*unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) { u.Object["spec"].(map[string]any)["suspend"] = suspend }
}

// An action leaves alone what it is not about, though Lua cannot tell an empty
// list from an empty map.
func TestGitOps_ActionsKeepOtherFields(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]map[string]any{
		"suspend":   {"spec": map[string]any{"suspend": true}},
		"resume":    {"spec": map[string]any{}},
		"reconcile": {"spec": map[string]any{}},
	} {
		before := map[string]any{"metadata": map[string]any{"name": "checkout"}, "spec": map[string]any{}}
		got := runAction(t, name, &unstructured.Unstructured{Object: before})
		if diff := cmp.Diff(want["spec"], got.Object["spec"]); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", name, diff)
		}
	}
}

// argoFS is config/argocd.
func argoFS() fs.FS { return os.DirFS(argoDir) }

// fixture reads an object from a file.
func fixture(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON(readFile(t, path))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, &u.Object); err != nil { // whole numbers as int64, as the API server's
		t.Fatalf("%s: %v", path, err)
	}
	return u
}

// fixtures lists testdata of dir, by path relative to dir, in order.
func fixtures(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(dir + "/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range paths {
		paths[i] = "testdata/" + filepath.Base(paths[i])
	}
	return paths
}
