package controllers

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/internal/fault"
	"github.com/podidentity/podidentity-operator/internal/guardrail"
	"github.com/podidentity/podidentity-operator/internal/plan"
)

// hostileTexts are texts as users, or AWS, may write them.
var hostileTexts = rapid.Custom(func(t *rapid.T) string {
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
	return text + strings.Repeat(rapid.SampledFrom([]string{"", "", "a", "\n", "\u202e", "\x1b[2J", "\u2028", "ö"}).Draw(t, "repeated"), 20000)
})

// checkShown fails unless text is one short line on which every character shows.
func checkShown(t *rapid.T, what, text string, most int) {
	hides := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }
	if len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, hides) {
		t.Fatalf("%s of %d bytes: %.200q", what, len(text), text)
	}
}

// A message that asks a user to act ends with where the reason is explained, however
// long it is; one that does not has no need of it.
func TestConditionMessage_EndsWithLinkToTheReason(t *testing.T) {
	const page = "; see https://github.com/podidentity/podidentity-operator/blob/main/docs/conditions.md"
	long := strings.Repeat("ö", maxMessage)
	for name, tc := range map[string]struct {
		kind    string
		status  metav1.ConditionStatus
		reason  string
		message string
		want    string // the end
	}{
		"Blocked": {v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAccessDenied, "a", "a" + page + "#accessdenied"},
		"Stalled": {v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec, "a", "a" + page + "#invalidspec"},
		"Long":    {v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec, long, "ö…" + page + "#invalidspec"},
		"Waiting": {v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonProgressing, "a", "a"},
		"Success": {v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "a", "a"},
	} {
		got := conditionMessage(tc.kind, tc.status, tc.reason, tc.message)
		if !strings.HasSuffix(got, tc.want) || len(got) > maxMessage {
			t.Errorf("%s: %d bytes, ending %q, want %q", name, len(got), got[max(0, len(got)-len(tc.want)):], tc.want)
		}
	}
}

// Whatever the texts of a spec, of AWS and of pods are, conditions and events are
// short, on one line and legible, and the API server accepts the status.
func TestMessages_AreShortAndLegible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) string { return hostileTexts.Draw(t, label) }
		obj := &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{v1alpha1.RequestedAtAnnotation: draw("request")}}}
		obj.Spec.Policies.Inline = []v1alpha1.InlinePolicy{{Name: draw("name"), Document: draw("document")}, {Name: "p", Statements: []v1alpha1.Statement{{
			Effect: "Allow", Actions: []v1alpha1.Action{v1alpha1.Action(draw("action"))}, Resources: []v1alpha1.Resource{v1alpha1.Resource(draw("resource"))},
		}}}}
		obj.Spec.Policies.Managed = []v1alpha1.PolicyARN{v1alpha1.PolicyARN(draw("arn"))}
		before := obj.DeepCopy()
		s := newScope(obj, "test")
		yes := true
		s.pods = &podUsage{}
		s.pods.count(cachedPods(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: draw("kind"), Name: draw("owner"), Controller: &yes}}}}), "arn")
		s.pending = []plan.Change{plan.DeleteRolePolicy{Name: draw("policy")}, plan.UntagRole{Keys: []string{draw("tag")}}}
		s.addEvent(eventUpdatedRole, "PutRolePolicy", "PutRolePolicy", draw("target"))
		_, invalid := plan.Desired(obj, plan.Cluster{Partition: "aws", AccountID: "123456789012"})
		err := rapid.SampledFrom([]error{
			errors.New(draw("error")),
			fault.Errorf(fault.Terminal, v1alpha1.ReasonInvalidSpec, "%s", draw("terminal")),
			fault.Errorf(fault.Blocked, v1alpha1.ReasonAccessDenied, "%s", draw("blocked")),
			guardrail.Set{}.Evaluate(obj, guardrail.Facts{}).Err, invalid, nil,
		}).Draw(t, "outcome")
		if err != nil {
			s.failedCondition = v1alpha1.ConditionRoleReady
		}

		setStatus(s, err)
		recorder := events.NewFakeRecorder(10)
		(&Reconciler{events: boundedEvents{recorder}}).emitEvents(before, s, err)
		close(recorder.Events)
		for event := range recorder.Events {
			checkShown(t, "event", event, maxNote+len("Warning ")+len(v1alpha1.ReasonServiceAccountConflict)+1)
		}
		for _, c := range obj.Status.Conditions {
			checkShown(t, c.Type, c.Message, maxMessage)
		}
		for _, c := range obj.Status.Plan {
			checkShown(t, "plan", c.Target, maxTarget)
		}
		checkShown(t, "request", obj.Status.LastHandledReconcileAt, maxRequest)
		if raw, err := json.Marshal(obj.Status); err != nil || len(raw) > 32<<10 {
			t.Fatalf("status of %d bytes, %v", len(raw), err)
		}
		// The next reconcile finds nothing new.
		if s.requestToken != "" && obj.Status.LastHandledReconcileAt != "" && pendingRequest(obj) != "" {
			t.Fatal("the request is pending for ever")
		}
		again := events.NewFakeRecorder(10)
		(&Reconciler{events: boundedEvents{again}}).emitEvents(obj, newScope(obj.DeepCopy(), "test"), err)
		if len(again.Events) > 0 {
			t.Fatalf("repeated event %.200q", <-again.Events)
		}
	})
}
