package awslocal_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// ignoreUnexported leaves out what only the SDK itself sees of its types.
var ignoreUnexported = cmp.FilterPath(func(p cmp.Path) bool {
	field, ok := p.Last().(cmp.StructField)
	return ok && field.Name() == "noSmithyDocumentSerde"
}, cmp.Ignore())

const encodedTrust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B" +
	"%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D"

// The members of a role in an answer depend on the action.
func TestRoles_MembersDependOnTheAction(t *testing.T) {
	clock := newClock()
	e := newEndpoint(t, awslocal.Options{Clock: clock.now})
	boundary := e.createPolicy(t, "limit")
	created := e.createRole(t, "App", func(in *iam.CreateRoleInput) {
		in.Path = aws.String("/team/")
		in.Description = aws.String("what it is for")
		in.MaxSessionDuration = aws.Int32(7200)
		in.PermissionsBoundary = &boundary
		in.Tags = []iamtypes.Tag{{Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String("a"), Value: aws.String("")}}
	}).Role
	if !regexp.MustCompile(`^AROA[A-Z2-7]{17}$`).MatchString(*created.RoleId) {
		t.Errorf("RoleId = %s", *created.RoleId)
	}

	role := func(edit func(*iamtypes.Role)) *iamtypes.Role {
		r := &iamtypes.Role{
			Arn:                      aws.String("arn:aws:iam::123456789012:role/team/App"),
			AssumeRolePolicyDocument: aws.String(encodedTrust),
			CreateDate:               aws.Time(clock.at),
			Path:                     aws.String("/team/"),
			RoleId:                   created.RoleId,
			RoleName:                 aws.String("App"),
		}
		edit(r)
		return r
	}
	withAll := func(r *iamtypes.Role) {
		r.PermissionsBoundary = &iamtypes.AttachedPermissionsBoundary{PermissionsBoundaryArn: &boundary, PermissionsBoundaryType: "Policy"}
		r.Tags = []iamtypes.Tag{{Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String("a"), Value: aws.String("")}}
	}
	inList := func(r *iamtypes.Role) {
		r.Description, r.MaxSessionDuration = aws.String("what it is for"), aws.Int32(7200)
	}

	got := must(e.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("aPP")}))(t).Role
	listed := must(e.iam.ListRoles(t.Context(), &iam.ListRolesInput{}))(t).Roles
	described := must(e.iam.UpdateRoleDescription(t.Context(), &iam.UpdateRoleDescriptionInput{
		RoleName: aws.String("App"), Description: aws.String("new"),
	}))(t).Role

	for name, tc := range map[string]struct {
		reason    string
		got, want *iamtypes.Role
	}{
		"CreateRole": {
			reason: "CreateRole returns neither description nor session duration.",
			got:    created, want: role(withAll),
		},
		"GetRole": {
			reason: "GetRole returns everything, whatever the case of the name.",
			got:    got, want: role(func(r *iamtypes.Role) { withAll(r); inList(r); r.RoleLastUsed = &iamtypes.RoleLastUsed{} }),
		},
		"ListRoles": {
			reason: "ListRoles returns neither boundary nor tags nor last use.",
			got:    &listed[0], want: role(inList),
		},
		"UpdateRoleDescription": {
			reason: "UpdateRoleDescription returns the description, not the session duration.",
			got:    described, want: role(func(r *iamtypes.Role) { r.Description = aws.String("new") }),
		},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got, ignoreUnexported); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestRoles_Updates(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	e.createRole(t, "r")
	boundary := e.createPolicy(t, "limit")
	name := aws.String("r")
	tag := func(k, v string) iamtypes.Tag { return iamtypes.Tag{Key: &k, Value: &v} }

	must(e.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("d"), MaxSessionDuration: aws.Int32(43200)}))(t)
	must(e.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name}))(t) // changes nothing
	must(e.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(anyTrust)}))(t)
	must(e.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: &boundary}))(t)
	must(e.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: []iamtypes.Tag{tag("Team", "a"), tag("x", "1"), tag("y", "2")}}))(t)
	must(e.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: []iamtypes.Tag{tag("team", "b")}}))(t) // keys have no case
	must(e.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"X", "nothing"}}))(t)

	got := must(e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role
	want := &iamtypes.Role{
		Arn: aws.String(roleARN("r")), AssumeRolePolicyDocument: got.AssumeRolePolicyDocument, CreateDate: got.CreateDate,
		Description: aws.String("d"), MaxSessionDuration: aws.Int32(43200), Path: aws.String("/"), RoleId: got.RoleId, RoleName: name,
		PermissionsBoundary: &iamtypes.AttachedPermissionsBoundary{PermissionsBoundaryArn: &boundary, PermissionsBoundaryType: "Policy"},
		RoleLastUsed:        &iamtypes.RoleLastUsed{},
		Tags:                []iamtypes.Tag{tag("team", "b"), tag("y", "2")},
	}
	if diff := cmp.Diff(want, got, ignoreUnexported); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if !strings.Contains(*got.AssumeRolePolicyDocument, "TagSession") {
		t.Errorf("the trust policy is still %s", *got.AssumeRolePolicyDocument)
	}

	must(e.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name}))(t)
	if got := must(e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role; got.PermissionsBoundary != nil {
		t.Errorf("the boundary is still %v", got.PermissionsBoundary)
	}
	must(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))(t)
	if left := must(e.iam.ListRoles(ctx, &iam.ListRolesInput{}))(t).Roles; len(left) != 0 {
		t.Errorf("after DeleteRole there is %v", left)
	}
}

func TestListRoles_Pages(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	for i := range 7 {
		e.createRole(t, fmt.Sprintf("role-%d", i), func(in *iam.CreateRoleInput) {
			if i%2 == 0 {
				in.Path = aws.String("/even/")
			}
		})
	}
	for name, tc := range map[string]struct {
		reason string
		in     *iam.ListRolesInput
		faults awslocal.Faults
		want   [][]string
	}{
		"All": {
			reason: "A page has a hundred items by default.",
			in:     &iam.ListRolesInput{},
			want:   [][]string{{"role-0", "role-1", "role-2", "role-3", "role-4", "role-5", "role-6"}},
		},
		"MaxItems": {
			reason: "A page has at most MaxItems items.",
			in:     &iam.ListRolesInput{MaxItems: aws.Int32(3)},
			want:   [][]string{{"role-0", "role-1", "role-2"}, {"role-3", "role-4", "role-5"}, {"role-6"}},
		},
		"PathPrefix": {
			reason: "The prefix filters before the pages are made.",
			in:     &iam.ListRolesInput{PathPrefix: aws.String("/ev"), MaxItems: aws.Int32(3)},
			want:   [][]string{{"role-0", "role-2", "role-4"}, {"role-6"}},
		},
		"ShortPages": {
			reason: "AWS may return fewer items than requested.",
			in:     &iam.ListRolesInput{MaxItems: aws.Int32(1000)},
			faults: awslocal.Faults{PageSize: 5},
			want:   [][]string{{"role-0", "role-1", "role-2", "role-3", "role-4"}, {"role-5", "role-6"}},
		},
	} {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			e.SetFaults(tc.faults)
			var got [][]string
			for pages := iam.NewListRolesPaginator(e.iam, tc.in); pages.HasMorePages(); {
				var names []string
				for _, r := range must(pages.NextPage(t.Context()))(t).Roles {
					names = append(names, *r.RoleName)
				}
				got = append(got, names)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// Roles that come and go between two pages move no others.
func TestListRoles_PagesAreStableWhileRolesChange(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	for _, name := range []string{"b", "d", "f"} {
		e.createRole(t, name)
	}
	first := must(e.iam.ListRoles(t.Context(), &iam.ListRolesInput{MaxItems: aws.Int32(2)}))(t)
	e.createRole(t, "a")
	must(e.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("d")}))(t)
	second := must(e.iam.ListRoles(t.Context(), &iam.ListRolesInput{Marker: first.Marker}))(t)
	if len(second.Roles) != 1 || *second.Roles[0].RoleName != "f" {
		t.Errorf("the second page is %v, want f alone", second.Roles)
	}
}

func TestRoles_Errors(t *testing.T) {
	none := failure{404, "NoSuchEntity", "The role with name absent cannot be found."}
	absent := aws.String("absent")
	tags := func(keys ...string) (out []iamtypes.Tag) {
		for _, k := range keys {
			out = append(out, iamtypes.Tag{Key: &k, Value: aws.String("v")})
		}
		return out
	}
	create := func(edit func(*iam.CreateRoleInput)) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			in := &iam.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: aws.String(ec2Trust)}
			edit(in)
			return ignore(e.iam.CreateRole(ctx, in))
		}
	}
	runErrors(t, map[string]errorCase{
		"GetRole": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: absent}))
			},
			want: none,
		},
		"UpdateRole": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: absent}))
			},
			want: none,
		},
		"DeleteRole": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: absent}))
			},
			want: none,
		},
		"TagRole": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: absent, Tags: tags("k")}))
			},
			want: none,
		},
		"Exists": {
			reason: "Names must differ in more than case and path.",
			call:   create(func(in *iam.CreateRoleInput) { in.RoleName, in.Path = aws.String("TAKEN"), aws.String("/elsewhere/") }),
			want:   failure{409, "EntityAlreadyExists", "Role with name TAKEN already exists."},
		},
		"TooManyTags": {
			call: create(func(in *iam.CreateRoleInput) {
				for i := range 51 {
					in.Tags = append(in.Tags, tags(fmt.Sprint(i))...)
				}
			}),
			want: failure{400, "ValidationError", "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		},
		"DuplicateTags": {
			call: create(func(in *iam.CreateRoleInput) { in.Tags = tags("Key", "kEY") }),
			want: failure{400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		},
		"SystemTag": {
			call: create(func(in *iam.CreateRoleInput) { in.Tags = tags("AWS:x") }),
			want: failure{400, "InvalidInput", "System tags cannot be added/updated by requester"},
		},
		"LongTag": {
			call: create(func(in *iam.CreateRoleInput) { in.Tags = tags("ok", strings.Repeat("k", 129)) }),
			want: failure{400, "ValidationError", "1 validation error detected: Value at 'tags.2.member.key' failed to satisfy constraint: Member must have length less than or equal to 128"},
		},
		"TagCharacter": {
			call: create(func(in *iam.CreateRoleInput) { in.Tags = tags("no!") }),
			want: failure{400, "ValidationError", `1 validation error detected: Value at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`},
		},
		"TagKeyToRemove": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: aws.String("taken"), TagKeys: []string{"ok", "no!"}}))
			},
			want: failure{400, "ValidationError", `1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+, Member must not be null]`},
		},
		"LongName": {
			call: create(func(in *iam.CreateRoleInput) { in.RoleName = aws.String(strings.Repeat("n", 65)) }),
			want: failure{400, "ValidationError", "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		},
		"NameCharacter": {
			call: create(func(in *iam.CreateRoleInput) { in.RoleName = aws.String("a/b") }),
			want: failure{400, "ValidationError", "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		},
		"Path": {
			call: create(func(in *iam.CreateRoleInput) { in.Path = aws.String("x") }),
			want: failure{400, "ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."},
		},
		"SeveralMistakes": {
			reason: "All violated constraints are named together, in AWS's order.",
			call: create(func(in *iam.CreateRoleInput) {
				in.RoleName, in.Description, in.MaxSessionDuration = aws.String(strings.Repeat("n", 65)), aws.String("☃"), aws.Int32(3599)
			}),
			want: failure{400, "ValidationError", "3 validation errors detected: " +
				"Value at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600; " +
				"Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64; " +
				`Value at 'description' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`},
		},
		"BoundaryNotAPolicy": {
			call: create(func(in *iam.CreateRoleInput) {
				in.PermissionsBoundary = aws.String("arn:aws:iam::123456789012:not_a_policy/x")
			}),
			want: failure{400, "InvalidInput", "ARN arn:aws:iam::123456789012:not_a_policy/x is not valid."},
		},
		"BoundaryMissing": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
					RoleName: aws.String("taken"), PermissionsBoundary: aws.String(policyARN("none")),
				}))
			},
			want: failure{404, "NoSuchEntity", "Scope ARN: " + policyARN("none") + " does not exist or is not attachable."},
		},
		"NoBoundaryToDelete": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("taken")}))
			},
			want: failure{404, "NoSuchEntity", "Role taken does not have a permissions boundary."},
		},
		"TrustNotJSON": {
			call: create(func(in *iam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String("trust me") }),
			want: failure{400, "MalformedPolicyDocument", "This policy contains invalid Json"},
		},
		"TrustOfUnknownRole": {
			call: create(func(in *iam.CreateRoleInput) {
				in.AssumeRolePolicyDocument = document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/absent"},"Action":"sts:AssumeRole"}`)
			}),
			want: failure{400, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/absent"`},
		},
		"Attached": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("attached")}))
			},
			want: failure{409, "DeleteConflict", "Cannot delete entity, must detach all policies first."},
		},
		"Inline": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("inline")}))
			},
			want: failure{409, "DeleteConflict", "Cannot delete entity, must delete policies first."},
		},
		"InProfile": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("profiled")}))
			},
			want: failure{409, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."},
		},
		"ServiceLinked": {
			reason: "Only AWS's services can change the roles that they created.",
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("AWSServiceRoleForElasticBeanstalk")}))
			},
			want: failure{400, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForElasticBeanstalk' - this role is only modifiable by AWS"},
		},
		"Marker": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.ListRoles(ctx, &iam.ListRolesInput{Marker: aws.String("?")}))
			},
			want: failure{400, "ValidationError", "Invalid Marker."},
		},
	}, func(t *testing.T, e *endpoint) {
		t.Helper()
		ctx := t.Context()
		for _, name := range []string{"taken", "attached", "inline", "profiled"} {
			e.createRole(t, name)
		}
		must(e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{
			RoleName: aws.String("attached"), PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess"),
		}))(t)
		must(e.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: aws.String("inline"), PolicyName: aws.String("p"), PolicyDocument: aws.String(readS3),
		}))(t)
		must(e.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("i")}))(t)
		must(e.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{
			InstanceProfileName: aws.String("i"), RoleName: aws.String("profiled"),
		}))(t)
		must(e.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("elasticbeanstalk.amazonaws.com")}))(t)
	}, awslocal.Options{Clock: time.Now})
}
