package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/test/controlplane"
	"github.com/podidentity/podidentity-operator/test/installation"
)

// callAsPod calls GetCallerIdentity as any workload with the AWS SDK does: with the default
// configuration.
func callAsPod(ctx context.Context, out io.Writer) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		if rejected, ok := errors.AsType[smithy.APIError](err); ok {
			return fmt.Errorf("%s: %s", rejected.ErrorCode(), rejected.ErrorMessage())
		}
		return err
	}
	_, err = fmt.Fprintln(out, aws.ToString(identity.Arn))
	return err
}

// assumeRole uses the identity as a pod of the ServiceAccount.
func assumeRole(ctx context.Context, e *environment) error {
	e.out.heading("A pod of ServiceAccount %s uses it", checkout.Name)
	arn, err := e.pod(ctx, checkout.Name)
	if err != nil {
		return err
	}
	e.out.done("its token in a file, AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE set,\n    and the AWS SDK does the rest; aws sts get-caller-identity prints")
	e.out.output(arn)
	if !strings.Contains(arn, ":assumed-role/"+e.role+"/") {
		return fmt.Errorf("the pod is %s, not a session of role %s", arn, e.role)
	}
	_, err = e.costs(ctx)
	return err
}

// denyOtherPod shows that no other ServiceAccount can use the identity.
func denyOtherPod(ctx context.Context, e *environment) error {
	e.out.heading("A pod of another ServiceAccount tries the same")
	arn, err := e.pod(ctx, "default")
	if err == nil {
		return fmt.Errorf("ServiceAccount default could assume the role, as %s", arn)
	}
	if !strings.Contains(err.Error(), "AccessDenied") {
		return fmt.Errorf("ServiceAccount default must be denied, but got another error: %w", err)
	}
	e.out.done("AWS denies it:")
	e.out.output(err.Error())
	e.out.sentence("", fmt.Sprintf("The role trusts system:serviceaccount:%s:%s and no other subject; this token's is system:serviceaccount:%s:default.",
		checkout.Namespace, checkout.Name, checkout.Namespace))
	_, err = e.costs(ctx)
	return err
}

// pod runs a process with the token of a ServiceAccount and with the environment
// that AWS's webhook gives to pods, and returns the ARN that AWS reports for it.
func (e *environment) pod(ctx context.Context, serviceAccount string) (string, error) {
	var annotated corev1.ServiceAccount
	if err := e.user.Get(ctx, checkout, &annotated); err != nil {
		return "", err
	}
	token := filepath.Join(e.private, serviceAccount+".token")
	if err := installation.WriteToken(ctx, e.user, client.ObjectKey{Namespace: checkout.Namespace, Name: serviceAccount}, token); err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, asPod)
	cmd.Env = controlplane.Environ(installation.Credentials(annotated.Annotations[plan.AnnotationRoleARN], token, region, e.endpoint))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", errors.New(strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
