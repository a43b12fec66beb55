package gitops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const (
	apps  = "config/argocd/app-of-apps/"
	shop  = apps + "teams/shop/"
	ready = "Identity is ready for use by pods of the ServiceAccount"
)

var (
	crd        = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
	deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	guardrail  = v1alpha1.GroupVersion.WithKind("PodIdentityGuardrail")
)

// The app of apps of config/argocd, from an empty cluster to the deletion of a team.
func TestArgoCD_AppOfApps(t *testing.T) {
	w := newEnv(t)
	w.startKubelet()
	rbac := "p, role:shop, applications, get, shop/*, allow\n" + strings.Join(w.blocks("csv"), "") + "g, alice, role:shop\ng, bob, role:shop-admin\ng, bob, role:shop\n"
	a := w.startArgoCD(rbac)
	r := w.newRepository()
	for _, step := range []struct {
		name string
		run  func(*argoCD, *repository)
	}{
		{"InstallsInWaves", installsInWaves},
		{"ShowsHealthAndChildren", showsHealthAndChildren},
		{"RunsActions", runsActions},
		{"DriftIsNoDifference", driftIsNoDifference},
		{"BlockedIdentityStopsTheSync", blockedIdentityStopsTheSync},
		{"InvalidIdentityStopsTheSync", invalidIdentityStopsTheSync},
		{"TeamsCannotLeaveTheirProject", teamsCannotLeaveTheirProject},
		{"PruneWaitsForConfirmation", pruneWaitsForConfirmation},
		{"DefinitionsAreNeverPruned", definitionsAreNeverPruned},
		{"DeletionRemovesTheRoles", deletionRemovesTheRoles},
	} {
		passed := t.Run(step.name, func(t *testing.T) {
			part := *a
			part.env = w.in(t)
			step.run(&part, r.in(part.env))
		})
		if !passed {
			t.Fatal("the following steps need this one")
		}
	}
}

// The operator, the guardrails and the teams come one after the other, each when the one
// before is healthy.
func installsInWaves(a *argoCD, r *repository) {
	a.apply(r.read(apps + "root.yaml"))
	commit := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	for _, name := range []string{"platform", "podidentity-operator", "guardrails", "shop"} {
		a.awaitSynced(name, commit)
	}

	sights, _ := a.seen.since(0)
	first := func(app, health string) int {
		return slices.IndexFunc(sights, func(s sight) bool { return s.App == app && (health == "" || s.Health == health) })
	}
	for _, wave := range [][2]string{{"podidentity-operator", "guardrails"}, {"guardrails", "shop"}} {
		if first(wave[0], "Healthy") > first(wave[1], "") {
			a.Errorf("Application %s was created before %s was healthy: %v", wave[1], wave[0], sights)
		}
	}
	if strings.Contains(a.logOf("argocd-application-controller"), "is not permitted") {
		a.Error("an example may not sync into its project")
	}
	for _, name := range []string{"podidentities.iam.podidentity.io", "podidentityguardrails.iam.podidentity.io"} {
		if got := a.find(crd, "", name).GetAnnotations()["argocd.argoproj.io/sync-options"]; got != "Prune=false,Delete=false" {
			a.Errorf("%s has the sync options %q", name, got)
		}
	}
	if len(a.roles()) != 2 {
		a.Errorf("roles = %q, want those of checkout and ledger", a.roles())
	}
}

// The tree of resources is the one that docs/gitops.md describes.
func showsHealthAndChildren(a *argoCD, _ *repository) {
	a.awaitHealth("checkout", "Healthy", ready)
	account := a.node("shop", "ServiceAccount", "checkout")
	if len(account.ParentRefs) != 1 || account.ParentRefs[0].Kind != "PodIdentity" {
		a.Errorf("the ServiceAccount is shown as %+v, want it below the PodIdentity", account)
	}
}

// The actions do what docs/gitops.md says, for those to whom its RBAC allows them, and
// are not a difference from Git.
func runsActions(a *argoCD, _ *repository) {
	_, began := a.seen.since(0)
	if err := a.run("alice", "suspend", "checkout"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		a.Errorf("a member of the team suspends: %v, want it denied", err)
	}
	a.checkOffered("checkout", map[string]bool{"reconcile": false, "suspend": false, "resume": true})
	a.Must(a.run("alice", "reconcile", "checkout"))
	a.Eventually("the request to be handled", func() bool {
		pi := a.Get("checkout")
		requested := pi.Annotations[v1alpha1.RequestedAtAnnotation]
		return requested != "" && pi.Status.LastHandledReconcileAt == requested
	}, a.describe("shop"))

	a.Must(a.run("bob", "suspend", "checkout"))
	a.awaitHealth("checkout", "Suspended", "Reconciliation is suspended")
	a.checkOffered("checkout", map[string]bool{"reconcile": true, "suspend": true, "resume": false})
	a.refresh("shop")
	a.Must(a.run("bob", "resume", "checkout"))
	a.awaitHealth("checkout", "Healthy", ready)
	a.refresh("shop")
	a.checkInSyncSince(began, "an action was run")
}

func (a *argoCD) checkOffered(identity string, want map[string]bool) {
	a.Helper()
	got := a.offered(identity)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		a.Errorf("the actions offered for %s, and whether each is disabled: %v, want %v", identity, got, want)
	}
}

// A change in AWS that the operator reverts is no difference from Git; a change of the
// spec is one, which Argo CD reverts.
func driftIsNoDifference(a *argoCD, _ *repository) {
	_, began := a.seen.since(0)
	role, readOnly := aws.String(a.Get("checkout").Status.Role.Name), aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
	_, err := a.AWS.IAM.DetachRolePolicy(a.Context(), &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: readOnly})
	a.Must(err)
	a.refresh("shop")
	a.Must(a.run("alice", "reconcile", "checkout"))
	a.Eventually("the operator to attach the policy again", func() bool {
		attached, err := a.AWS.IAM.ListAttachedRolePolicies(a.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: role})
		a.Must(err)
		return len(attached.AttachedPolicies) == 1
	}, a.describe("shop"))

	account := &corev1.ServiceAccount{}
	key := client.ObjectKey{Namespace: "shop", Name: "checkout"}
	a.Must(a.Client.Get(a.Context(), key, account))
	want := account.Annotations["eks.amazonaws.com/role-arn"]
	before := account.DeepCopy()
	account.Annotations["eks.amazonaws.com/role-arn"] = "arn:aws:iam::123456789012:role/other"
	a.Must(a.Client.Patch(a.Context(), account, client.MergeFrom(before)))
	a.Eventually("the operator to restore the annotation", func() bool {
		a.Must(a.Client.Get(a.Context(), key, account))
		return account.Annotations["eks.amazonaws.com/role-arn"] == want
	}, a.describe("shop"))
	a.refresh("shop")
	a.checkInSyncSince(began, "AWS and a ServiceAccount were edited")

	edited := a.Get("checkout")
	former := edited.DeepCopy()
	edited.Spec.Policies.Managed = nil
	a.Must(a.Client.Patch(a.Context(), edited, client.MergeFrom(former)))
	a.Eventually("Argo CD to restore the spec", func() bool { return len(a.Get("checkout").Spec.Policies.Managed) == 1 }, a.describe("shop"))
}

// An identity that waits for an administrator stops the sync before its workload, and
// says why. When the cause is fixed, the sync goes on without another commit.
func blockedIdentityStopsTheSync(a *argoCD, r *repository) {
	r.write(shop+"reports.yaml", workload("reports", `managed: ["arn:aws:iam::123456789012:policy/tenants/reports"]`))
	commit := r.commit("Reports, with a policy that does not exist yet")
	a.refresh("shop")
	const cause = "policy arn:aws:iam::123456789012:policy/tenants/reports"
	a.awaitHealth("reports", "Degraded", cause)
	a.awaitResult("shop", "PodIdentity", "reports", cause)
	a.awaitOperation("shop", "Retrying attempt #")
	if a.find(deployment, "shop", "reports") != nil {
		a.Error("the workload was created before its identity was ready")
	}

	_, err := a.AWS.IAM.CreatePolicy(a.Context(), &iam.CreatePolicyInput{
		PolicyName: aws.String("reports"), Path: aws.String("/tenants/"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`),
	})
	a.Must(err)
	a.awaitSynced("shop", commit)
	if a.find(deployment, "shop", "reports") == nil {
		a.Error("the workload was not created")
	}
}

// An identity that no other than its team can fix stops the sync as well, whether the API
// server rejects it or the operator. The team's next commit ends that, although the sync
// of the former one still retries.
func invalidIdentityStopsTheSync(a *argoCD, r *repository) {
	r.write(shop+"exports.yaml", workload("exports", `managed: ["arn:aws:iam::aws:policy/AdministratorAccess"]`))
	r.commit("Exports, with more than the guardrail allows")
	a.refresh("shop")
	a.awaitResult("shop", "PodIdentity", "exports", "arn:aws:iam::aws:policy/AdministratorAccess")
	a.awaitOperation("shop", "Retrying attempt #")

	r.write(shop+"exports.yaml", workload("exports", `inline: [{name: queue, document: '{"Statement": []}'}]`))
	r.commit("Exports, with a policy without statements")
	a.refresh("shop")
	const cause = "must contain at least one statement"
	a.awaitHealth("exports", "Degraded", cause)
	a.awaitResult("shop", "PodIdentity", "exports", cause)
	a.awaitOperation("shop", "Retrying attempt #")
	if a.find(deployment, "shop", "exports") != nil {
		a.Error("the workload was created before its identity was ready")
	}

	r.write(shop+"exports.yaml", workload("exports", `managed: ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]`))
	commit := r.commit("Exports, with what the guardrail allows")
	a.refresh("shop")
	a.awaitSynced("shop", commit)
}

// workload is an identity with policies, and a Deployment that uses it.
func workload(name, policies string) string {
	return strings.NewReplacer("NAME", name, "POLICIES", policies).Replace(`apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata:
  name: NAME
  annotations: {argocd.argoproj.io/sync-wave: "-1"}
spec:
  policies: {POLICIES}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {serviceAccountName: NAME, containers: [{name: NAME, image: "registry.example.com/NAME:v1"}]}
`)
}

// A team that commits a guardrail, the labels of its namespace or an identity of another
// namespace gets none of it.
func teamsCannotLeaveTheirProject(a *argoCD, r *repository) {
	for file, tc := range map[string]struct{ kind, name, manifest, want string }{
		"guardrail.yaml": {"PodIdentityGuardrail", "everything", `{apiVersion: iam.podidentity.io/v1alpha1, kind: PodIdentityGuardrail, metadata: {name: everything}, spec: {namespaceSelector: {}}}`, "is not permitted in project shop"},
		"namespace.yaml": {"Namespace", "shop", `{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {platform.example.com/tenant: null}}}`, "is not permitted in project shop"},
		"elsewhere.yaml": {"PodIdentity", "stolen", `{apiVersion: iam.podidentity.io/v1alpha1, kind: PodIdentity, metadata: {name: stolen, namespace: kube-system}, spec: {}}`, "namespace kube-system is not permitted in project 'shop'"},
	} {
		r.write(shop+file, tc.manifest)
		r.commit("What the team may not do: " + file)
		a.refresh("shop")
		a.awaitResult("shop", tc.kind, tc.name, tc.want)
		r.remove(shop + file)
		commit := r.commit("Without " + file)
		a.refresh("shop")
		a.awaitSynced("shop", commit)
	}
	if a.find(guardrail, "", "everything") != nil {
		a.Error("the team has made a guardrail")
	}
	if a.find(v1alpha1.GroupVersion.WithKind("PodIdentity"), "kube-system", "stolen") != nil {
		a.Error("the team has made an identity of another namespace")
	}
	if ns := a.find(corev1.SchemeGroupVersion.WithKind("Namespace"), "", "shop"); ns.GetLabels()["platform.example.com/tenant"] != "shop" {
		a.Errorf("the team has changed the labels of its namespace: %v", ns.GetLabels())
	}
}

// An identity that requires confirmation keeps its role after it was removed from Git,
// until a user confirms it.
func pruneWaitsForConfirmation(a *argoCD, r *repository) {
	role := a.Get("ledger").Status.Role.Name
	identities := r.read(shop + "identities.yaml")
	checkout, _, _ := strings.Cut(identities, "---")
	r.write(shop+"identities.yaml", checkout)
	commit := r.commit("Without the ledger")
	a.refresh("shop")
	a.awaitOperation("shop", "Waiting for pruning confirmation of iam.podidentity.io/v1alpha1/PodIdentity/ledger")
	if pi := a.Get("ledger"); pi.DeletionTimestamp != nil || !slices.Contains(a.roles(), role) {
		a.Errorf("before the confirmation: %+v, roles %q", pi, a.roles())
	}

	a.annotate(a.app("shop"), "argocd.argoproj.io/deletion-approved", now())
	a.Eventually("the role to be gone", func() bool { return !slices.Contains(a.roles(), role) && a.Get("ledger") == nil }, a.describe("shop"))
	a.awaitSynced("shop", commit)
}

// A commit that loses the CustomResourceDefinitions loses no identity.
func definitionsAreNeverPruned(a *argoCD, r *repository) {
	path := apps + "operator/kustomization.yaml"
	former := r.read(path)
	roles := a.roles()
	r.write(path, former[:strings.LastIndex(former, "- target: {kind: CustomResourceDefinition}")]+`- target: {kind: CustomResourceDefinition}
  patch: |
    $patch: delete
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: any}
`)
	commit := r.commit("The CustomResourceDefinitions are lost")
	a.refresh("podidentity-operator")
	a.awaitSynced("podidentity-operator", commit)
	for _, name := range []string{"podidentities.iam.podidentity.io", "podidentityguardrails.iam.podidentity.io"} {
		if d := a.find(crd, "", name); d == nil || d.GetDeletionTimestamp() != nil {
			a.Errorf("Argo CD has deleted %s", name)
		}
	}
	r.write(path, former)
	commit = r.commit("They are back")
	a.refresh("podidentity-operator")
	a.awaitSynced("podidentity-operator", commit)
	if got := a.roles(); !slices.Equal(got, roles) {
		a.Errorf("roles = %q, before: %q", got, roles)
	}
}

// The end of a team: Argo CD deletes its workloads first and its identities last, and
// the Application when all roles are gone.
func deletionRemovesTheRoles(a *argoCD, r *repository) {
	const finalizer = "test.podidentity.io/hold"
	held := a.find(deployment, "shop", "checkout")
	before := held.DeepCopy()
	held.SetFinalizers([]string{finalizer})
	a.Must(a.Client.Patch(a.Context(), held, client.MergeFrom(before)))
	r.remove(strings.TrimSuffix(shop, "/"))
	r.write(apps+"teams/README", "no teams")
	r.commit("Without team shop")
	a.refreshTeams()

	a.Eventually("the deletion of the workload", func() bool {
		d := a.find(deployment, "shop", "checkout")
		return d != nil && d.GetDeletionTimestamp() != nil
	}, a.describe("shop"))
	looks := strings.Count(a.logOf("argocd-application-controller"), "objects remaining for deletion")
	a.annotate(a.app("shop"), "argocd.argoproj.io/refresh", "normal")
	a.Eventually("Argo CD to look again", func() bool {
		return strings.Count(a.logOf("argocd-application-controller"), "objects remaining for deletion") > looks
	}, a.describe("shop"))
	for _, name := range []string{"checkout", "exports", "reports"} {
		if pi := a.Get(name); pi == nil || pi.DeletionTimestamp != nil {
			a.Errorf("identity %s is deleted before the workloads are", name)
		}
	}

	held = a.find(deployment, "shop", "checkout")
	before = held.DeepCopy()
	held.SetFinalizers(nil)
	a.Must(a.Client.Patch(a.Context(), held, client.MergeFrom(before)))
	a.Eventually("the Application to be gone", func() bool { return a.app("shop") == nil }, a.describe("shop"))
	if left := a.roles(); len(left) > 0 {
		a.Errorf("the Application is gone, and the roles %q are left", left)
	}
}
