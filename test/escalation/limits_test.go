package escalation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

// Tags that decide about permissions elsewhere are the platform team's.
func TestTags_AreLimited(t *testing.T) {
	s := open(t, options{})
	for i, key := range []string{"aws:x", "AWS:x", "iam.podidentity.io/cluster", "IAM.PodIdentity.io/managed-by", "iam.podidentity.io/uid"} {
		err := s.tenant.Create(s.Context(), s.identity(s.namespace, fmt.Sprintf("reserved-%d", i), "role: {tags: {'"+key+"': x}}"))
		if !apierrors.IsInvalid(err) {
			s.Errorf("the API server accepts tag %s: %v", key, err)
		}
	}
	s.guard("tagKeys: {allowed: [team]}")
	s.expect(s.reject("clearance", "role: {tags: {clearance: secret}}"), "spec.role.tags: clearance")
	s.unchanged()
}

// Policies that no role can have are rejected before they are evaluated.
func TestSize_OfPolicies(t *testing.T) {
	s := open(t, options{})
	document := func(most int) string {
		var actions, resources []string
		for i := range most {
			actions = append(actions, fmt.Sprintf(`"s3:G*%d*t"`, i))
			resources = append(resources, fmt.Sprintf(`"arn:aws:s3:::*a*%d*b"`, i))
		}
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":[%s],"Resource":[%s]}}`,
			strings.Join(actions, ","), strings.Join(resources, ","))
	}
	twice := func(name string, most int) *v1alpha1.PodIdentity {
		pi := s.identity(s.namespace, name, "{}")
		pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "a", Document: document(most)}, {Name: "b", Document: document(most)}}
		return pi
	}
	const tooMuchForTheAPI, tooMuchForIAM = 700, 450
	if err := s.tenant.Create(s.Context(), twice("huge", tooMuchForTheAPI)); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "10240") {
		s.Errorf("the API server accepts the largest documents: %v", err)
	}
	s.guard(`actions: {denied: ["s3:*Bucket*"]}, resources: {denied: ["arn:aws:s3:::secret-*"]}`)
	began := time.Now()
	const objects = 24
	for i := range objects {
		s.must(s.tenant.Create(s.Context(), twice(fmt.Sprintf("large-%d", i), tooMuchForIAM)))
	}
	for i := range objects {
		s.expect(s.rejection(fmt.Sprintf("large-%d", i)), "spec.policies.inline", "10240")
	}
	if took := time.Since(began); took > 10*time.Second {
		s.Errorf("%d objects took %s", objects, took)
	}
	s.unchanged()
}

// A namespace with a burst of identities that ask for a role of another owner does not
// delay another namespace.
func TestFairness_OneNamespaceDoesNotDelayAnother(t *testing.T) {
	s := open(t, options{limited: true})
	s.createRole("taken", "/", nil)
	const burst = 100 // 20 seconds of writes
	for i := range burst {
		s.apply(fmt.Sprintf("blocked-%d", i), "role: {name: taken}")
	}
	s.rejection("blocked-0")
	began := time.Now()
	s.must(admin.Create(s.Context(), s.identity(s.otherNamespace, "new", "{}")))
	created := s.awaitReady(s.otherNamespace, "new")
	before := s.get(s.otherNamespace, "checkout")
	edited := before.DeepCopy()
	edited.Spec.Role.Description = "edited"
	s.must(admin.Patch(s.Context(), edited, client.MergeFrom(before)))
	s.awaitReady(s.otherNamespace, "checkout")
	if took := time.Since(began); took > 5*time.Second {
		s.Errorf("a creation and an edit in another namespace took %s", took)
	}
	s.unchanged(roleEntry(created), roleEntry(s.victim), "PodIdentity new", "PodIdentity checkout", "ServiceAccount "+s.otherNamespace+"/new")
}

// Texts of a tenant neither forge a line nor fill a log.
func TestMessages_OfHostileTexts(t *testing.T) {
	s := open(t, options{})
	s.guard(`actions: {allowed: ["s3:*"]}, resources: {allowed: ["arn:aws:s3:::shop"]}`)
	hostile := []string{`s3:\nWarning: Forged`, "s3:\u202eforged", `s3:\u202eforged`, `s3:\u0000x`, `s3:\u001b[31mred`, "s3:\u2028line", "s3:\u200bzero"}
	for i, text := range hostile {
		pi := s.identity(s.namespace, fmt.Sprintf("text-%d", i), "{}")
		pi.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: "p", Document: fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"%s","Resource":["%s","arn:aws:s3:::%s"]}}`, text, text, text)}}
		s.must(s.tenant.Create(s.Context(), pi))
	}
	var resources []string
	for i := range 380 {
		resources = append(resources, fmt.Sprintf(`"arn:aws:s3:::other-%d"`, i))
	}
	s.apply("many", "policies: {inline: [{name: p, document: '"+
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":[`+strings.Join(resources, ",")+`]}}`+"'}]}")
	for i := range hostile {
		s.rejection(fmt.Sprintf("text-%d", i))
	}
	s.rejection("many")
	var events eventsv1.EventList
	s.must(admin.List(s.Context(), &events, inNamespace(s.namespace)))
	for i := range events.Items {
		s.checkText(events.Items[i].Note)
	}
	s.unchanged()
}
