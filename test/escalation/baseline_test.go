package escalation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// reserved are actions that lead to permissions that the namespace was not given. The list
// is written from AWS's documentation, not from the baseline.
var reserved = strings.Fields(`
	iam:CreateUser iam:CreateAccessKey iam:CreateLoginProfile iam:AttachRolePolicy iam:PutRolePolicy iam:AttachUserPolicy
	iam:UpdateAssumeRolePolicy iam:CreatePolicyVersion iam:SetDefaultPolicyVersion iam:DeleteRolePermissionsBoundary
	iam:CreateOpenIDConnectProvider iam:AddUserToGroup iam:PassRole sts:AssumeRole sts:AssumeRoot
	sso:CreateAccountAssignment sso:PutInlinePolicyToPermissionSet sso-directory:AddMemberToGroup
	identitystore:CreateGroupMembership organizations:AttachPolicy organizations:CreateAccount
	account:StartPrimaryEmailUpdate rolesanywhere:CreateTrustAnchor ram:CreateResourceShare controltower:EnableControl
	eks:CreateAccessEntry eks:AssociateAccessPolicy eks:CreatePodIdentityAssociation
`)

// encodingsPerAction is the number of policies that are tried for each action.
const encodingsPerAction = 6

// No encoding of a reserved action passes, wherever the tenant puts it.
func TestBaseline_Encodings(t *testing.T) {
	s := open(t, options{})
	const seed = 11
	e := encoder{rand.New(rand.NewPCG(seed, seed))}
	tried := map[string]string{}
	for _, action := range reserved {
		for n := range encodingsPerAction {
			p := e.policy(action)
			document := e.document(p)
			s.checkAttack(action, p, document)
			pi := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{
				Namespace: s.namespace, Name: strings.ReplaceAll(strings.ToLower(action), ":", "-") + fmt.Sprintf("-%d", n),
			}}
			switch n % 3 {
			case 0:
				pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: document}}
			case 1:
				pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{inline(p)}
			case 2:
				out, err := s.iam.CreatePolicy(s.Context(), &iam.CreatePolicyInput{PolicyName: aws.String(pi.Name), PolicyDocument: &document})
				if err != nil && strings.Contains(err.Error(), "MalformedPolicyDocument") {
					continue // IAM accepts no wildcard in the name of a service, and no variable for a partition
				}
				s.must(err)
				pi.Spec.Policies.Managed = []v1alpha1.PolicyARN{v1alpha1.PolicyARN(*out.Policy.Arn)}
			}
			err := s.tenant.Create(s.Context(), pi)
			if apierrors.IsInvalid(err) && strings.Contains(err.Error(), "statements") {
				continue // the CustomResourceDefinition rejects wildcards in the name of a service
			}
			s.must(err)
			tried[pi.Name] = document
		}
	}
	if len(tried) < len(reserved)*encodingsPerAction*2/3 {
		s.Fatalf("the API server accepts only %d of the identities", len(tried))
	}
	created := s.snapshot() // with the managed policies
	for name, document := range tried {
		if message := s.rejection(name); !strings.Contains(message, "rejected by the built-in baseline") {
			s.Errorf("seed %d, %s: the tenant reads %q\n%s", seed, name, message, document)
		}
	}
	s.before = created
	s.unchanged()
	for entry := range created {
		if strings.HasPrefix(entry, "role test_"+s.namespace+"_") {
			s.Errorf("%s exists", entry)
		}
	}
}

// checkAttack fails the test if a policy, or its document, does not allow the action in
// AWS: then to reject it proves nothing.
func (s *scenario) checkAttack(action string, p policy.Policy, document string) {
	s.Helper()
	decoded, err := policy.Decode([]byte(document))
	s.must(err)
	request := policy.Request{Action: action, Resource: theRole, Context: requestContext}
	for what, p := range map[string]policy.Policy{"policy": p, "document": decoded} {
		if got := policy.Evaluate(request, p); got != policy.Allowed {
			s.Fatalf("the %s does not allow %s: %s\n%s", what, action, got, document)
		}
	}
}
