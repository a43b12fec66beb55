package access

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// typical returns n subjects, each with a role that has an inline policy of its own, and
// a managed policy and a boundary that all have.
func typical(n int) []Subject {
	managed := role.Policy{Name: "read", ARN: "arn:aws:iam::aws:policy/read", Document: document("Allow s3:Get*,s3:List* on *")}
	boundary := role.Policy{Name: "b", ARN: "arn:aws:iam::123456789012:policy/b", Document: document("Allow s3:*,sqs:*,dynamodb:*", "Deny iam:*")}
	subjects := make([]Subject, n)
	for i := range subjects {
		name := fmt.Sprintf("app-%d", i)
		subjects[i] = Subject{Kind: KindPodIdentity, Namespace: "team", Name: name, RoleARN: "arn:aws:iam::123456789012:role/" + name, Role: &role.Role{
			Name: name, Boundary: &boundary,
			Policies: []role.Policy{managed, {Name: "own", Document: document("Allow s3:PutObject,sqs:SendMessage on arn:aws:s3:::" + name + "/*")}},
		}}
	}
	return subjects
}

// greatest returns the role with the most that IAM's quotas allow: 10 managed policies,
// inline policies and a boundary, each as large as it can be.
func greatest() *role.Role {
	actions := func(service string, size int) string {
		var list []string
		for n := 0; n < size; n += len(service) + 11 {
			list = append(list, fmt.Sprintf("%s:Do%04dIt", service, len(list)))
		}
		return strings.Join(list, ",")
	}
	r := &role.Role{Name: "greatest", Boundary: &role.Policy{Name: "b", ARN: "b", Document: document("Allow " + actions("s3", 5500))}}
	for i := range 10 {
		r.Policies = append(r.Policies, role.Policy{Name: fmt.Sprint(i), ARN: fmt.Sprint(i), Document: document("Allow " + actions("s3", 5500))})
	}
	r.Policies = append(r.Policies, role.Policy{Name: "inline", Document: document("Allow "+actions("s3", 4500), "Deny "+actions("s3", 4500)+" on arn:aws:s3:::x")})
	return r
}

// The work for each identity stays the same, however many there are.
func TestReport_IsLinear(t *testing.T) {
	allocations := func(n int) float64 {
		subjects := typical(n)
		return testing.AllocsPerRun(1, func() { Report(subjects, Options{UnusedAfter: time.Hour}) })
	}
	const step = 400
	one, half, all := allocations(1), allocations(step+1), allocations(2*step+1)
	if first, second := half-one, all-half; second > 1.2*first {
		t.Errorf("the second %d identities take %.0f allocations, the first %.0f", step, second, first)
	}
}

func BenchmarkReport_10000Identities(b *testing.B) {
	subjects := typical(10000)
	b.ReportAllocs()
	for b.Loop() {
		Report(subjects, Options{UnusedAfter: time.Hour})
	}
}

func BenchmarkReport_GreatestIdentity(b *testing.B) {
	r := greatest()
	b.ReportAllocs()
	for b.Loop() {
		Report([]Subject{{Kind: KindPodIdentity, Name: "greatest", Role: r}}, Options{UnusedAfter: time.Hour})
	}
}
