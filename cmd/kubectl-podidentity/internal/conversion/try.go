package conversion

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/forecast"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// try sets a part of the spec, and leaves it out as a loss if the API server or the
// operator's planner would reject the identity with it.
func (b *builder) try(what string, set func(*v1alpha1.PodIdentitySpec)) {
	next := b.pi.DeepCopy()
	set(&next.Spec)
	if reason := b.reject(next); reason != "" {
		b.lose("%s: %s", what, reason)
		return
	}
	b.pi = next
}

// reject returns why an identity is rejected, empty if it is not.
func (b *builder) reject(pi *v1alpha1.PodIdentity) string {
	object, err := Unstructured(pi)
	if err != nil {
		return err.Error()
	}
	if _, problems := b.schema.Check(object); len(problems) > 0 {
		return problems[0]
	}
	desired, err := plan.Desired(pi, b.clusterFor(pi))
	if err == nil {
		err = plan.DefaultQuotas.Check(desired.Role)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// clusterFor returns the cluster that the identity is for, as far as it is known.
func (b *builder) clusterFor(pi *v1alpha1.PodIdentity) plan.Cluster {
	known := b.cluster
	if part := strings.SplitN(b.role.ARN, ":", 6); len(part) == 6 && known.AccountID == "" {
		known.Partition, known.AccountID = part[1], part[4]
	}
	return forecast.ClusterFor(pi, known)
}

// Unstructured returns an identity as a user writes it: without status.
func Unstructured(pi *v1alpha1.PodIdentity) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pi)
	delete(content, "status")
	return &unstructured.Unstructured{Object: content}, err
}

// inline sets the inline policies: as statements if they mean the same, else as
// documents.
func (b *builder) inline() {
	for _, name := range slices.Sorted(maps.Keys(b.role.Inline)) {
		document := b.role.Inline[name]
		if in, ok := b.statements(name, document); ok {
			b.pi.Spec.Policies.Inline = append(b.pi.Spec.Policies.Inline, in)
			continue
		}
		b.try("inline policy "+name, func(s *v1alpha1.PodIdentitySpec) {
			s.Policies.Inline = append(s.Policies.Inline, v1alpha1.InlinePolicy{Name: name, Document: indented(document)})
		})
	}
}

// statements returns an inline policy as statements, if they are accepted and mean what
// the document does.
func (b *builder) statements(name, document string) (v1alpha1.InlinePolicy, bool) {
	p, err := policy.Decode([]byte(document))
	if err != nil || p.ID != "" {
		return v1alpha1.InlinePolicy{}, false
	}
	in := v1alpha1.InlinePolicy{Name: name, Statements: statementsOf(p)}
	next := b.pi.DeepCopy()
	next.Spec.Policies.Inline = append(next.Spec.Policies.Inline, in)
	if b.reject(next) != "" {
		return in, false
	}
	desired, err := plan.Desired(next, b.clusterFor(next))
	return in, err == nil && desired.Role.Inline[name].Document == p.Document()
}

func statementsOf(p policy.Policy) []v1alpha1.Statement {
	var out []v1alpha1.Statement
	for _, s := range p.Statements {
		typed := v1alpha1.Statement{
			SID: s.SID, Effect: v1alpha1.Effect(s.Effect),
			Actions: typedTexts[v1alpha1.Action](s.Actions), NotActions: typedTexts[v1alpha1.Action](s.NotActions),
			Resources: typedTexts[v1alpha1.Resource](s.Resources), NotResources: typedTexts[v1alpha1.Resource](s.NotResources),
		}
		for _, c := range s.Conditions {
			typed.Conditions = append(typed.Conditions, v1alpha1.Condition{Operator: c.Operator, Key: c.Key, Values: typedTexts[v1alpha1.ConditionValue](c.Values)})
		}
		out = append(out, typed)
	}
	return out
}

func typedTexts[T ~string](texts []string) []T {
	var out []T
	for _, text := range texts {
		out = append(out, T(text))
	}
	return out
}

// indented returns JSON on several lines, or the text as it is.
func indented(text string) string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(text), "", "  "); err != nil {
		return text
	}
	return out.String()
}
