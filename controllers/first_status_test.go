package controllers_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/controllers"
	"github.com/podidentity/podidentity-operator/internal/ratelimit"
)

// While all identities of one namespace are deleted and AWS calls are scarce, a new
// identity of another namespace says what it waits for before its calls are made, and
// gets its calls while the deletions go on.
func TestFirstStatus_WhileANamespaceIsDeleted(t *testing.T) {
	t.Parallel()
	const deleted = 45
	s := newEnv(t, func(c *controllers.Config) { c.MaxConcurrentReconciles = 10 })
	s.createProvider()
	elsewhere := s.namespace + "-elsewhere"
	s.must(user.Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: elsewhere}}))
	s.others = []string{elsewhere}
	s.start()
	names := s.applyMany(deleted)
	for _, name := range names {
		s.awaitReady(name)
	}
	s.stop()
	s.budget = ratelimit.New(2, 1)
	s.start()
	before := s.account.Calls()
	for _, name := range names {
		s.delete(name)
	}
	s.eventually("the deletions to use up the rate limiter", func() bool { return since(before, s.account.Calls())["DeleteRole"] > 0 })

	before = s.account.Calls()
	s.writes.reset()
	var created v1alpha1.PodIdentity
	created.Namespace, created.Name = elsewhere, "newcomer"
	statement := v1alpha1.Statement{Effect: "Allow", Actions: []v1alpha1.Action{"s3:GetObject"}, Resources: []v1alpha1.Resource{"*"}}
	for _, name := range []string{"a", "b", "c"} {
		created.Spec.Policies.Inline = append(created.Spec.Policies.Inline, v1alpha1.InlinePolicy{Name: name, Statements: []v1alpha1.Statement{statement}})
	}
	s.must(user.Create(s.ctx, &created))
	ready := func() *metav1.Condition {
		s.must(user.Get(s.ctx, client.ObjectKeyFromObject(&created), &created))
		return meta.FindStatusCondition(created.Status.Conditions, v1alpha1.ConditionReady)
	}
	s.eventually("a first status", func() bool { return ready() != nil })
	if message := ready().Message; !strings.Contains(message, "waiting for the operator's rate limiter, which currently allows 1 AWS calls per second; waiting calls: ") {
		t.Errorf("the first status says %q, want what the identity waits for", message)
	}
	s.eventually("the new identity to be ready", func() bool { return ready().Status == metav1.ConditionTrue })
	if n := since(before, s.account.Calls())["DeleteRole"]; n > deleted/2 {
		t.Errorf("%d identities were deleted before the new one got its calls", n)
	}
	patches := 0
	for _, write := range s.writes.all() {
		if strings.HasSuffix(write, "/newcomer/status") {
			patches++
		}
	}
	if patches != 2 {
		t.Errorf("%d status patches of the new identity, want the first status and the result", patches)
	}
}
