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

// callAsPod does what any workload does that uses the AWS SDK: it knows nothing of
// identities, and asks AWS who it is.
func callAsPod(ctx context.Context, out io.Writer) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		if refused, ok := errors.AsType[smithy.APIError](err); ok {
			return fmt.Errorf("%s: %s", refused.ErrorCode(), refused.ErrorMessage())
		}
		return err
	}
	_, err = fmt.Fprintln(out, aws.ToString(identity.Arn))
	return err
}

// prove uses the identity as a pod of the ServiceAccount would.
func prove(ctx context.Context, w *world) error {
	w.out.chapter("A pod of ServiceAccount %s uses it", checkout.Name)
	arn, err := w.pod(ctx, checkout.Name)
	if err != nil {
		return err
	}
	w.out.done("its token in a file, AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE set,\n    and the AWS SDK does the rest; aws sts get-caller-identity says")
	w.out.show(arn)
	if !strings.Contains(arn, ":assumed-role/"+w.role+"/") {
		return fmt.Errorf("the pod is %s, not a session of role %s", arn, w.role)
	}
	_, err = w.costs(ctx)
	return err
}

// refuse shows that no other ServiceAccount can use the identity.
func refuse(ctx context.Context, w *world) error {
	w.out.chapter("A pod of another ServiceAccount tries the same")
	arn, err := w.pod(ctx, "default")
	if err == nil {
		return fmt.Errorf("ServiceAccount default could assume the role, as %s", arn)
	}
	if !strings.Contains(err.Error(), "AccessDenied") {
		return fmt.Errorf("ServiceAccount default was to be denied, and got another error: %w", err)
	}
	w.out.done("AWS denies it:")
	w.out.show(err.Error())
	w.out.say("", fmt.Sprintf("The role trusts system:serviceaccount:%s:%s and no other subject; this token's is system:serviceaccount:%s:default.",
		checkout.Namespace, checkout.Name, checkout.Namespace))
	_, err = w.costs(ctx)
	return err
}

// pod runs a process with the token of a ServiceAccount and with the environment
// that AWS's webhook gives to pods, and returns who AWS says that it is.
func (w *world) pod(ctx context.Context, serviceAccount string) (string, error) {
	var annotated corev1.ServiceAccount
	if err := w.user.Get(ctx, checkout, &annotated); err != nil {
		return "", err
	}
	token := filepath.Join(w.private, serviceAccount+".token")
	if err := installation.WriteToken(ctx, w.user, client.ObjectKey{Namespace: checkout.Namespace, Name: serviceAccount}, token); err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, asPod)
	cmd.Env = controlplane.Environ(installation.Credentials(annotated.Annotations[plan.AnnotationRoleARN], token, region, w.endpoint))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", errors.New(strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
