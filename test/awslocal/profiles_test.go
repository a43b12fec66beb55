package awslocal_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func TestInstanceProfiles_Lifecycle(t *testing.T) {
	e := newEndpoint(t, awslocal.Options{})
	ctx := t.Context()
	e.createRole(t, "r")
	name := aws.String("i")
	created := must(e.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{
		InstanceProfileName: name, Path: aws.String("/x/"), Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t).InstanceProfile
	if *created.Arn != "arn:aws:iam::123456789012:instance-profile/x/i" || len(created.Tags) != 1 || created.Roles == nil {
		t.Errorf("CreateInstanceProfile answers %+v", created)
	}
	must(e.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: aws.String("R")}))(t)
	must(e.iam.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{InstanceProfileName: name, Tags: []iamtypes.Tag{{Key: aws.String("l"), Value: aws.String("")}}}))(t)
	must(e.iam.UntagInstanceProfile(ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: name, TagKeys: []string{"k"}}))(t)
	if tags := must(e.iam.ListInstanceProfileTags(ctx, &iam.ListInstanceProfileTagsInput{InstanceProfileName: name}))(t).Tags; len(tags) != 1 || *tags[0].Key != "l" {
		t.Errorf("tags: %v", tags)
	}
	got := must(e.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: name}))(t).InstanceProfile
	if len(got.Roles) != 1 || *got.Roles[0].RoleName != "r" || got.Roles[0].MaxSessionDuration != nil {
		t.Errorf("GetInstanceProfile answers %+v", got)
	}
	for _, tc := range []struct {
		prefix string
		want   int
	}{{"/", 1}, {"/x/", 1}, {"/y/", 0}} {
		list := must(e.iam.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{PathPrefix: &tc.prefix}))(t).InstanceProfiles
		if len(list) != tc.want {
			t.Errorf("below %s there are %d, want %d", tc.prefix, len(list), tc.want)
		}
	}
	if of := must(e.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String("r")}))(t).InstanceProfiles; len(of) != 1 || of[0].Tags != nil {
		t.Errorf("ListInstanceProfilesForRole answers %v", of)
	}
	must(e.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: aws.String("r")}))(t)
	must(e.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name}))(t)
}

func TestInstanceProfiles_Errors(t *testing.T) {
	add := func(profile, role string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role}))
		}
	}
	remove := func(profile, role string) func(context.Context, *endpoint) error {
		return func(ctx context.Context, e *endpoint) error {
			return ignore(e.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role}))
		}
	}
	missing := failure{404, "NoSuchEntity", "Instance Profile none cannot be found."}
	absent := failure{404, "NoSuchEntity", "The role with name absent cannot be found."}
	runErrors(t, map[string]errorCase{
		"Exists": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("FULL")}))
			},
			want: failure{409, "EntityAlreadyExists", "Instance Profile FULL already exists."},
		},
		"Get": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: aws.String("none")}))
			},
			want: missing,
		},
		"AddToNone":      {call: add("none", "r"), want: missing},
		"AddAbsent":      {call: add("empty", "absent"), want: absent},
		"AddSecond":      {call: add("full", "s"), want: failure{409, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"}},
		"RemoveFromNone": {call: remove("none", "r"), want: missing},
		"RemoveAbsent":   {call: remove("full", "absent"), want: absent},
		"RemoveOther":    {call: remove("full", "s"), want: failure{404, "NoSuchEntity", "Role s in Instance Profile full cannot be found."}},
		"DeleteFull": {
			call: func(ctx context.Context, e *endpoint) error {
				return ignore(e.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("full")}))
			},
			want: failure{409, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."},
		},
	}, func(t *testing.T, e *endpoint) {
		t.Helper()
		e.createRole(t, "r")
		e.createRole(t, "s")
		for _, name := range []string{"empty", "full"} {
			must(e.iam.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name}))(t)
		}
		if err := add("full", "r")(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}, awslocal.Options{})
}
