package gitops_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// The chain of docs/gitops.md, and the health checks of config/flux, from an empty
// cluster to the deletion of the identities.
func TestFlux_ChainOfKustomizations(t *testing.T) {
	w := newEnv(t)
	w.startKubelet()
	f := w.startFlux()
	r := w.newRepository()
	for _, step := range []struct {
		name string
		run  func(*flux, *repository)
	}{
		{"AppliesInOrder", fluxAppliesInOrder},
		{"InvalidIdentityFails", fluxInvalidIdentityFails},
		{"BlockedIdentityFailsFast", fluxBlockedIdentityFailsFast},
		{"PruneDeletesTheRole", fluxPruneDeletesTheRole},
		{"DeletionWaitsForTheRoles", fluxDeletionWaitsForTheRoles},
	} {
		passed := t.Run(step.name, func(t *testing.T) {
			part := &flux{env: w.in(t), url: f.url, shelf: f.shelf}
			step.run(part, r.in(part.env))
		})
		if !passed {
			t.Fatal("the following steps need this one")
		}
	}
}

// chain returns the manifest of docs/gitops.md that has several Kustomizations.
func (f *flux) chain() string {
	f.Helper()
	for _, block := range f.blocks("yaml") {
		if strings.Count(block, "kind: Kustomization") > 1 {
			return block
		}
	}
	f.Fatal("docs/gitops.md has no chain of Kustomizations")
	return ""
}

// fluxAppliesInOrder makes a repository in the layout of docs/gitops.md of the example for
// Argo CD, and has Flux apply it.
func fluxAppliesInOrder(f *flux, r *repository) {
	r.write("operator/kustomization.yaml", strings.Replace(r.read(apps+"operator/kustomization.yaml"), "../../../default", "../config/default", 1))
	r.write("identities/namespace.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n")
	r.write("identities/checkout.yaml", fluxIdentity("checkout", `managed: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]`))
	r.write("shop/checkout.yaml", strings.Replace(r.read(shop+"checkout.yaml"), "  name: checkout\n", "  name: checkout\n  namespace: shop\n", 1))
	commit := r.commit("A repository for Flux")
	f.publish(r, commit)
	f.apply(f.chain())
	for _, name := range []string{"podidentity-operator", "identities", "shop"} {
		f.awaitReady(name, commit)
	}
	created := f.find(deployment, "shop", "checkout").GetCreationTimestamp()
	for _, condition := range f.Get("checkout").Status.Conditions {
		if condition.Type == "Ready" && condition.LastTransitionTime.After(created.Time) {
			f.Errorf("the workload was created at %s, and its identity ready at %s", created, condition.LastTransitionTime)
		}
	}
}

func fluxIdentity(name, policies string) string {
	return strings.NewReplacer("NAME", name, "POLICIES", policies).Replace(`apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: NAME, namespace: shop}
spec: {policies: {POLICIES}}
`)
}

// An identity that only its team can fix fails the Kustomization before its timeout. Flux
// names the identity; the identity's condition says what to do.
func fluxInvalidIdentityFails(f *flux, r *repository) {
	r.write("identities/exports.yaml", fluxIdentity("exports", `managed: ["arn:aws:iam::aws:policy/AdministratorAccess"]`))
	commit := r.commit("Exports, with more than the baseline allows")
	f.publish(r, commit)
	const failed = "failed early due to stalled resources: [PodIdentity/shop/exports status: 'Failed'"
	f.awaitFailure("identities", commit, "HealthCheckFailed", failed)
	f.checkCondition("exports", "Stalled", "AdministratorAccess: Statement[0]: * allows every action of AWS")

	r.write("identities/exports.yaml", fluxIdentity("exports", `inline: [{name: queue, document: '{"Statement": []}'}]`))
	commit = r.commit("Exports, with a policy without statements")
	f.publish(r, commit)
	f.awaitFailure("identities", commit, "HealthCheckFailed", failed)
	f.checkCondition("exports", "Stalled", "must contain at least one statement")
	f.healthChecks("healthcheck.yaml")
	f.awaitFailure("identities", commit, "HealthCheckFailed", failed)

	r.write("identities/exports.yaml", fluxIdentity("exports", `managed: ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]`))
	commit = r.commit("Exports, with what the baseline allows")
	f.publish(r, commit)
	f.awaitReady("identities", commit)
}

// An identity that waits for an administrator fails the Kustomization as soon, with the
// expressions of config/flux/healthcheck-failfast.yaml.
func fluxBlockedIdentityFailsFast(f *flux, r *repository) {
	f.healthChecks("healthcheck-failfast.yaml")
	r.write("identities/reports.yaml", fluxIdentity("reports", `managed: ["arn:aws:iam::123456789012:policy/reports"]`))
	commit := r.commit("Reports, with a policy that does not exist yet")
	f.publish(r, commit)
	f.awaitFailure("identities", commit, "HealthCheckFailed", "failed early due to stalled resources: [PodIdentity/shop/reports status: 'Failed'")
	f.checkCondition("reports", "Ready", "arn:aws:iam::123456789012:policy/reports")

	_, err := f.AWS.IAM.CreatePolicy(f.Context(), &iam.CreatePolicyInput{
		PolicyName:     aws.String("reports"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`),
	})
	f.Must(err)
	f.awaitReady("identities", commit)
}

// healthChecks gives Kustomization identities the expressions of a file of config/flux. It
// keeps what the file does not set.
func (f *flux) healthChecks(file string) {
	f.Helper()
	f.MustKubectl("", "apply", "--server-side", "--force-conflicts", "--field-manager=healthchecks", "--filename=config/flux/"+file)
}

// checkCondition checks that the message of a condition has a text.
func (f *flux) checkCondition(identity, kind, want string) {
	f.Helper()
	for _, condition := range f.Get(identity).Status.Conditions {
		if condition.Type == kind && strings.Contains(condition.Message, want) {
			return
		}
	}
	f.Errorf("the condition %s of %s does not say %q: %+v", kind, identity, want, f.Get(identity).Status.Conditions)
}

func fluxPruneDeletesTheRole(f *flux, r *repository) {
	role := f.Get("exports").Status.Role.Name
	r.remove("identities/exports.yaml")
	commit := r.commit("Without exports")
	f.publish(r, commit)
	f.Eventually("the role of exports to be gone", func() bool { return f.Get("exports") == nil && !slices.Contains(f.roles(), role) }, f.describe("identities"))
	f.awaitReady("identities", commit)
}

// With deletionPolicy: WaitForTermination the Kustomization is gone when the roles are.
func fluxDeletionWaitsForTheRoles(f *flux, _ *repository) {
	f.MustKubectl("", "delete", "kustomizations.kustomize.toolkit.fluxcd.io", "--namespace=flux-system", "--wait", "shop")
	if f.find(deployment, "shop", "checkout") != nil {
		f.Eventually("the workload to be gone", func() bool { return f.find(deployment, "shop", "checkout") == nil }, f.describe("shop"))
	}
	if got := len(f.roles()); got != 2 {
		f.Errorf("%d roles before the identities are deleted, want those of checkout and reports", got)
	}
	f.MustKubectl("", "delete", "kustomizations.kustomize.toolkit.fluxcd.io", "--namespace=flux-system", "--wait", "identities")
	if left := f.roles(); len(left) > 0 {
		f.Errorf("the Kustomization is gone, and the roles %q are left", left)
	}
}
