package forecast

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/manifest"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/schema"
)

// The kinds of the operator's API.
const (
	KindIdentity  = "PodIdentity"
	KindGuardrail = "PodIdentityGuardrail"
)

// Object is an object of the input, and what would happen to it.
type Object struct {
	File      string      `json:"file"`
	Kind      string      `json:"kind"`
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name"`
	State     check.State `json:"state"`
	// Action is create, change or none; empty if it is not known.
	Action   string    `json:"action,omitempty"`
	Changes  []Change  `json:"changes,omitempty"`
	Findings []Finding `json:"findings,omitempty"`

	// Identity is the object as the API server would store it, nil if it is none.
	Identity *v1alpha1.PodIdentity `json:"-"`
	// Source is the object as it is in the file, with its namespace.
	Source *unstructured.Unstructured `json:"-"`
}

// Add adds findings.
func (o *Object) Add(findings ...Finding) {
	o.Findings = append(o.Findings, findings...)
	o.State = check.OK
	for _, f := range o.Findings {
		switch {
		case f.State == check.Broken:
			o.State = check.Broken
		case o.State == check.OK:
			o.State = f.State
		}
	}
}

// Input is what the input holds of the kinds that matter.
type Input struct {
	Objects    []Object // PodIdentities, guardrails and documents that cannot be read
	Guardrails []v1alpha1.PodIdentityGuardrail
	// Namespaces holds labels by the name of the namespace.
	Namespaces map[string]map[string]string
}

// ReadInput reads the objects of manifests, and checks them against the schema. An
// object without a namespace is in that of the argument.
func ReadInput(objects []manifest.Object, faults []manifest.Fault, namespace string) (Input, error) {
	validator, err := schema.New()
	if err != nil {
		return Input{}, err
	}
	in := Input{Namespaces: map[string]map[string]string{}}
	for _, o := range objects {
		switch {
		case o.GroupVersionKind().Group == v1alpha1.GroupVersion.Group:
			in.add(o, namespace, validator)
		case o.GetAPIVersion() == "v1" && o.GetKind() == "Namespace":
			in.Namespaces[o.GetName()] = NamespaceLabels(o.GetName(), o.GetLabels())
		}
	}
	for _, f := range faults {
		unread := Object{File: f.File}
		unread.Add(Broken(CheckFile, f.Message))
		in.Objects = append(in.Objects, unread)
	}
	return in, nil
}

// NamespaceLabels returns the labels of a namespace with the one that the API server
// sets.
func NamespaceLabels(name string, set map[string]string) map[string]string {
	all := maps.Clone(set)
	if all == nil {
		all = map[string]string{}
	}
	all[corev1.LabelMetadataName] = name
	return all
}

func (in *Input) add(o manifest.Object, namespace string, validator *schema.Validator) {
	result := Object{File: o.File, Kind: o.GetKind(), Name: o.GetName(), State: check.OK}
	if o.GetKind() == KindIdentity {
		if o.GetNamespace() == "" {
			o.Unstructured = o.DeepCopy()
			o.SetNamespace(namespace)
		}
		result.Namespace = o.GetNamespace()
	}
	result.Source = o.Unstructured
	complete, problems := validator.Check(o.Unstructured)
	for _, problem := range problems {
		result.Add(Broken(CheckSchema, problem))
	}
	switch o.GetKind() {
	case KindIdentity:
		pi := &v1alpha1.PodIdentity{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(complete.Object, pi); err == nil {
			result.Identity = pi
		}
	case KindGuardrail:
		var g v1alpha1.PodIdentityGuardrail
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(complete.Object, &g); err == nil {
			in.Guardrails = append(in.Guardrails, g)
		}
	}
	in.Objects = append(in.Objects, result)
}

// Offline evaluates the identities of an input from the files alone. The notes list what
// cannot be evaluated without a cluster and AWS.
func Offline(in Input, f Facts) (notes []string) {
	var batch Batch
	unread, unlabelled := map[string]bool{}, map[string]bool{}
	for i := range in.Objects {
		o := &in.Objects[i]
		pi := o.Identity
		if pi == nil {
			continue
		}
		facts := f
		conflicts, older := batch.Add(pi, o.File)
		o.Add(conflicts...)
		facts.Older, facts.Cluster = older, ClusterFor(pi, f.Cluster)
		var known bool
		if facts.NamespaceLabels, known = in.Namespaces[pi.Namespace]; !known {
			facts.NamespaceLabels = NamespaceLabels(pi.Namespace, nil)
			unlabelled[pi.Namespace] = unlabelled[pi.Namespace] || readsLabels(f.Guardrails)
		}
		_, findings := Evaluate(pi, facts)
		o.Add(findings...)
		o.Add(Placeholders(pi)...)
		for _, arn := range Unread(pi, facts) {
			unread[arn] = true
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(unlabelled)) {
		if unlabelled[namespace] {
			notes = append(notes, fmt.Sprintf("namespace %s is not in the files, so its labels are not known: guardrails that select other labels than %s were not applied", namespace, corev1.LabelMetadataName))
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(unread)) {
		notes = append(notes, "the contents of managed policy "+arn+" are in AWS and were not evaluated against the guardrails")
	}
	return notes
}

// readsLabels reports whether a guardrail selects namespaces by labels that the API
// server does not set itself.
func readsLabels(guardrails []v1alpha1.PodIdentityGuardrail) bool {
	for i := range guardrails {
		selector := guardrails[i].Spec.NamespaceSelector
		for key := range selector.MatchLabels {
			if key != corev1.LabelMetadataName {
				return true
			}
		}
		for _, r := range selector.MatchExpressions {
			if r.Key != corev1.LabelMetadataName {
				return true
			}
		}
	}
	return false
}

// Applied adds the guardrails and namespaces that are already applied. Those of the
// input replace them. A guardrail that the API server rejects is an error: nothing can
// be evaluated against it.
func (in *Input) Applied(applied Input) error {
	for i := range applied.Objects {
		if o := &applied.Objects[i]; o.Kind == KindGuardrail && Rejected(o.Findings) {
			return fmt.Errorf("%s: %s %s: %s", o.File, o.Kind, o.Name, o.Findings[0].Message)
		}
	}
	for i := range applied.Guardrails {
		g := applied.Guardrails[i]
		if !slices.ContainsFunc(in.Guardrails, func(own v1alpha1.PodIdentityGuardrail) bool { return own.Name == g.Name }) {
			in.Guardrails = append(in.Guardrails, g)
		}
	}
	for name, set := range applied.Namespaces {
		if in.Namespaces[name] == nil {
			in.Namespaces[name] = set
		}
	}
	return nil
}
