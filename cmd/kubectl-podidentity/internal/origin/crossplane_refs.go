package origin

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// crossplaneRef refers to an object, of the namespace of the one that refers to it unless
// it names another.
type crossplaneRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// crossplaneSelector selects objects by their labels, by their controller, or by both.
type crossplaneSelector struct {
	MatchLabels     map[string]string `json:"matchLabels"`
	MatchController bool              `json:"matchControllerRef"`
	Namespace       string            `json:"namespace"`
}

// provided returns an object with the fields of spec.initProvider, which counts at
// creation, where spec.forProvider lacks them, and the names of these fields.
func provided(u *unstructured.Unstructured) (merged *unstructured.Unstructured, initial []string) {
	first, _, err := unstructured.NestedMap(u.Object, "spec", "initProvider")
	if err != nil || len(first) == 0 {
		return u, nil
	}
	merged = u.DeepCopy()
	always, found, err := unstructured.NestedMap(merged.Object, "spec", "forProvider")
	if err != nil {
		return u, nil
	}
	if !found {
		always = map[string]any{}
	}
	for _, field := range slices.Sorted(maps.Keys(first)) {
		if complete(always, field, first[field]) {
			initial = append(initial, field)
		}
	}
	if err := unstructured.SetNestedMap(merged.Object, always, "spec", "forProvider"); err != nil {
		return u, nil
	}
	return merged, initial
}

// complete sets a field that is missing, or the keys that are missing in a map, such as
// tags. It reports whether anything was.
func complete(fields map[string]any, name string, value any) bool {
	existing, there := fields[name]
	if !there {
		fields[name] = value
		return true
	}
	from, isMap := value.(map[string]any)
	to, both := existing.(map[string]any)
	changed := false
	for key := range from {
		if _, there := to[key]; isMap && both && !there {
			to[key], changed = from[key], true
		}
	}
	return changed
}

// roleOf returns the role of a name in AWS, of a reference, or of selectors of u.
func (c *crossplane) roleOf(u *unstructured.Unstructured, name string, ref crossplaneRef, selectors ...crossplaneSelector) *Role {
	all := ofKind(c.objects, c.group, "Role")
	for _, candidate := range all {
		if r := c.roles[candidate]; name != "" && r.Name == name {
			return r
		}
	}
	if name != "" {
		return nil // the name is what Crossplane found by the reference
	}
	for _, candidate := range all {
		if ref.matches(candidate, u) || slices.ContainsFunc(selectors, func(s crossplaneSelector) bool { return s.matches(candidate, u) }) {
			return c.roles[candidate]
		}
	}
	return nil
}

// policyARN returns the ARN of the policy of a reference or a selector of u.
func (c *crossplane) policyARN(u *unstructured.Unstructured, ref crossplaneRef, selector crossplaneSelector) string {
	for _, candidate := range ofKind(c.objects, c.group, "Policy") {
		if ref.matches(candidate, u) || selector.matches(candidate, u) {
			return arnInStatus(candidate)
		}
	}
	return ""
}

func arnInStatus(u *unstructured.Unstructured) string {
	arn, _, _ := unstructured.NestedString(u.Object, "status", "atProvider", "arn")
	return arn
}

func (r crossplaneRef) matches(candidate, from *unstructured.Unstructured) bool {
	return r.Name != "" && candidate.GetName() == r.Name && candidate.GetNamespace() == cmp.Or(r.Namespace, from.GetNamespace())
}

func (s crossplaneSelector) isEmpty() bool { return len(s.MatchLabels) == 0 && !s.MatchController }

func (s crossplaneSelector) matches(candidate, from *unstructured.Unstructured) bool {
	if s.isEmpty() || candidate.GetNamespace() != cmp.Or(s.Namespace, from.GetNamespace()) {
		return false
	}
	if s.MatchController {
		own, other := metav1.GetControllerOf(from), metav1.GetControllerOf(candidate)
		if own == nil || other == nil || own.UID != other.UID {
			return false
		}
	}
	return labels.SelectorFromSet(s.MatchLabels).Matches(labels.Set(candidate.GetLabels()))
}

// nameOf returns the namespace, if there is one, and the name of an object.
func nameOf(u *unstructured.Unstructured) string {
	return strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/")
}
