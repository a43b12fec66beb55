package controllers_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/podidentity-operator/internal/awslocal"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// cut has AWS go away right after the first call of an action has had its effect
// and before its answer arrives.
func (s *story) cut(action string, reads string) {
	s.account.SetFaults(awslocal.Faults{Rules: []awslocal.Rule{
		{Action: action, Error: awslocal.ConnectionReset, After: true},
		{Action: reads, Error: awslocal.ConnectionReset},
	}})
}

// An operator that is stopped in mid-create, after any call, goes on where it
// was: one role, with all its policies.
func TestRestartInMidCreate(t *testing.T) {
	for _, action := range []string{"CreateRole", "AttachRolePolicy", "PutRolePolicy"} {
		t.Run(action, func(t *testing.T) {
			s := begin(t)
			s.cut(action, "GetRole")
			s.apply(checkout)
			s.eventually(action, func() bool { return s.account.Calls()[action] > 0 })
			s.stop()
			s.heal()
			s.start()

			pi := s.awaitReady("checkout")
			role := s.role(pi.Status.Role.Name)
			if len(role.Managed) != 1 || len(role.Inline) != 2 {
				t.Errorf("The role is not whole: %+v", role)
			}
		})
	}
}

// An operator that is stopped in mid-delete, after any call, leaves no role.
func TestRestartInMidDelete(t *testing.T) {
	for _, action := range []string{"UpdateAssumeRolePolicy", "DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"} {
		t.Run(action, func(t *testing.T) {
			s := begin(t)
			s.apply(checkout)
			name := s.awaitReady("checkout").Status.Role.Name
			s.cut(action, "none")
			s.delete("checkout")
			s.eventually(action, func() bool { return s.account.Calls()[action] > 0 })
			s.stop()
			s.heal()
			s.start()

			s.awaitGone("checkout")
			if s.roleExists(name) {
				t.Error("The role is left.")
			}
		})
	}
}

// A provider that is gone does not keep an identity from being deleted.
func TestDeleteWithoutProvider(t *testing.T) {
	s := begin(t)
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	arn := plan.Cluster{Partition: "aws", AccountID: "123456789012", Issuer: cluster.Issuer}.ProviderARN()
	_, err := s.iam.DeleteOpenIDConnectProvider(s.ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(arn)})
	s.must(err)
	s.stop()
	s.start()

	s.delete("checkout")
	s.awaitGone("checkout")
	if s.roleExists(name) {
		t.Error("The role is left.")
	}
}
