package controllers_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// syncTool is a way in which a GitOps tool brings a manifest into the cluster.
type syncTool struct {
	manager string
	sync    func(s *env, manifests ...*unstructured.Unstructured)
	// differences describes what a sync of the manifests would change.
	differences func(s *env, manifests ...*unstructured.Unstructured) string
}

// expectInSync fails the scenario if the tool sees a difference.
func (tool syncTool) expectInSync(s *env, manifests ...*unstructured.Unstructured) {
	s.t.Helper()
	if diff := tool.differences(s, manifests...); diff != "" {
		s.t.Errorf("%s sees a difference: -live, +synced:\n%s", tool.manager, diff)
	}
}

// syncTools are the ways of Argo CD (server-side, and by default client-side), of
// Flux, and of kubectl.
var syncTools = map[string]syncTool{
	"ArgoCD":     serverSideSync("argocd-controller"),
	"Flux":       serverSideSync("kustomize-controller"),
	"ClientSide": {manager: "kubectl-client-side-apply", sync: clientSideSync, differences: clientSideDiff},
}

// manifestsToSync are identities as users write them, with values that say no
// more than none would.
var manifestsToSync = map[string]string{
	"everything": `
		metadata:
		  name: everything
		  labels: {app.kubernetes.io/instance: shop}
		  annotations: {argocd.argoproj.io/sync-wave: "-1", argocd.argoproj.io/tracking-id: "shop:iam.podidentity.io/PodIdentity:shop/everything"}
		spec:
		  serviceAccount: {name: everything, mode: Create, tokenExpirationSeconds: 3600}
		  additionalServiceAccounts: [migrate, batch]
		  role:
		    name: Everything
		    description: Reads the shop's bucket
		    maxSessionDurationSeconds: 3600
		    permissionsBoundary: arn:aws:iam::123456789012:policy/boundary
		    tags: {team: payments, "Cost Center": ""}
		    adoptionPolicy: Never
		  policies:
		    managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
		    inline:
		    - name: z
		      statements:
		      - {sid: Read, effect: Allow, actions: ["s3:Get*", "S3:List*"], resources: ["arn:aws:s3:::shop/*"], conditions: [{operator: StringEquals, key: "aws:PrincipalAccount", values: ["123456789012", ""]}]}
		      - {effect: Deny, notActions: ["s3:*"], notResources: ["*"]}
		    - name: a
		      document: |
		        { "Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["SQS:SendMessage"], "Resource": "*"} }
		  trust: {scope: ServiceAccount}
		  deletionPolicy: Delete
		  mode: Apply
		  suspend: false`,
	"empty-fields": `
		metadata: {name: empty-fields}
		spec: {serviceAccount: {}, role: {description: ""}, suspend: false}`,
	"empty-spec": `
		metadata: {name: empty-spec, labels: {kustomize.toolkit.fluxcd.io/name: identities}}
		spec: {}`,
	"no-spec": `
		metadata: {name: no-spec, labels: {kustomize.toolkit.fluxcd.io/name: identities}}`,
}

// Once an identity is ready, its manifest differs in nothing from what is in the
// cluster, whatever the operator wrote meanwhile: a tool that syncs it again sees
// no difference and makes none.
func TestGitOps_SyncSeesNoDifference(t *testing.T) {
	for name, tool := range syncTools {
		t.Run(name, func(t *testing.T) {
			s := startEnv(t)
			s.createPolicy("boundary")
			s.createServiceAccount("migrate", nil)
			s.createServiceAccount("batch", nil)
			var manifests []*unstructured.Unstructured
			for _, name := range slices.Sorted(maps.Keys(manifestsToSync)) {
				manifests = append(manifests, s.manifest(manifestsToSync[name]))
			}
			tool.sync(s, manifests...)
			for _, m := range manifests {
				s.awaitReady(m.GetName())
			}
			s.expectSynced(tool, manifests)

			s.failCalls("*", "AccessDenied")
			for _, m := range manifests {
				s.annotate(m.GetName(), "again")
				s.eventually("the request to be handled", func() bool { return s.get(m.GetName()).Status.LastHandledReconcileAt == "again" })
				s.await(m.GetName(), v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied)
			}
			s.stop() // which still finds out what else AWS denies, and reports it in the status
			s.expectSynced(tool, manifests)
		})
	}
}

// expectSynced checks that the tool sees no difference, that a sync changes
// nothing, and that the operator owns nothing that the tool owns.
func (s *env) expectSynced(tool syncTool, manifests []*unstructured.Unstructured) {
	s.t.Helper()
	before := map[string]*v1alpha1.PodIdentity{}
	for _, m := range manifests {
		before[m.GetName()] = s.get(m.GetName())
	}
	tool.expectInSync(s, manifests...)
	tool.sync(s, manifests...)
	for name := range before {
		if after := s.get(name); after.ResourceVersion != before[name].ResourceVersion {
			s.t.Errorf("A sync of %s that should change nothing changed it:\n%s", name, cmp.Diff(before[name], after))
		}
		s.checkOwners(tool, name)
	}
}

// checkOwners checks that all managers but the tool own only the status, the
// finalizers, and the annotation that requests a check.
func (s *env) checkOwners(tool syncTool, name string) {
	s.t.Helper()
	owned := map[string]bool{}
	for _, entry := range s.liveWithOwners(name).GetManagedFields() {
		if entry.Manager == tool.manager {
			continue
		}
		var fields map[string]map[string]json.RawMessage
		s.must(json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields))
		for part, content := range fields {
			if part == "f:status" {
				owned[part] = true
				continue
			}
			for field := range content {
				owned[part+"."+field] = true
			}
		}
	}
	delete(owned, "f:metadata.f:annotations") // of the user who requested a check
	want := map[string]bool{"f:status": true, "f:metadata.f:finalizers": true}
	if diff := cmp.Diff(want, owned); diff != "" {
		s.t.Errorf("what %s does not own of %s: -want, +got:\n%s", tool.manager, name, diff)
	}
}

// serverSideSync syncs by server-side apply, with force, and finds differences by
// a dry run of the same: to the last of the fields that the tool owns.
func serverSideSync(manager string) syncTool {
	apply := func(s *env, manifest *unstructured.Unstructured, options ...client.ApplyOption) *unstructured.Unstructured {
		s.t.Helper()
		u := manifest.DeepCopy()
		options = append(options, client.FieldOwner(manager), client.ForceOwnership)
		s.must(user.Apply(s.ctx, client.ApplyConfigurationFromUnstructured(u), options...))
		return u
	}
	return syncTool{
		manager: manager,
		sync: func(s *env, manifests ...*unstructured.Unstructured) {
			s.t.Helper()
			for _, m := range manifests {
				apply(s, m)
			}
		},
		differences: func(s *env, manifests ...*unstructured.Unstructured) string {
			s.t.Helper()
			var all strings.Builder
			for _, m := range manifests {
				all.WriteString(cmp.Diff(s.liveWithOwners(m.GetName()).Object, apply(s, m, client.DryRunAll).Object))
			}
			return all.String()
		},
	}
}

// clientSideSync is the real kubectl's apply, which Argo CD shares.
func clientSideSync(s *env, manifests ...*unstructured.Unstructured) {
	s.t.Helper()
	kubectlApply(s, "", documents(s.t, manifests))
}

// clientSideDiff finds differences as kubectl diff does, and as Argo CD does by
// default.
func clientSideDiff(s *env, manifests ...*unstructured.Unstructured) string {
	s.t.Helper()
	cmd := cluster.Kubectl(s.ctx, "diff", "--filename", "-")
	cmd.Stdin = strings.NewReader(documents(s.t, manifests))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out)
	}
	for _, m := range manifests {
		if patch := s.threeWayPatch(m); patch != "{}" {
			return m.GetName() + ": " + patch
		}
	}
	return ""
}

// threeWayPatch merges what was applied last, the manifest, and what is there, as
// Argo CD does. kubectl notes annotations: {} where there are none, which Argo CD
// takes out.
func (s *env) threeWayPatch(manifest *unstructured.Unstructured) string {
	s.t.Helper()
	live := s.live(manifest.GetName())
	last := &unstructured.Unstructured{}
	s.must(json.Unmarshal([]byte(live.GetAnnotations()["kubectl.kubernetes.io/last-applied-configuration"]), &last.Object))
	if len(last.GetAnnotations()) == 0 {
		last.SetAnnotations(nil)
	}
	var raw [3][]byte
	for i, u := range []*unstructured.Unstructured{last, manifest, live} {
		var err error
		raw[i], err = json.Marshal(u.Object)
		s.must(err)
	}
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(raw[0], raw[1], raw[2])
	s.must(err)
	return string(patch)
}

// documents returns objects as one file of YAML.
func documents(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	var all strings.Builder
	for _, u := range objects {
		all.WriteString("---\n" + toYAML(t, u.Object))
	}
	return all.String()
}

// manifest returns a PodIdentity as it stands in Git.
func (s *env) manifest(text string) *unstructured.Unstructured {
	s.t.Helper()
	var content map[string]any
	s.must(yaml.Unmarshal([]byte("apiVersion: iam.podidentity.io/v1alpha1\nkind: PodIdentity\n"+dedent(text)), &content))
	return unstructuredOf(content, s.namespace)
}

// annotate asks for a check, as kubectl annotate does.
func (s *env) annotate(name, token string) {
	s.t.Helper()
	u := s.live(name)
	before := u.DeepCopy()
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.RequestedAtAnnotation] = token
	u.SetAnnotations(annotations)
	s.must(user.Patch(s.ctx, u, client.MergeFrom(before), client.FieldOwner("kubectl-annotate")))
}
