package awslocal_test

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func linkedRole(service string, edit ...func(*iam.CreateServiceLinkedRoleInput)) func(context.Context, *endpoint) error {
	return func(ctx context.Context, e *endpoint) error {
		in := &iam.CreateServiceLinkedRoleInput{AWSServiceName: &service}
		for _, f := range edit {
			f(in)
		}
		return ignore(e.iam.CreateServiceLinkedRole(ctx, in))
	}
}

// A service's role has the name, the path and the policy that AWS gives it, and is
// deleted in its own way.
func TestServiceLinkedRoles_Lifecycle(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	made := must(e.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("eks-nodegroup.amazonaws.com")}))(t).Role
	const name = "AWSServiceRoleForAmazonEKSNodegroup"
	if *made.RoleName != name || *made.Path != "/aws-service-role/eks-nodegroup.amazonaws.com/" || made.Description != nil || made.MaxSessionDuration != nil {
		t.Errorf("made %+v", made)
	}
	trust := url.PathEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks-nodegroup.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	trust = strings.NewReplacer("=", "%3D", ":", "%3A", "&", "%26", "@", "%40", "$", "%24", "+", "%2B").Replace(trust)
	if *made.AssumeRolePolicyDocument != trust {
		t.Errorf("the trust policy is %s, want %s", *made.AssumeRolePolicyDocument, trust)
	}
	attached := must(e.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String(name)}))(t).AttachedPolicies
	if len(attached) != 1 || *attached[0].PolicyArn != "arn:aws:iam::aws:policy/aws-service-role/AWSServiceRoleForAmazonEKSNodegroup" {
		t.Errorf("attached are %+v", attached)
	}

	must(e.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: aws.String(name), Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))(t)
	must(e.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: aws.String(name), TagKeys: []string{"none"}}))(t)
	must(e.iam.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: aws.String(name), Description: aws.String("ours")}))(t)
	must(e.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String(name), Description: aws.String("still ours")}))(t)
	if got := must(e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)}))(t).Role; len(got.Tags) != 1 || *got.Description != "still ours" {
		t.Errorf("tags and description are the account's to change; now it is %+v", got)
	}

	task := must(e.iam.DeleteServiceLinkedRole(ctx, &iam.DeleteServiceLinkedRoleInput{RoleName: aws.String(name)}))(t).DeletionTaskId
	if !regexp.MustCompile(`^task/aws-service-role/eks-nodegroup\.amazonaws\.com/` + name + `/[0-9a-f-]{36}$`).MatchString(*task) {
		t.Errorf("the task is %s", *task)
	}
	status := must(e.iam.GetServiceLinkedRoleDeletionStatus(ctx, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t)
	if status.Status != iamtypes.DeletionTaskStatusTypeSucceeded || status.Reason != nil {
		t.Errorf("the status is %+v", status)
	}
	if _, err := e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)}); err == nil {
		t.Error("the role is still there")
	}
}

func TestServiceLinkedRoles_Errors(t *testing.T) {
	suffix := func(in *iam.CreateServiceLinkedRoleInput) { in.CustomSuffix = aws.String("x") }
	status := func(task string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.GetServiceLinkedRoleDeletionStatus(ctx, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: &task}))
		}
	}
	remove := func(name string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.DeleteServiceLinkedRole(ctx, &iam.DeleteServiceLinkedRoleInput{RoleName: &name}))
		}
	}
	runErrors(t, map[string]errorCase{
		"Taken": {
			call: linkedRole("eks.amazonaws.com"),
			want: failure{400, "InvalidInput", "Service role name AWSServiceRoleForAmazonEKS has been taken in this account, please try a different suffix."},
		},
		"TakenSuffix": {
			call: linkedRole("autoscaling.amazonaws.com", suffix),
			want: failure{400, "InvalidInput", "Service role name AWSServiceRoleForAutoScaling_x has been taken in this account, please try a different suffix."},
		},
		"Suffix": {
			reason: "A few services have several roles.",
			call:   linkedRole("spot.amazonaws.com", suffix),
			want:   failure{400, "InvalidInput", "Custom suffix is not allowed for spot.amazonaws.com"},
		},
		"SuffixOfOther": {
			reason: "Services that are not listed have one role.",
			call:   linkedRole("new-thing.amazonaws.com", suffix),
			want:   failure{400, "InvalidInput", "Custom suffix is not allowed for new-thing.amazonaws.com"},
		},
		"Unknown": {
			reason: "A name that is not that of a service has no template.",
			call:   linkedRole("example.com"),
			want:   failure{403, "AccessDenied", "Cannot find Service Linked Role template for example.com"},
		},
		"DeleteMissing": {
			call: remove("none"),
			want: failure{404, "NoSuchEntity", "The role with name none cannot be found."},
		},
		"DeleteOther": {
			reason: "A role of the account is not a service-linked role.",
			call:   remove("own"),
			want:   failure{404, "NoSuchEntity", "The role with name own cannot be found."},
		},
		"DeleteAsOther": {
			reason: "A service-linked role is not a role of the account.",
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("AWSServiceRoleForAmazonEKS")}))
			},
			want: failure{400, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForAmazonEKS' - this role is only modifiable by AWS"},
		},
		"Duration": {
			reason: "The account can only change the description.",
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.UpdateRole(ctx, &iam.UpdateRoleInput{
					RoleName: aws.String("AWSServiceRoleForAmazonEKS"), Description: aws.String("d"), MaxSessionDuration: aws.Int32(7200),
				}))
			},
			want: failure{400, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForAmazonEKS' - this role is only modifiable by AWS"},
		},
		"NoTask": {
			call: status("task/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS/1"),
			want: failure{404, "NoSuchEntity", "The deletion task with id task/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS/1 cannot be found."},
		},
		"BadTask": {
			call: status("1"),
			want: failure{400, "InvalidInput", "Deletion task ID 1 is not valid."},
		},
		"Policy": {
			reason: "Policies of service-linked roles can only be attached to these.",
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{
					RoleName: aws.String("own"), PolicyArn: aws.String("arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy"),
				}))
			},
			want: failure{400, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role."},
		},
		"Boundary": {
			reason: "Nor can they be the boundary of other roles.",
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
					RoleName: aws.String("own"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy"),
				}))
			},
			want: failure{400, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role."},
		},
	}, func(t *testing.T, e *endpoint) {
		t.Helper()
		e.createRole(t, "own")
		for _, err := range []error{linkedRole("eks.amazonaws.com")(t.Context(), e), linkedRole("autoscaling.amazonaws.com", suffix)(t.Context(), e)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}, awslocal.Options{})
}

// Names and suffixes follow no rule: each service has its own.
func TestServiceLinkedRoles_NamesOfServices(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	for service, want := range map[string][2]string{
		"ssm":                         {"AWSServiceRoleForAmazonSSM", "AmazonSSMServiceRolePolicy"},
		"accountdiscovery.ssm":        {"AWSServiceRoleForAmazonSSM_AccountDiscovery", "AWSSystemsManagerAccountDiscoveryServicePolicy"},
		"ec2.application-autoscaling": {"AWSServiceRoleForApplicationAutoScaling_EC2SpotFleetRequest", "AWSApplicationAutoscalingEC2SpotFleetRequestPolicy"},
		"spot":                        {"AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy"},
	} {
		made := must(e.iam.CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String(service + ".amazonaws.com")}))(t).Role
		attached := must(e.iam.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: made.RoleName}))(t).AttachedPolicies
		if *made.RoleName != want[0] || len(attached) != 1 || *attached[0].PolicyName != want[1] {
			t.Errorf("%s has %s with %+v, want %v", service, *made.RoleName, attached, want)
		}
	}
	for _, service := range []string{"autoscaling", "connect", "lexv2"} {
		made := must(e.iam.CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{
			AWSServiceName: aws.String(service + ".amazonaws.com"), CustomSuffix: aws.String("x"),
		}))(t).Role
		if !strings.HasSuffix(*made.RoleName, "_x") {
			t.Errorf("%s has the role %s, want a suffix", service, *made.RoleName)
		}
	}
}
