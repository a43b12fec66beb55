package preflight

import (
	"strings"
	"testing"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/iampolicy"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// The shipped policies allow all that is needed; without any one of their actions,
// it is noticed.
func TestNeeded_ShippedPoliciesAllowAll(t *testing.T) {
	settings := iampolicy.Settings{
		Cluster: "prod", Partition: "aws", AccountID: "123456789012", Issuer: "https://issuer.example.com/a", CreateProvider: true,
		EventQueueURL: "https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod",
	}
	unbounded := settings
	unbounded.NoBoundary = true
	for name, s := range map[string]iampolicy.Settings{"Boundary": settings, "NoBoundary": unbounded} {
		t.Run(name, func(t *testing.T) {
			requests, err := Needed(s)
			if err != nil || len(requests) < 20 {
				t.Fatalf("Needed() = %d requests, %v", len(requests), err)
			}
			documents, err := iampolicy.Documents(s)
			if err != nil {
				t.Fatal(err)
			}
			r := &role.Role{}
			for _, d := range documents {
				if strings.HasPrefix(d.Name, "operator-policy") {
					r.Policies = append(r.Policies, role.Policy{Name: d.Name, Document: role.Document(d.JSON)})
				}
			}
			for _, request := range requests {
				if !allows(r, request) {
					t.Errorf("the shipped policy does not allow %s on %s with %v", request.Action, request.Resource, request.Context)
				}
				if allows(without(t, r, request.Action), request) {
					t.Errorf("without %s, %s is still allowed", request.Action, request.Action)
				}
			}
		})
	}
}

// without returns the role without an action in its Allow statements.
func without(t *testing.T, r *role.Role, action string) *role.Role {
	t.Helper()
	other := &role.Role{}
	for _, p := range r.Policies {
		parsed, err := p.Document.Policy()
		if err != nil {
			t.Fatal(err)
		}
		for i := range parsed.Statements {
			s := &parsed.Statements[i]
			if s.Effect != policy.Allow {
				continue
			}
			kept := []string{}
			for _, a := range s.Actions {
				if !strings.EqualFold(a, action) {
					kept = append(kept, a)
				}
			}
			s.Actions = kept
		}
		other.Policies = append(other.Policies, role.Policy{Name: p.Name, Document: role.Document(parsed.Document())})
	}
	return other
}

// A boundary of the operator's own role also limits it.
func TestNeeded_BoundaryLimitsTheOperator(t *testing.T) {
	r := &role.Role{
		Policies: []role.Policy{{Name: "all", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}},
		Boundary: &role.Policy{Name: "b", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}]}`},
	}
	for action, want := range map[string]bool{"iam:GetRole": true, "iam:CreateRole": false} {
		if got := allows(r, policy.Request{Action: action, Resource: "arn:aws:iam::123456789012:role/r"}); got != want {
			t.Errorf("%s: allows() = %t, want %t", action, got, want)
		}
	}
	r.Boundary.Document = ""
	if allows(r, policy.Request{Action: "iam:GetRole", Resource: "arn:aws:iam::123456789012:role/r"}) {
		t.Error("a boundary that does not exist allows nothing")
	}
}
