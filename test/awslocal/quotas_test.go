package awslocal_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func encoded(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

// sized is an identity policy of that many characters without white space.
func sized(n int) *string {
	const frame = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::%s"}}`
	bare := len(strings.ReplaceAll(frame, " ", "")) - len("%s")
	return aws.String(fmt.Sprintf(frame, strings.Repeat("b", n-bare)))
}

// sizedTrust is a trust policy of that many characters without white space.
func sizedTrust(n int) *string {
	const frame = `{"Version": "2012-10-17", "Id": "%s", "Statement": {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}}`
	bare := len(strings.ReplaceAll(frame, " ", "")) - len("%s")
	return aws.String(fmt.Sprintf(frame, strings.Repeat("i", n-bare)))
}

type call = func(context.Context, *endpoint) error

// repeat makes n calls, of which the last alone may fail.
func repeat(n int, f func(i int) call) call {
	return func(ctx context.Context, e *endpoint) error {
		for i := range n - 1 {
			if err := f(i)(ctx, e); err != nil {
				return fmt.Errorf("too early, at %d: %w", i, err)
			}
		}
		return f(n-1)(ctx, e)
	}
}

func TestQuotas_AreEnforced(t *testing.T) {
	role := func(name string, trust *string) call {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust}))
		}
	}
	policy := func(name string, document *string) call {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: document}))
		}
	}
	inline := func(name string, document *string) call {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: &name, PolicyDocument: document}))
		}
	}
	limit := func(message string) failure { return failure{409, "LimitExceeded", message} }

	runErrors(t, map[string]errorCase{
		"Roles": {
			call: repeat(4, func(i int) call { return role(fmt.Sprint("new", i), aws.String(ec2Trust)) }), // and r makes 4
			want: limit("Cannot exceed quota for RolesPerAccount: 4"),
		},
		"Policies": {
			call: repeat(13, func(i int) call { return policy(fmt.Sprint("new", i), aws.String(readS3)) }),
			want: limit("Cannot exceed quota for PoliciesPerAccount: 12"),
		},
		"AttachedPolicies": {
			call: repeat(11, func(i int) call {
				return func(ctx context.Context, e *endpoint) error {
					name := fmt.Sprint("a", i)
					if err := policy(name, aws.String(readS3))(ctx, e); err != nil {
						return err
					}
					return ignore(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: aws.String(policyARN(name))}))
				}
			}),
			want: limit("Cannot exceed quota for PoliciesPerRole: 10"),
		},
		"TrustSize": {
			reason: "White space does not count.",
			call:   repeat(2, func(i int) call { return role(fmt.Sprint("new", i), sizedTrust(2048+i)) }),
			want:   limit("Cannot exceed quota for ACLSizePerRole: 2048"),
		},
		"TrustSizeUpdate": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("r"), PolicyDocument: sizedTrust(2049)}))
			},
			want: limit("Cannot exceed quota for ACLSizePerRole: 2048"),
		},
		"InlineSize": {
			reason: "The inline policies of a role count together; a replaced policy does not count.",
			call: repeat(4, func(i int) call {
				return inline([]string{"a", "b", "b", "c"}[i], sized([]int{5000, 5000, 5240, 100}[i]))
			}),
			want: limit("Maximum policy size of 10240 bytes exceeded for role r"),
		},
		"ManagedSize": {
			call: repeat(2, func(i int) call { return policy(fmt.Sprint("new", i), sized(6144+i)) }),
			want: limit("Cannot exceed quota for PolicySize: 6144"),
		},
		"Versions": {
			call: repeat(6, func(i int) call {
				if i == 0 {
					return policy("p", aws.String(readS3))
				}
				return func(ctx context.Context, e *endpoint) error {
					return ignore(e.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: aws.String(policyARN("p")), PolicyDocument: aws.String(readS3)}))
				}
			}),
			want: limit("A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."),
		},
		"Tags": {
			reason: "A replaced tag does not count.",
			call: repeat(52, func(i int) call {
				return func(ctx context.Context, e *endpoint) error {
					return ignore(e.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: aws.String("r"), Tags: []iamtypes.Tag{{Key: aws.String(fmt.Sprint("k", max(i, 1))), Value: aws.String("")}}}))
				}
			}),
			want: limit("The number of tags has reached the maximum limit."),
		},
		"Providers": {
			call: repeat(101, func(i int) call {
				return func(ctx context.Context, e *endpoint) error {
					return ignore(e.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String(fmt.Sprintf("https://i%d.example", i))}))
				}
			}),
			want: limit("Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100"),
		},
		"InstanceProfiles": {
			call: repeat(3, func(i int) call {
				return func(ctx context.Context, e *endpoint) error {
					return ignore(e.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String(fmt.Sprint("i", i))}))
				}
			}),
			want: limit("Cannot exceed quota for InstanceProfilesPerAccount: 2"),
		},
	}, func(t *testing.T, e *endpoint) { t.Helper(); e.createRole(t, "r") }, awslocal.Options{
		Quotas: map[string]int{"RolesQuota": 4, "PoliciesQuota": 12, "InstanceProfilesQuota": 2},
	})
}
