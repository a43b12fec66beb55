package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// excess is a group of requests for permissions that no namespace without a guardrail gets.
// Each request leads to administrator access.
type excess struct {
	title    string
	policies []string // of one identity each
}

// Names in the AWS account: a policy and a role that the platform team has created.
const (
	harmlessName = "team-shop-read-only" // its contents are not
	platformRole = "platform"
)

// excesses returns requests of all kinds.
func (e *environment) excesses() []excess {
	ofAWS := func(names ...string) (policies []string) {
		for _, name := range names {
			policies = append(policies, managed("arn:aws:iam::aws:policy/"+name))
		}
		return policies
	}
	var roles, services []string
	for _, name := range []string{"??*", "*-*", "*/*", "${aws:PrincipalTag/x}*", platformRole} {
		role := "arn:aws:iam::" + account + ":role/" + name
		roles = append(roles, inline(role, "iam:PassRole"), inline(role, "sts:AssumeRole"))
	}
	for _, name := range []string{"sso", "sso-directory", "identitystore", "account", "rolesanywhere", "eks", "iam", "organizations"} {
		services = append(services, inline("*", name+":*"))
	}
	whole := strings.Fields("s3:* sqs:* sns:* dynamodb:* kms:* lambda:* ec2:* rds:* ecs:* glue:* athena:*")
	return []excess{
		{"a policy of the AWS account that allows everything, or the operator's own", []string{
			managed("arn:aws:iam::" + account + ":policy/" + harmlessName), managed(e.granted.Policy),
		}},
		{"AWS managed policies for administrators", ofAWS(
			"AdministratorAccess", "AdministratorAccess-Amplify", "AWSOrganizationsFullAccess", "AWSSSOMasterAccountAdministrator",
			"AWSSSODirectoryAdministrator", "AmazonElasticMapReduceFullAccess",
		)},
		{"the permissions of other roles, by pattern, by policy variable and by name", roles},
		{"services that control access, and more than ten whole services", append(services, inline("*", "sts:AssumeRoot"), inline("*", whole...))},
	}
}

func managed(arn string) string { return fmt.Sprintf(`{managed: [%q]}`, arn) }

func inline(resource string, actions ...string) string {
	return fmt.Sprintf(`{inline: [{name: p, statements: [{effect: Allow, actions: ["%s"], resources: [%q]}]}]}`, strings.Join(actions, `", "`), resource)
}

const excessManifest = `apiVersion: iam.podidentity.io/v1alpha1
kind: PodIdentity
metadata: {name: %s, namespace: shop}
spec: {policies: %s}
---
`

// rejectExcess applies identities that the baseline rejects, and checks that the operator
// creates nothing for them.
func rejectExcess(ctx context.Context, e *environment) error {
	e.out.heading("Another team requests administrator access; no guardrail selects the namespace")
	if err := e.createForExcess(ctx); err != nil {
		return err
	}
	for kind, excess := range e.excesses() {
		var manifest strings.Builder
		name := func(n int) string { return fmt.Sprintf("excess-%d-%d", kind, n) }
		for n, policies := range excess.policies {
			fmt.Fprintf(&manifest, excessManifest, name(n), policies)
		}
		if err := e.apply(ctx, manifest.String()); err != nil {
			return err
		}
		var message string
		for n := range excess.policies {
			var err error
			if message, err = e.awaitRejected(ctx, name(n)); err != nil {
				return err
			}
		}
		e.out.done("%s: %d of %d rejected", excess.title, len(excess.policies), len(excess.policies))
		e.out.sentence("  ", message)
	}
	cost, err := e.costs(ctx)
	if err == nil && len(writes(cost)) > 0 {
		err = fmt.Errorf("the rejected identities cost writes: %s", listed(writes(cost)))
	}
	return err
}

// createForExcess creates what the requests name: a policy and a role that trusts the whole
// AWS account.
func (e *environment) createForExcess(ctx context.Context) error {
	e.ownCalls["CreatePolicy"]++
	_, err := e.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(harmlessName), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)})
	if err != nil {
		return err
	}
	e.ownCalls["CreateRole"]++
	_, err = e.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(platformRole), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}}`)})
	return err
}

// awaitRejected waits until the operator has decided about an identity, and returns the
// message. It is an error if anything but the baseline rejects it, or nothing does.
func (e *environment) awaitRejected(ctx context.Context, name string) (message string, err error) {
	err = e.await(ctx, "PodIdentity "+name+" to be rejected", func(ctx context.Context) (bool, error) {
		pi := &v1alpha1.PodIdentity{}
		if err := e.user.Get(ctx, client.ObjectKey{Namespace: checkout.Namespace, Name: name}, pi); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(pi.Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case ready == nil || ready.Status == metav1.ConditionUnknown:
			return false, nil
		case ready.Status == metav1.ConditionTrue || ready.Reason != v1alpha1.ReasonGuardrailViolated || !strings.Contains(ready.Message, "rejected by the built-in baseline"):
			return false, fmt.Errorf("PodIdentity %s is not rejected by the baseline: %s", name, ready.Message)
		}
		message = ready.Reason + ": " + ready.Message
		return true, nil
	})
	return message, err
}
