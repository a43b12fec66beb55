package controllers_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// applier applies a ServiceAccount's manifest in the way of some tool; previous
// is what it applied the last time, empty at first.
type applier func(s *env, previous, manifest string)

var appliers = map[string]applier{
	"Kubectl":         kubectlApply,
	"Helm3":           helmApply,
	"ServerSideApply": serverSideApply,
}

// A ServiceAccount that another tool applies, before, between and after the
// identity, keeps what the tool set, and the tool does not take the role away.
func TestServiceAccount_AppliedByAnotherToolKeepsBothSettings(t *testing.T) {
	const (
		first  = `{apiVersion: v1, kind: ServiceAccount, metadata: {name: checkout, labels: {app: shop}, annotations: {example.com/a: "1"}}, imagePullSecrets: [{name: registry}]}`
		second = `{apiVersion: v1, kind: ServiceAccount, metadata: {name: checkout, labels: {app: shop, tier: web}, annotations: {example.com/b: "2"}}, imagePullSecrets: [{name: mirror}]}`
	)
	for name, apply := range appliers {
		t.Run(name, func(t *testing.T) {
			s := startEnv(t)
			apply(s, "", first)
			s.apply("metadata: {name: checkout}\nspec: {serviceAccount: {mode: Annotate}}")
			arn := s.awaitReady("checkout").Status.Role.ARN
			s.checkTool("1", "registry", arn)

			apply(s, first, second)
			s.checkTool("2", "mirror", arn)

			s.delete("checkout")
			s.awaitGone("checkout")
			s.checkTool("2", "mirror", "")
			apply(s, second, first)
			s.checkTool("1", "registry", "")
		})
	}
}

// checkTool compares the ServiceAccount with what the tool and the operator set.
func (s *env) checkTool(value, secret, arn string) {
	s.t.Helper()
	sa := s.serviceAccount("checkout")
	if got := sa.Annotations["example.com/a"] + sa.Annotations["example.com/b"]; got != value {
		s.t.Errorf("The tool's annotation is %q, not %q.", got, value)
	}
	if len(sa.ImagePullSecrets) != 1 || sa.ImagePullSecrets[0].Name != secret {
		s.t.Errorf("The tool's imagePullSecrets are %v, not %s.", sa.ImagePullSecrets, secret)
	}
	if got := sa.Annotations["eks.amazonaws.com/role-arn"]; got != arn {
		s.t.Errorf("The role is %q, not %q.", got, arn)
	}
}

// kubectlApply is the real kubectl's client-side apply.
func kubectlApply(s *env, _, manifest string) {
	s.t.Helper()
	cmd := cluster.Kubectl(s.ctx, "--namespace", s.namespace, "apply", "--filename", "-")
	cmd.Stdin = strings.NewReader("---\n" + manifest) // older kubectls take what begins with { for JSON
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

// helmApply is the three-way merge of Helm 3: of the last release's manifest, the
// new one's and the live object
// (https://helm.sh/docs/faq/changes_since_helm2/#improved-upgrade-strategy-3-way-strategic-merge-patches).
func helmApply(s *env, previous, manifest string) {
	s.t.Helper()
	wanted := &corev1.ServiceAccount{}
	s.must(yaml.Unmarshal([]byte(manifest), wanted))
	wanted.Namespace = s.namespace
	if previous == "" {
		s.must(user.Create(s.ctx, wanted, client.FieldOwner("helm")))
		return
	}
	live := s.serviceAccount("checkout")
	current, err := json.Marshal(live)
	s.must(err)
	meta, err := strategicpatch.NewPatchMetaFromStruct(live)
	s.must(err)
	patch, err := strategicpatch.CreateThreeWayMergePatch(s.json(previous), s.json(manifest), current, meta, true)
	s.must(err)
	s.must(user.Patch(s.ctx, live, client.RawPatch(types.StrategicMergePatchType, patch), client.FieldOwner("helm")))
}

func (s *env) json(manifest string) []byte {
	s.t.Helper()
	out, err := yaml.YAMLToJSON([]byte(manifest))
	s.must(err)
	return bytes.TrimSpace(out)
}

// serverSideApply applies with force, as Argo CD, Flux and Helm 4 do.
func serverSideApply(s *env, _, manifest string) {
	s.t.Helper()
	var content map[string]any
	s.must(yaml.Unmarshal([]byte(manifest), &content))
	u := unstructuredOf(content, s.namespace)
	s.must(user.Apply(s.ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("argocd-controller"), client.ForceOwnership))
}
