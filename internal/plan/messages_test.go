package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
)

// Users read these messages.
func TestDesired_MessagesNameTheField(t *testing.T) {
	document := func(text string) func(*v1alpha1.PodIdentitySpec) {
		return func(s *v1alpha1.PodIdentitySpec) {
			s.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: text}}
		}
	}
	tags := func(keys ...string) func(*v1alpha1.PodIdentitySpec) {
		return func(s *v1alpha1.PodIdentitySpec) {
			s.Role.Tags = map[string]v1alpha1.TagValue{}
			for _, key := range keys {
				s.Role.Tags[key] = "x"
			}
		}
	}
	const reserved = ": prefixes aws: and iam.podidentity.io/ are reserved; use a different key"
	cases := map[string]struct {
		reason    string
		partition string
		spec      func(*v1alpha1.PodIdentitySpec)
		want      string
	}{
		"BadJSON":       {"The message has the position at which the JSON ends.", "aws", document(`{"Version":`), "spec.policies.inline[p].document: policy document: is not JSON: unexpected end of JSON input (line 1, column 11)"},
		"TrailingComma": {"The line and the column are those of the document.", "aws", document("{\n  \"Version\": \"2012-10-17\",\n}"), "spec.policies.inline[p].document: policy document: is not JSON: invalid character '}' looking for beginning of object key string (line 3, column 1)"},
		"ForeignPartition": {
			"A resource of another partition matches nothing.", "aws-us-gov",
			document(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b"}]}`),
			`spec.policies.inline[p].document: policy document: Statement[0].Resource[0]: must be in partition aws-us-gov, as the cluster's AWS account, not "arn:aws:s3:::b"`,
		},
		"TypedStatements": {
			"The path is that of the field, and all faults are listed.", "aws",
			func(s *v1alpha1.PodIdentitySpec) {
				s.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Statements: []v1alpha1.Statement{
					{Effect: "Allow", Actions: []v1alpha1.Action{"s3:*"}, Resources: []v1alpha1.Resource{"*"}},
					{
						Effect: "Allow", Actions: []v1alpha1.Action{"s3:*"}, Resources: []v1alpha1.Resource{"*", "arn:aws:sqs:eu-west-1:<ACCOUNT_ID>:q"},
						Conditions: []v1alpha1.Condition{{Operator: "Bool", Key: "aws:a", Values: []v1alpha1.ConditionValue{"true", "yes"}}},
					},
				}}}
			},
			`spec.policies.inline[p].statements[1].conditions[0].values[1]: must be true or false, not "yes"; ` +
				`statements[1].resources[1]: must have an account ID of 12 digits, or *, or nothing, after the fourth colon, not "arn:aws:sqs:eu-west-1:<ACCOUNT_ID>:q"`,
		},
		"ReservedTag": {"Tags of the operator cannot be set.", "aws", tags(TagUID), "spec.role.tags[iam.podidentity.io/uid]" + reserved},
		"AWSTag":      {"Tags of AWS cannot be set, in any case.", "aws", tags("AWS:x"), "spec.role.tags[AWS:x]" + reserved},
		"TagCase":     {"IAM compares tag keys without regard to case.", "aws", tags("team", "Team"), "spec.role.tags[team]: duplicate of Team (IAM tag keys are case-insensitive); remove one of them"},
		"Partition": {
			"An ARN contains its partition and its account.", "aws-us-gov",
			func(s *v1alpha1.PodIdentitySpec) {
				s.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws-us-gov:iam::aws:policy/A", "arn:aws:iam::aws:policy/A"}
			},
			"spec.policies.managed[1]: arn:aws:iam::aws:policy/A is in partition aws, but the cluster's AWS account is in partition aws-us-gov",
		},
		"OtherAccount": {
			"IAM attaches only policies of the role's own account.", "aws",
			func(s *v1alpha1.PodIdentitySpec) {
				s.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws:iam::210987654321:policy/A", "arn:aws:iam::123456789012:policy/A"}
			},
			"spec.policies.managed[0]: arn:aws:iam::210987654321:policy/A belongs to account 210987654321, but IAM attaches only policies of the role's own account 123456789012 or of AWS; create the policy in account 123456789012",
		},
		"ServiceLinked": {
			"IAM attaches this policy only to service-linked roles.", "aws",
			func(s *v1alpha1.PodIdentitySpec) {
				s.Policies.Managed = []v1alpha1.PolicyARN{"arn:aws:iam::aws:policy/aws-service-role/A"}
			},
			"spec.policies.managed[0]: arn:aws:iam::aws:policy/aws-service-role/A is a policy for service-linked roles, and IAM attaches it to no other role; use a different policy",
		},
		"Several": {
			"All faults are reported together, in the order of the fields.", "aws-cn",
			func(s *v1alpha1.PodIdentitySpec) {
				s.Role.PermissionsBoundary = "arn:aws:iam::aws:policy/B"
				tags("aws:a", "aws:b")(s)
			},
			"spec.role.permissionsBoundary: arn:aws:iam::aws:policy/B is in partition aws, but the cluster's AWS account is in partition aws-cn; " +
				"spec.role.tags[aws:a]" + reserved + "; spec.role.tags[aws:b]" + reserved,
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			cluster := testCluster
			cluster.Partition = tc.partition
			_, err := Desired(identity(tc.spec), cluster)
			if fault.KindOf(err) != fault.Terminal || fault.ReasonOf(err, "") != v1alpha1.ReasonInvalidSpec {
				t.Fatalf("Desired(...): %v, want it terminal", err)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("message: -want, +got:\n%s", diff)
			}
		})
	}
}
