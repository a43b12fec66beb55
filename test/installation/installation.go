// Package installation installs the operator as the manifests and
// config/aws/README.md describe it: its permissions in Kubernetes, its role in
// AWS, its token. Only its Deployment is left out, because there are no nodes; a test
// that runs its binary runs it with these rights and no others.
package installation

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// The names of the operator in config/.
const (
	Namespace      = "podidentity-system"
	ServiceAccount = "podidentity-controller-manager"
)

// audience is that of the tokens that the operator's role trusts.
const audience = "sts.amazonaws.com"

// An Installation is that of one cluster in one AWS account.
type Installation struct {
	Root      string // directory of the project
	Cluster   string // value of --cluster-name
	AccountID string
	Issuer    string // URL

	// WithoutBoundary grants the policy for operators without --permissions-boundary.
	WithoutBoundary bool
}

// User is as whom the operator calls the API server.
func User() controlplane.User {
	return controlplane.User{
		Name:   "system:serviceaccount:" + Namespace + ":" + ServiceAccount,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + Namespace, "system:authenticated"},
	}
}

// Build builds the operator's binary.
func Build(ctx context.Context, root, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the operator: %w\n%s", err, out)
	}
	return nil
}

// Apply applies config/default. It does not wait for the API to be served.
func (i Installation) Apply(ctx context.Context, cluster *controlplane.ControlPlane) error {
	manifests, err := run(cluster.Kubectl(ctx, "kustomize", filepath.Join(i.Root, "config", "default")), "")
	if err != nil {
		return err
	}
	_, err = run(cluster.Kubectl(ctx, "apply", "--server-side", "--filename=-"), withoutWorkloads(manifests))
	return err
}

// run runs kubectl, and returns what it prints.
func run(cmd *exec.Cmd, stdin string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// withoutWorkloads drops from manifests what needs nodes.
func withoutWorkloads(manifests string) string {
	var kept []string
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(document), &head); err == nil && head.Kind != "Deployment" && head.Kind != "PodDisruptionBudget" && head.Kind != "Service" {
			kept = append(kept, document)
		}
	}
	return strings.Join(kept, "\n---\n")
}

// TrustIssuer has IAM trust the cluster's tokens, and returns the provider's ARN.
func (i Installation) TrustIssuer(ctx context.Context, admin *iam.Client) (string, error) {
	provider, err := admin.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: &i.Issuer, ClientIDList: []string{audience}})
	if err != nil {
		return "", err
	}
	return aws.ToString(provider.OpenIDConnectProviderArn), nil
}

// Granted are the ARNs of what the operator was given.
type Granted struct{ Role, Policy, Boundary string }

// Grant makes the operator's role, with the policy that config/aws ships and
// nothing else, and the boundary that this policy forces on every role.
func (i Installation) Grant(ctx context.Context, admin *iam.Client) (Granted, error) {
	own := "podidentity-operator-" + i.Cluster // of role and policy
	boundary, err := i.createPolicy(ctx, admin, "podidentity-boundary", "boundary-policy.json")
	if err != nil {
		return Granted{}, err
	}
	file := "operator-policy.json"
	if i.WithoutBoundary {
		file = "operator-policy-without-boundary.json"
	}
	policy, err := i.createPolicy(ctx, admin, own, file)
	if err != nil {
		return Granted{}, err
	}
	trust, err := i.madeOut("operator-trust-policy.json")
	if err != nil {
		return Granted{}, err
	}
	role, err := admin.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &own, AssumeRolePolicyDocument: &trust})
	if err != nil {
		return Granted{}, err
	}
	_, err = admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &own, PolicyArn: &policy})
	return Granted{Role: aws.ToString(role.Role.Arn), Policy: policy, Boundary: boundary}, err
}

// createPolicy makes a managed policy of a file of config/aws, and returns its ARN.
func (i Installation) createPolicy(ctx context.Context, admin *iam.Client, name, file string) (string, error) {
	document, err := i.madeOut(file)
	if err != nil {
		return "", err
	}
	out, err := admin.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Policy.Arn), nil
}

// madeOut returns a file of config/aws with its placeholders replaced, as
// config/aws/README.md says.
func (i Installation) madeOut(file string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(i.Root, "config", "aws", file))
	if err != nil {
		return "", err
	}
	return strings.NewReplacer(
		"PARTITION", "aws", "ACCOUNT_ID", i.AccountID, "CLUSTER", i.Cluster, "ISSUER", strings.TrimPrefix(i.Issuer, "https://"),
	).Replace(string(raw)), nil
}

// Account is the operator's ServiceAccount.
func Account() client.ObjectKey {
	return client.ObjectKey{Namespace: Namespace, Name: ServiceAccount}
}

// WriteToken writes a token of a ServiceAccount to a file, as the kubelet does for a
// pod; admin may request it.
func WriteToken(ctx context.Context, admin client.Client, account client.ObjectKey, path string) error {
	lifetime := int64(24 * time.Hour / time.Second) // that of AWS's webhook; nothing renews it here
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: &lifetime}}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}}
	if err := admin.SubResource("token").Create(ctx, sa, request); err != nil {
		return fmt.Errorf("requesting a token of ServiceAccount %s: %w", account, err)
	}
	return os.WriteFile(path, []byte(request.Status.Token), 0o600)
}

// Credentials is what AWS's webhook sets in a pod, and where AWS is.
func Credentials(role, tokenFile, region, endpoint string) map[string]string {
	return map[string]string{
		"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": tokenFile, "AWS_REGION": region,
		"AWS_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_STS": endpoint,
	}
}
