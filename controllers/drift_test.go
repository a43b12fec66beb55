package controllers_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/podidentity/podidentity-operator/controllers"
)

// The operator reverts an out-of-band change of any part of a role, and the event names
// the part.
func TestDrift_OfARoleIsRevertedAndReported(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.PermissionsBoundary = boundaryARN })
	s.createPolicy("boundary")
	s.apply(checkout)
	pi := s.awaitReady("checkout")
	name := pi.Status.Role.Name
	want, wantTrust := s.role(name), s.trust(name)

	cases := []struct {
		part   string
		change func() error
	}{
		{"trust", func() error {
			_, err := s.iam.UpdateAssumeRolePolicy(s.ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: aws.String(
				`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}`)})
			return err
		}},
		{"description", func() error {
			_, err := s.iam.UpdateRole(s.ctx, &iam.UpdateRoleInput{RoleName: &name, Description: aws.String("mine"), MaxSessionDuration: aws.Int32(7200)})
			return err
		}},
		{"sessionDuration", func() error {
			_, err := s.iam.UpdateRole(s.ctx, &iam.UpdateRoleInput{RoleName: &name, Description: &want.Description, MaxSessionDuration: aws.Int32(43200)})
			return err
		}},
		{"boundary", func() error {
			_, err := s.iam.DeleteRolePermissionsBoundary(s.ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
			return err
		}},
		{"tags", func() error {
			_, err := s.iam.TagRole(s.ctx, &iam.TagRoleInput{RoleName: &name, Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("none")}}})
			return err
		}},
		{"tags", func() error {
			_, err := s.iam.UntagRole(s.ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: []string{"team"}})
			return err
		}},
		{"managedPolicy", func() error {
			_, err := s.iam.DetachRolePolicy(s.ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &want.Managed[0]})
			return err
		}},
		{"managedPolicy", func() error {
			_, err := s.iam.AttachRolePolicy(s.ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
			return err
		}},
		{"inlinePolicy", func() error { return s.putPolicy(name, "bucket") }},
		{"inlinePolicy", func() error { return s.putPolicy(name, "backdoor") }},
		{"inlinePolicy", func() error {
			_, err := s.iam.DeleteRolePolicy(s.ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: aws.String("queue")})
			return err
		}},
	}
	for i, tc := range cases {
		before := corrected(t, tc.part)
		s.must(tc.change())
		token := string(rune('a' + i))
		s.request("checkout", token)
		s.eventually("the request to be handled", func() bool { return s.get("checkout").Status.LastHandledReconcileAt == token })

		if diff := cmp.Diff(want, s.role(name)); diff != "" {
			t.Errorf("drift %d of %s is not repaired: -want, +got:\n%s", i, tc.part, diff)
		}
		if diff := cmp.Diff(wantTrust, s.trust(name)); diff != "" {
			t.Errorf("drift %d of %s is not repaired: trust: -want, +got:\n%s", i, tc.part, diff)
		}
		s.awaitEvent("checkout", "CorrectedDrift", "Reverted out-of-band change to "+tc.part)
		if corrected(t, tc.part) == before {
			t.Errorf("drift %d of %s is not counted", i, tc.part)
		}
	}
}

// corrected returns how often drift of a part was corrected in this process.
func corrected(t *testing.T, part string) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "podidentity_drift_corrected_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.GetLabel()[0].GetValue() == part {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// The operator creates a role that was deleted out of band again.
func TestDrift_DeletedRoleIsCreatedAgain(t *testing.T) {
	s := startEnv(t)
	s.apply(`
		metadata: {name: checkout}
		spec: {}
	`)
	first := s.awaitReady("checkout")
	name := first.Status.Role.Name
	_, err := s.iam.DeleteRole(s.ctx, &iam.DeleteRoleInput{RoleName: &name})
	s.must(err)

	s.request("checkout", "now")
	s.eventually("a new role", func() bool { return s.get("checkout").Status.Role.ID != first.Status.Role.ID })
	s.awaitReady("checkout")
	s.awaitEvent("checkout", "CorrectedDrift", "Reverted out-of-band change to role")
}

// AWS is compared with the spec periodically, without a request.
func TestDriftCheck_RunsAtTheInterval(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.DriftCheckInterval = 300 * time.Millisecond })
	s.apply(checkout)
	name := s.awaitReady("checkout").Status.Role.Name
	s.must(s.putPolicy(name, "backdoor"))
	s.eventually("the policy to be removed", func() bool {
		out, err := s.iam.ListRolePolicies(s.ctx, &iam.ListRolePoliciesInput{RoleName: &name})
		s.must(err)
		return len(out.PolicyNames) == 2
	})
}

// A ServiceAccount that is changed or deleted is restored by watch.
func TestDrift_OfAServiceAccountIsRevertedByWatch(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	arn := s.awaitReady("checkout").Status.Role.ARN
	want := map[string]string{
		"eks.amazonaws.com/role-arn":               arn,
		"eks.amazonaws.com/sts-regional-endpoints": "true",
	}
	carries := func() bool {
		sa := &corev1.ServiceAccount{}
		err := user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "checkout"}, sa)
		return err == nil && sa.Annotations["eks.amazonaws.com/role-arn"] == arn
	}
	before := s.account.Calls()

	s.annotateServiceAccount("checkout", "eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/other")
	s.eventually("the annotation to be restored", carries)
	s.annotateServiceAccount("checkout", "eks.amazonaws.com/role-arn", "")
	s.eventually("the annotation to be restored", carries)
	s.must(user.Delete(s.ctx, s.serviceAccount("checkout")))
	s.eventually("the ServiceAccount to be made again", carries)

	s.checkServiceAccount("checkout", want)
	s.awaitEvent("checkout", "CorrectedDrift", "Reverted out-of-band change to serviceAccount")
	if diff := cmp.Diff(map[string]int{}, since(before, s.account.Calls())); diff != "" {
		t.Errorf("ServiceAccounts cost no AWS calls: -want, +got:\n%s", diff)
	}
	if !metav1.IsControlledBy(s.serviceAccount("checkout"), s.get("checkout")) {
		t.Error("The ServiceAccount that was made again is not the identity's own.")
	}
}

// Labels and annotations that others set on the operator's ServiceAccount stay.
func TestServiceAccount_KeepsWhatOthersSet(t *testing.T) {
	s := startEnv(t)
	s.apply(checkout)
	s.awaitReady("checkout")
	s.annotateServiceAccount("checkout", "example.com/owner", "payments")
	sa := s.serviceAccount("checkout")
	sa.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
	s.must(user.Update(s.ctx, sa))
	s.annotateServiceAccount("checkout", "eks.amazonaws.com/role-arn", "")
	s.eventually("the annotation to be restored", func() bool {
		return s.serviceAccount("checkout").Annotations["eks.amazonaws.com/role-arn"] != ""
	})
	sa = s.serviceAccount("checkout")
	if sa.Annotations["example.com/owner"] != "payments" || len(sa.ImagePullSecrets) != 1 {
		t.Errorf("Something of the user's is lost: %+v", sa)
	}
}
