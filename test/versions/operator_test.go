package versions_test

import (
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/test/installation"
	"github.com/podidentity/podidentity-operator/test/testenv"
)

// guardrail forbids inline policies in the namespace of the sample; the canary tells
// when the API server knows it.
const guardrail = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentityGuardrail
metadata: {name: versions}
spec:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
  namespaceTrust: Forbidden
`

const rejected = `
apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: wide, namespace: shop}
spec: {trust: {scope: Namespace}}
`

// rejectsAtAdmission proves that the schema, its rules and the admission policies are
// in force.
func (e *env) rejectsAtAdmission() {
	e.Helper()
	e.MustKubectl(guardrail, "apply", "--filename=-")
	apply := func(manifest string) error {
		_, err := e.RunKubectl(e.Context(), manifest, "apply", "--dry-run=server", "--filename=-")
		return err
	}
	e.Eventually("the admission policy to reject what the guardrail forbids", func() bool {
		err := apply(rejected)
		return err != nil && strings.Contains(err.Error(), "rejected by PodIdentityGuardrail versions")
	})
	for name, tc := range map[string]struct{ spec, want string }{
		"Schema":    {`{deletionPolicy: Never}`, "spec.deletionPolicy"},
		"Rule":      {`{policies: {inline: [{name: a}]}}`, "exactly one of"},
		"Documents": {`{policies: {inline: [{name: a, document: "no"}]}}`, "are not JSON objects"},
	} {
		err := apply(strings.Replace(rejected, "{trust: {scope: Namespace}}", tc.spec, 1))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			e.Errorf("%s: got %v, want it to be rejected with %q", name, err, tc.want)
		}
	}
}

// reconciles runs the operator with the permissions of the manifests: an
// identity becomes ready, its ServiceAccount is restored, a field selector finds it,
// and with it goes the role.
func (e *env) reconciles() {
	e.Helper()
	e.startOperator()
	sample := filepath.Join(e.Root, "config", "samples", "iam_v1alpha1_podidentity.yaml")
	e.MustKubectl("", "apply", "--server-side", "--filename="+sample)
	e.MustKubectl("", "wait", "podid/checkout", "--namespace=shop", "--for=condition=Ready", "--timeout=60s")

	arn := e.field("podid/checkout", "{.status.role.arn}")
	const annotation = `{.metadata.annotations.eks\.amazonaws\.com/role-arn}`
	if got := e.field("serviceaccount/checkout", annotation); got == "" || got != arn {
		e.Errorf("ServiceAccount has the role %q, want %q", got, arn)
	}
	e.MustKubectl("", "annotate", "serviceaccount/checkout", "--namespace=shop", "eks.amazonaws.com/role-arn-")
	e.Eventually("the annotation to be restored", func() bool { return e.field("serviceaccount/checkout", annotation) == arn })

	if found := e.MustKubectl("", "get", "podid", "--all-namespaces", "--field-selector=status.role.arn="+arn, "--output=name"); strings.TrimSpace(found) != "podidentity.iam.podidentity.io/checkout" {
		e.Errorf("A field selector with the role finds %q", found)
	}
	e.MustKubectl("", "delete", "podid/checkout", "--namespace=shop", "--timeout=60s")
	roles, err := e.AWS.IAM.ListRoles(e.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/podidentity/")})
	if err != nil || len(roles.Roles) != 0 {
		e.Errorf("roles after the deletion: %v, %v", roles, err)
	}
}

func (e *env) field(object, path string) string {
	e.Helper()
	return e.MustKubectl("", "get", object, "--namespace=shop", "--output=jsonpath="+path)
}

// startOperator starts the operator as it is installed in the cluster and in AWS.
func (e *env) startOperator() {
	e.Helper()
	const clusterName = "versions"
	granted := e.Grant(e.Installation(clusterName))
	e.StartBinary(testenv.Binary{
		Path: e.binary, Role: granted.Role,
		Args: []string{
			"--cluster-name=" + clusterName, "--permissions-boundary=" + granted.Boundary,
			"--leader-election-namespace=" + installation.Namespace, "--iam-propagation-delay=0s",
		},
	})
}
