package v1alpha1_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// path is where the PodIdentities of the tests are.
const path = "/apis/iam.podidentity.io/v1alpha1/namespaces/default/podidentities"

// An object that no operator has seen is not taken for ready by kstatus.
func TestKstatus_UnreconciledObjectIsInProgress(t *testing.T) {
	if err := user.Create(t.Context(), object(t, "unseen", `{}`)); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.PodIdentity
	if err := user.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "unseen"}, &got); err != nil {
		t.Fatal(err)
	}
	if got.Status.ObservedGeneration != -1 {
		t.Errorf("status.observedGeneration = %d, want -1", got.Status.ObservedGeneration)
	}
}

// Objects can be selected by the names in their spec.
func TestFieldSelector_SelectsSpecifiedRoleName(t *testing.T) {
	if err := user.Create(t.Context(), object(t, "selected", `{serviceAccount: {name: wanted}}`)); err != nil {
		t.Fatal(err)
	}
	var list v1alpha1.PodIdentityList
	if err := user.List(t.Context(), &list, client.MatchingFields{"spec.serviceAccount.name": "wanted"}); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].Name != "selected" {
		t.Errorf("selected %d objects", len(list.Items))
	}
}

// So can what the operator found.
func TestFieldSelector_SelectsRoleARNOfStatus(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/selected"
	var obj v1alpha1.PodIdentity
	obj.Namespace, obj.Name = "default", "selectedrole"
	if err := user.Create(t.Context(), &obj); err != nil {
		t.Fatal(err)
	}
	obj.Status.Role = &v1alpha1.RoleStatus{Name: "selected", ARN: arn}
	if err := user.Status().Update(t.Context(), &obj); err != nil {
		t.Fatal(err)
	}
	var found v1alpha1.PodIdentityList
	if err := user.List(t.Context(), &found, client.MatchingFields{"status.role.arn": arn}); err != nil {
		t.Fatal(err)
	}
	if len(found.Items) != 1 || found.Items[0].Name != "selectedrole" {
		t.Errorf("selected %d objects", len(found.Items))
	}
}

// kubectl get shows these columns, and this of an object.
func TestPrinterColumns_OfBothKinds(t *testing.T) {
	var obj v1alpha1.PodIdentity
	obj.Namespace, obj.Name = "default", "printed"
	if err := user.Create(t.Context(), &obj); err != nil {
		t.Fatal(err)
	}
	obj.Status = v1alpha1.PodIdentityStatus{
		Conditions:     []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAccessDenied, LastTransitionTime: metav1.Now()}},
		Role:           &v1alpha1.RoleStatus{Name: "r", ARN: "arn:aws:iam::123456789012:role/r", LastUsedTime: &metav1.Time{Time: time.Now().Add(-50*time.Hour - 30*time.Minute)}},
		ServiceAccount: &v1alpha1.ServiceAccountStatus{Name: "web", Mode: v1alpha1.ServiceAccountCreate},
	}
	if err := user.Status().Update(t.Context(), &obj); err != nil {
		t.Fatal(err)
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := clients.RESTClient().Get().AbsPath(path+"/printed").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	type column struct {
		Name     string
		Priority int32
		Cell     any
	}
	var got []column
	for i, c := range table.ColumnDefinitions[:len(table.ColumnDefinitions)-1] {
		got = append(got, column{c.Name, c.Priority, table.Rows[0].Cells[i]})
	}
	want := []column{
		{"Name", 0, "printed"},
		{"Ready", 0, "False"},
		{"Reason", 0, "AccessDenied"},
		{"ServiceAccount", 0, "web"},
		{"Role", 1, "arn:aws:iam::123456789012:role/r"},
		{"Last used", 1, "2d2h"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if last := table.ColumnDefinitions[len(table.ColumnDefinitions)-1]; last.Name != "Age" {
		t.Errorf("last column = %s, want Age", last.Name)
	}
}

// kubectl get podid and kubectl get aws find them; kubectl delete all does not.
func TestDiscovery_ShortNamesAndCategories(t *testing.T) {
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := found.ServerResourcesForGroupVersionWithContext(t.Context(), v1alpha1.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Name == "podidentities" })
	if i < 0 {
		t.Fatal("no podidentities")
	}
	r := resources.APIResources[i]
	if diff := cmp.Diff([]string{"podid"}, r.ShortNames); diff != "" {
		t.Errorf("short names: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"aws"}, r.Categories); diff != "" {
		t.Errorf("categories, of which all must not be one: -want, +got:\n%s", diff)
	}
	if !r.Namespaced {
		t.Error("not namespaced")
	}
}

// Two managers each own an inline policy and managed policies; neither removes those of
// the other.
func TestServerSideApply_ManagersShareLists(t *testing.T) {
	apply := func(manager, spec string) error {
		obj := object(t, "shared", spec)
		return user.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner(manager))
	}
	managed := func(n string) string { return policyARN + n }
	for _, step := range []struct{ manager, spec string }{
		{"team", `{policies: {managed: ["` + managed("1") + `"], inline: [{name: a, document: "{}"}]}}`},
		{"platform", `{policies: {managed: ["` + managed("2") + `"], inline: [{name: b, document: "{}"}]}}`},
		{"team", `{policies: {managed: ["` + managed("3") + `"], inline: [{name: c, document: "{}"}]}}`},
	} {
		if err := apply(step.manager, step.spec); err != nil {
			t.Fatalf("%s: %v", step.manager, err)
		}
	}
	if err := apply("other", `{policies: {inline: [{name: b, document: "[]"}]}}`); err == nil {
		t.Error("another manager changed a policy that is not its own")
	}
	got := &unstructured.Unstructured{}
	got.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("PodIdentity"))
	if err := user.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "shared"}, got); err != nil {
		t.Fatal(err)
	}
	policies, _, err := unstructured.NestedMap(got.Object, "spec", "policies")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"managed": []any{managed("2"), managed("3")},
		"inline":  []any{map[string]any{"name": "b", "document": "{}"}, map[string]any{"name": "c", "document": "{}"}},
	}
	if diff := cmp.Diff(want, policies); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
