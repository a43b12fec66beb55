package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What config/aws tells an installer to make, made out for this cluster.
const (
	clusterName    = "demo"
	boundaryPolicy = "podidentity-boundary"
	operatorName   = "podidentity-operator-" + clusterName // of role and policy
)

// grant makes the operator's role in AWS, with the policy that config/aws ships and
// nothing else, and the boundary that this policy forces on every role.
func (w *world) grant(ctx context.Context) error {
	boundary, err := w.createPolicy(ctx, boundaryPolicy, "boundary-policy.json")
	if err != nil {
		return err
	}
	w.boundary = boundary
	policy, err := w.createPolicy(ctx, operatorName, "operator-policy.json")
	if err != nil {
		return err
	}
	trust, err := w.madeOut("operator-trust-policy.json")
	if err != nil {
		return err
	}
	role, err := w.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(operatorName), AssumeRolePolicyDocument: &trust})
	if err != nil {
		return err
	}
	w.operatorRole = aws.ToString(role.Role.Arn)
	_, err = w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(operatorName), PolicyArn: &policy})
	return err
}

// createPolicy makes a managed policy of a file of config/aws, and returns its ARN.
func (w *world) createPolicy(ctx context.Context, name, file string) (string, error) {
	document, err := w.madeOut(file)
	if err != nil {
		return "", err
	}
	out, err := w.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Policy.Arn), nil
}

// madeOut returns a file of config/aws with its placeholders replaced, as
// config/aws/README.md says.
func (w *world) madeOut(file string) (string, error) {
	raw, err := os.ReadFile(filepath.Join("config", "aws", file))
	if err != nil {
		return "", fmt.Errorf("run this by `make demo` in the project's root: %w", err)
	}
	issuer := strings.TrimPrefix(w.cluster.Issuer, "https://")
	return strings.NewReplacer("PARTITION", "aws", "ACCOUNT_ID", account, "CLUSTER", clusterName, "ISSUER", issuer).Replace(string(raw)), nil
}

// operatorCredentials are what AWS's webhook gives to the operator's pod.
func (w *world) operatorCredentials(ctx context.Context) (map[string]string, error) {
	token := filepath.Join(w.private, "operator.token")
	key := client.ObjectKey{Namespace: operatorNamespace, Name: operatorAccount}
	if err := w.writeToken(ctx, key, token); err != nil {
		return nil, err
	}
	return map[string]string{
		"AWS_ROLE_ARN": w.operatorRole, "AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_REGION": region,
		"AWS_ENDPOINT_URL": w.endpoint, "AWS_ENDPOINT_URL_STS": w.endpoint,
	}, nil
}
