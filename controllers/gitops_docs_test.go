package controllers_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const docsPage = "../docs/gitops.md"

// snippets returns the blocks of docs/gitops.md in a language.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	fence := regexp.MustCompile("(?ms)^ *```" + language + "\n(.*?)^ *```$")
	var found []string
	for _, match := range fence.FindAllStringSubmatch(string(readFile(t, docsPage)), -1) {
		found = append(found, match[1])
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %s", docsPage, language)
	}
	return found
}

// The API server and Flux accept the manifests in docs/gitops.md.
func TestGitOps_DocumentedManifestsAreAccepted(t *testing.T) {
	t.Parallel()
	s := newEnv(t)
	kinds := map[string]int{}
	for _, snippet := range snippets(t, "yaml") {
		for document := range strings.SplitSeq(snippet, "\n---\n") {
			var content map[string]any
			if err := yaml.Unmarshal([]byte(document), &content); err != nil {
				t.Errorf("%v:\n%s", err, document)
				continue
			}
			kind, _ := content["kind"].(string)
			kinds[kind]++
			switch kind {
			case "PodIdentity":
				strict := client.FieldValidation(metav1.FieldValidationStrict)
				if err := user.Create(s.ctx, unstructuredOf(content, s.namespace), client.DryRunAll, strict); err != nil {
					t.Errorf("%v:\n%s", err, document)
				}
			case "Kustomization":
				if err := yaml.UnmarshalStrict([]byte(document), &fluxKustomization{}); err != nil {
					t.Errorf("%v:\n%s", err, document)
				}
			}
		}
	}
	for _, kind := range []string{"PodIdentity", "Kustomization", "Application"} {
		if kinds[kind] == 0 {
			t.Errorf("%s shows no %s.", docsPage, kind)
		}
	}
}

// The documented RBAC names actions that there are.
func TestGitOps_DocumentedRBACNamesRealActions(t *testing.T) {
	t.Parallel()
	offered := actions(t)
	policy := strings.Join(snippets(t, "csv"), "")
	for _, action := range offered {
		if !strings.Contains(policy, "action/iam.podidentity.io/PodIdentity/"+action+", ") {
			t.Errorf("The policy does not name %s:\n%s", action, policy)
		}
	}
	if named := strings.Count(policy, "action/iam.podidentity.io/PodIdentity/"); named != len(offered) {
		t.Errorf("The policy names %d actions of %d.", named, len(offered))
	}
}

// A prune, which Argo CD does in the foreground, takes the identity down to the
// role. If the operator is not there, it waits, and goes when the operator is back.
func TestGitOps_PruneDeletesTheRole(t *testing.T) {
	s := startEnv(t)
	s.readyCheckout()
	role := s.get("checkout").Status.Role.Name
	s.stop()
	identity := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "checkout"}}
	s.must(user.Delete(s.ctx, identity, client.PropagationPolicy(metav1.DeletePropagationForeground)))

	u := s.live("checkout")
	if got := kstatusOf(t, u); got != status.TerminatingStatus {
		t.Errorf("kstatus = %s", got)
	}
	if !s.roleExists(role) {
		t.Error("The role went without the operator.")
	}

	s.start()
	s.awaitGone("checkout")
	if s.roleExists(role) {
		t.Error("The role is left.")
	}
}

// A retained role outlives its object, and the object that is applied again adopts it
// unchanged, as the last snippet shows.
func TestGitOps_RetainedRoleIsAdoptedAgain(t *testing.T) {
	s := startEnv(t)
	all := snippets(t, "yaml")
	var content map[string]any
	s.must(yaml.Unmarshal([]byte(all[len(all)-1]), &content))
	ledger, tool := unstructuredOf(content, s.namespace), syncTools["Flux"]
	tool.sync(s, ledger)
	id := s.awaitReady("ledger").Status.Role.ID
	s.delete("ledger")
	s.awaitGone("ledger")
	if !s.roleExists(roleName(s, "ledger")) {
		t.Fatal("The role is gone.")
	}

	tool.sync(s, ledger)
	if got := s.awaitReady("ledger").Status.Role.ID; got != id {
		t.Error("The role was made anew.")
	}
}

// A replace, as Argo CD does with Replace=true, drops what Git does not have, the
// finalizer included. The operator restores it, because a deletion would otherwise leave
// the role behind.
func TestGitOps_ReplaceDoesNotLoseTheFinalizer(t *testing.T) {
	for name, manifest := range map[string]string{
		"Ready":     checkout,
		"Suspended": checkout + "  suspend: true\n",
		"Plan":      checkout + "  mode: Plan\n",
		"Stalled":   "metadata: {name: checkout}\nspec: {policies: {managed: [\"arn:aws-cn:iam::aws:policy/ReadOnlyAccess\"]}}",
	} {
		t.Run(name, func(t *testing.T) {
			s := startEnv(t)
			clientSideSync(s, s.manifest(checkout))
			role := s.awaitReady("checkout").Status.Role.Name
			cmd := cluster.Kubectl(s.ctx, "replace", "--filename", "-")
			cmd.Stdin = strings.NewReader(toYAML(t, s.manifest(manifest).Object))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("kubectl replace: %v: %s", err, out)
			}
			s.eventually("the finalizer to be back", func() bool { return len(s.get("checkout").Finalizers) > 0 })

			s.delete("checkout")
			s.awaitGone("checkout")
			if s.roleExists(role) {
				t.Error("The role is left behind.")
			}
		})
	}
}
