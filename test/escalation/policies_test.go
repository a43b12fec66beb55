package escalation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// createPolicy creates a managed policy as the platform team, and returns its ARN.
func (s *scenario) createPolicy(name, document string) string {
	s.Helper()
	out, err := s.iam.CreatePolicy(s.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	s.must(err)
	s.before = s.snapshot()
	return aws.ToString(out.Policy.Arn)
}

const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// The name of a managed policy says nothing, its contents do.
func TestManagedPolicies_AreEvaluatedByContents(t *testing.T) {
	s := open(t, options{})
	const awsPolicy = "arn:aws:iam::aws:policy/"
	for name, arn := range map[string]string{
		"harmless-name": s.createPolicy("team-shop-read-only", allowAll),
		"operator":      s.granted.Policy,
		"administrator": awsPolicy + "AdministratorAccess",
		"power-user":    awsPolicy + "PowerUserAccess",
		"iam":           awsPolicy + "IAMFullAccess",
		"system":        awsPolicy + "job-function/SystemAdministrator",
		"database":      awsPolicy + "job-function/DatabaseAdministrator",
		"amplify":       awsPolicy + "AdministratorAccess-Amplify",
		"organizations": awsPolicy + "AWSOrganizationsFullAccess",
		"sso-master":    awsPolicy + "AWSSSOMasterAccountAdministrator",
		"sso-directory": awsPolicy + "AWSSSODirectoryAdministrator",
		"map-reduce":    awsPolicy + "AmazonElasticMapReduceFullAccess",
	} {
		message := s.reject(name, fmt.Sprintf("policies: {managed: [%q]}", arn))
		s.expect(message, "rejected by the built-in baseline: spec.policies.managed[0]", arn)
	}
	s.unchanged()
}

// A policy that its owner changes later is evaluated again.
func TestManagedPolicies_AreEvaluatedAgainWhenTheyChange(t *testing.T) {
	s := open(t, options{driftInterval: time.Second})
	arn := s.createPolicy("team-shop", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`)
	s.guard("onViolation: Revoke, maxIdentities: 9")
	s.apply("web", fmt.Sprintf("policies: {managed: [%q]}", arn))
	pi := s.awaitReady(s.namespace, "web")
	_, err := s.iam.CreatePolicyVersion(s.Context(), &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: aws.String(allowAll), SetAsDefault: true})
	s.must(err)
	s.expect(s.rejection("web"), "spec.policies.managed[0]", "allows every action of AWS")
	s.revoked(pi)
	s.unchanged("policy "+arn, roleEntry(pi), s.accountEntry("web"))
}

// An identity gets no more than ten whole services, however it spreads them.
func TestBaseline_WholeServices(t *testing.T) {
	s := open(t, options{})
	services := strings.Fields("s3 sqs sns dynamodb kms lambda ec2 rds ecs glue athena")
	statement := func(actions ...string) string {
		return fmt.Sprintf(`{effect: Allow, actions: [%s], resources: ["*"]}`, strings.Join(actions, ", "))
	}
	var together, spread, wild []string
	for i, service := range services {
		together = append(together, fmt.Sprintf("%q", service+":*"))
		wild = append(wild, fmt.Sprintf("%q", service+":?*"))
		spread = append(spread, fmt.Sprintf(`{name: p%d, statements: [%s]}`, i, statement(together[i])))
	}
	for name, inline := range map[string]string{
		"together":  "{name: p, statements: [" + statement(together...) + "]}",
		"wildcards": "{name: p, statements: [" + statement(wild...) + "]}",
		"spread":    strings.Join(spread, ", "),
	} {
		s.expect(s.reject(name, "policies: {inline: ["+inline+"]}"), "rejected by the built-in baseline", "whole services")
	}
	s.unchanged()
}

// A guardrail depends on the namespace, not on the user: the account of a GitOps tool
// may do everything in the cluster.
func TestGuardrail_AppliesToAdministrators(t *testing.T) {
	s := open(t, options{})
	s.expect(s.rejectFrom(admin, "baseline", `policies: {managed: ["arn:aws:iam::aws:policy/AdministratorAccess"]}`), "rejected by the built-in baseline")
	s.guard("inlinePolicies: Forbidden")
	s.expect(s.rejectFrom(admin, "guardrail", `policies: {inline: [{name: p, statements: [{effect: Allow, actions: ["s3:*"], resources: ["*"]}]}]}`),
		"rejected by PodIdentityGuardrail")
	s.unchanged()
}
