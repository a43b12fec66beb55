package plugin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// orphans lists what is left of identities, and deletes only what the user selects. It
// runs after doctor, which leaves a role behind and creates the operator's Deployment.
func (e *env) orphans() {
	e.Helper()
	here := plan.Owner{Cluster: clusterName, ClusterID: e.clusterID(), Namespace: "gone", Name: "x", UID: "0"}
	twin, replaced := here, here
	twin.ClusterID = "another"
	replaced.Namespace, replaced.Name = "verify", "checkout" // exists, but with another UID
	e.createTaggedRole("leaked", here, nil)
	e.createTaggedRole("kept", here, map[string]string{plan.TagRetainedAt: "2026-11-01T10:00:00Z"})
	e.createTaggedRole("twin", twin, nil)
	e.createTaggedRole("replaced", replaced, nil)
	e.attachAll("leaked")
	e.Must(e.Client.Get(e.Context(), client.ObjectKey{Namespace: "verify", Name: "checkout"}, &v1alpha1.PodIdentity{}))

	e.expectOrphans(1, map[string]string{"leaked": "leaked", "left-behind": "leaked", "replaced": "leaked", "kept": "retained"}, "orphans")
	if r := e.kubectl(nil, "orphans"); r.code != 1 || !strings.Contains(r.stdout, "Not listed: 1 role of another cluster that is also called test.") {
		e.Errorf("orphans ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	e.oneLine(e.kubectl(nil, "orphans", "twin"), "role twin is not an orphan of this cluster")
	e.oneLine(e.kubectl(nil, "orphans", "--delete", "--yes", "twin"), "role twin is not an orphan of this cluster")
	own := plan.RoleName(clusterName, "verify", "checkout")
	e.oneLine(e.kubectl(nil, "orphans", "--delete", "--yes", own), "is not an orphan of this cluster")
	if r := e.kubectl(nil, "orphans", "--delete"); r.code != 2 || !strings.Contains(r.stderr, "nothing was deleted, because the confirmation was not answered") {
		e.Errorf("--delete without an answer ended with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	e.Run("Denied", func(t *testing.T) {
		e := e.with(t)
		reader := e.session("orphans-reader", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*"],"Resource":"*"}]}`)
		e.oneLine(e.kubectl(reader, "orphans", "--delete", "--yes"), "AWS denies you iam:")
	})
	e.rolesExist("leaked", "left-behind", "replaced", "kept", "twin", own)

	e.expectOrphans(0, map[string]string{"leaked": "leaked"}, "orphans", "--delete", "--yes", "leaked")
	e.rolesExist("left-behind", "replaced", "kept", "twin", own)
	e.expectOrphans(0, map[string]string{"left-behind": "leaked", "replaced": "leaked"}, "orphans", "--delete", "--yes")
	e.rolesExist("kept", "twin", own)
	e.expectOrphans(0, map[string]string{"kept": "retained"}, "orphans")
	e.expectOrphans(0, map[string]string{"kept": "retained"}, "orphans", "--delete", "--yes", "--retained")
	e.rolesExist("twin", own)
	e.expectOrphans(0, map[string]string{}, "orphans")
}

// attachAll gives a role everything that hinders its deletion.
func (e *env) attachAll(name string) {
	e.Helper()
	_, err := e.AWS.IAM.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("inline"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`)})
	e.Must(err)
	_, err = e.AWS.IAM.AttachRolePolicy(e.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")})
	e.Must(err)
	_, err = e.AWS.IAM.CreateInstanceProfile(e.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
	e.Must(err)
	_, err = e.AWS.IAM.AddRoleToInstanceProfile(e.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name})
	e.Must(err)
}

// expectOrphans runs orphans and compares the roles, with their states, that it lists or
// deletes.
func (e *env) expectOrphans(code int, want map[string]string, args ...string) {
	e.Helper()
	r := e.kubectl(nil, append(args, "-o", "json")...)
	var got struct {
		Roles []struct {
			Name, State string
			Deleted     bool
		}
	}
	e.decode(r, &got)
	states := map[string]string{}
	deleting := len(args) > 1 && args[1] == "--delete"
	for _, role := range got.Roles {
		states[role.Name] = role.State
		if role.Deleted != deleting {
			e.Errorf("%v: role %s: deleted is %t", args, role.Name, role.Deleted)
		}
	}
	if diff := cmp.Diff(want, states); diff != "" || r.code != code {
		e.Errorf("%v: exit code %d, want %d; roles: -want, +got:\n%s%s", args, r.code, code, diff, r.stderr)
	}
}

// rolesExist fails the test unless these are the roles, below the operator's path, of
// those that the tests of orphans are about.
func (e *env) rolesExist(want ...string) {
	e.Helper()
	wanted := map[string]bool{}
	for _, name := range want {
		wanted[name] = true
	}
	for _, name := range append([]string{"leaked", "left-behind", "replaced", "kept", "twin"}, want...) {
		_, err := e.AWS.IAM.GetRole(e.Context(), &iam.GetRoleInput{RoleName: &name})
		_, gone := errors.AsType[*iamtypes.NoSuchEntityException](err)
		if err != nil && !gone {
			e.Fatal(err)
		}
		if exists := err == nil; exists != wanted[name] {
			e.Errorf("role %s exists: %t, want %t", name, exists, wanted[name])
		}
	}
}
