package controllers_test

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/internal/plan"
)

func hasPrefix(s, prefix string) bool { return strings.HasPrefix(s, prefix) }

// roleName returns the name that the operator generates.
func roleName(s *env, name string) string { return plan.RoleName("test", s.namespace, name) }

// written returns the calls since before that changed something.
func written(before, after map[string]int) map[string]int {
	delta := since(before, after)
	for action := range delta {
		if isRead(action) {
			delete(delta, action)
		}
	}
	return delta
}

// createServiceAccount creates a ServiceAccount as another tool.
func (s *env) createServiceAccount(name string, annotations map[string]string) *corev1.ServiceAccount {
	s.t.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Annotations: annotations}}
	s.must(user.Create(s.ctx, sa, client.FieldOwner("another-tool")))
	return sa
}

// annotateServiceAccount sets an annotation, or removes it if value is empty.
func (s *env) annotateServiceAccount(name, key, value string) {
	s.t.Helper()
	sa := s.serviceAccount(name)
	before := sa.DeepCopy()
	if value == "" {
		delete(sa.Annotations, key)
	} else {
		metav1.SetMetaDataAnnotation(&sa.ObjectMeta, key, value)
	}
	s.must(user.Patch(s.ctx, sa, client.MergeFrom(before), client.FieldOwner("another-tool")))
}

// createPolicy makes a managed policy in the account.
func (s *env) createPolicy(name string) {
	s.t.Helper()
	s.createPolicyWith(name, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
}

// createPolicyWith creates a managed policy with a document, and returns its ARN.
func (s *env) createPolicyWith(name, document string) string {
	s.t.Helper()
	out, err := s.iam.CreatePolicy(s.ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	s.must(err)
	return aws.ToString(out.Policy.Arn)
}

const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// putPolicy puts a policy on a role that allows everything.
func (s *env) putPolicy(role, name string) error {
	_, err := s.iam.PutRolePolicy(s.ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: aws.String(allowAll)})
	return err
}

// awaitEvent waits for an event about the object.
func (s *env) awaitEvent(name, reason, note string) {
	s.t.Helper()
	s.eventually("event "+reason+" that says "+note, func() bool {
		return slices.ContainsFunc(s.events(name), func(e eventsv1.Event) bool { return e.Reason == reason && strings.Contains(e.Note, note) })
	})
}

// events returns the events about the object.
func (s *env) events(name string) []eventsv1.Event {
	s.t.Helper()
	var list eventsv1.EventList
	s.must(user.List(s.ctx, &list, client.InNamespace(s.namespace)))
	return slices.DeleteFunc(list.Items, func(e eventsv1.Event) bool { return e.Regarding.Name != name })
}

// hasServiceAccount reports whether there is a ServiceAccount that has a role.
func (s *env) hasServiceAccount(name string) bool {
	s.t.Helper()
	sa := &corev1.ServiceAccount{}
	err := user.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, sa)
	s.must(client.IgnoreNotFound(err))
	return err == nil && sa.Annotations["eks.amazonaws.com/role-arn"] != ""
}
