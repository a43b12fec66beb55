package awsiam

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// account returns an AWS account and a client of it.
func account(t *testing.T, o awslocal.Options) (*awslocal.Server, *iam.Client, *Clients) {
	t.Helper()
	local := awslocal.New(o)
	server := httptest.NewServer(local)
	t.Cleanup(server.Close)
	configureAWS(t, server.URL)
	c := clients(t, ClientOptions{Version: "test"})
	client, ok := c.IAM.(*iam.Client)
	if !ok {
		t.Fatalf("Clients.IAM is a %T", c.IAM)
	}
	return local, client, c
}

const (
	readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	viewOnly = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
)

// parsed returns the canonical form of a policy.
func parsed(t *testing.T, raw string) policy.Document {
	t.Helper()
	d, err := policy.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func trust(t *testing.T) policy.Document {
	t.Helper()
	return parsed(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.example.com"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example.com:aud":"sts.amazonaws.com","oidc.example.com:sub":"system:serviceaccount:shop:checkout"}}}]}`)
}

// allow returns a policy that allows one action; its text needs encoding.
func allow(t *testing.T, action string) policy.Document {
	t.Helper()
	return parsed(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"`+action+`","Resource":"arn:aws:s3:::a+b%20c/${aws:username} é*"}]}`)
}

// bareRole is a role as CreateRole creates it, full one with its policies.
func bareRole(t *testing.T) plan.Role {
	return plan.Role{
		Name:               "prod_shop_checkout_0f0f0f0f",
		Path:               "/podidentity/prod/",
		Description:        "For checkout",
		MaxSessionDuration: 7200,
		Boundary:           viewOnly,
		Trust:              trust(t),
		Tags:               map[string]string{plan.TagManagedBy: plan.ManagedBy, plan.TagUID: "uid-1", "team": "shop"},
		Inline:             map[string]plan.InlinePolicy{},
	}
}

func full(t *testing.T) plan.Role {
	role := bareRole(t)
	role.Managed = []string{readOnly, viewOnly}
	role.Inline = map[string]plan.InlinePolicy{"bucket": {Document: allow(t, "s3:GetObject")}, "queue": {Document: allow(t, "sqs:SendMessage")}}
	return role
}

func fullChanges(t *testing.T) []plan.Change {
	return []plan.Change{
		plan.CreateRole{Role: bareRole(t)},
		plan.PutRolePolicy{Name: "bucket", Policy: plan.InlinePolicy{Document: allow(t, "s3:GetObject")}},
		plan.PutRolePolicy{Name: "queue", Policy: plan.InlinePolicy{Document: allow(t, "sqs:SendMessage")}},
		plan.AttachPolicy{ARN: viewOnly},
		plan.AttachPolicy{ARN: readOnly},
	}
}

// must applies changes that must succeed.
func must(t *testing.T, roles *Roles, name string, changes ...plan.Change) plan.Applied {
	t.Helper()
	applied, err := roles.Apply(t.Context(), name, changes)
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

// A created role is observed as it was applied, with the minimum number of calls.
func TestRoles_CreatedIsObservedAtLeastCost(t *testing.T) {
	local, _, c := account(t, awslocal.Options{})
	roles := NewRoles(c.IAM)
	want := full(t)

	applied := must(t, roles, want.Name, fullChanges(t)...)
	if diff := cmp.Diff(map[string]int{"CreateRole": 1, "PutRolePolicy": 2, "AttachRolePolicy": 2}, local.Calls()); diff != "" {
		t.Errorf("calls to create: -want, +got:\n%s", diff)
	}
	got, err := roles.Observe(t.Context(), want.Name)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(fullChanges(t), applied.Completed); diff != "" {
		t.Errorf("done: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, got.Role); diff != "" {
		t.Errorf("role: -want, +got:\n%s", diff)
	}
	if wantARN := "arn:aws:iam::123456789012:role/podidentity/prod/" + want.Name; got.ARN != wantARN || applied.ARN != wantARN {
		t.Errorf("ARN: observed %q, applied %q, want %q", got.ARN, applied.ARN, wantARN)
	}
	if !strings.HasPrefix(got.ID, "AROA") || applied.ID != got.ID || got.CreatedAt.IsZero() || !applied.CreatedAt.Equal(got.CreatedAt) {
		t.Errorf("observed %q of %v, applied %q of %v", got.ID, got.CreatedAt, applied.ID, applied.CreatedAt)
	}
	if changes := plan.Diff(&got.Role, want); len(changes) != 0 {
		t.Errorf("Diff(observed, desired) = %v, want nothing", plan.Summary(changes))
	}
}

func TestRoles_CreateWithoutOptionalParts(t *testing.T) {
	_, _, c := account(t, awslocal.Options{})
	roles := NewRoles(c.IAM)

	must(t, roles, "r", plan.CreateRole{Role: plan.Role{Trust: trust(t)}})
	got, err := roles.Observe(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}

	want := plan.Role{Name: "r", Path: "/", MaxSessionDuration: 3600, Trust: trust(t), Tags: map[string]string{}, Inline: map[string]plan.InlinePolicy{}}
	if diff := cmp.Diff(want, got.Role); diff != "" {
		t.Errorf("role: -want, +got:\n%s", diff)
	}
}
