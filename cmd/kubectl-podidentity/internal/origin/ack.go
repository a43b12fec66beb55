package origin

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

const ackGroup = "iam.services.k8s.aws"

// ackRole is a Role of the IAM controller of ACK.
// https://aws-controllers-k8s.github.io/community/reference/iam/v1alpha1/role/
type ackRole struct {
	Spec struct {
		Name        string            `json:"name"`
		Path        string            `json:"path"`
		Description string            `json:"description"`
		MaxSession  int32             `json:"maxSessionDuration"`
		Boundary    string            `json:"permissionsBoundary"`
		BoundaryRef ackReference      `json:"permissionsBoundaryRef"`
		Trust       string            `json:"assumeRolePolicyDocument"`
		Policies    []string          `json:"policies"`
		PolicyRefs  []ackReference    `json:"policyRefs"`
		Inline      map[string]string `json:"inlinePolicies"`
		Tags        []tag             `json:"tags"`
	} `json:"spec"`
	Status ackStatus `json:"status"`
}

type ackStatus struct {
	Metadata struct {
		ARN string `json:"arn"`
	} `json:"ackResourceMetadata"`
}

type ackReference struct {
	From struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"from"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ACK returns the roles among objects of ACK. Policies that a role refers to must be
// among them, with their status.
func ACK(objects []*unstructured.Unstructured) (Found, error) {
	arns := map[string]string{} // of policies, by namespace and name
	for _, u := range ofKind(objects, ackGroup, "Policy") {
		var p struct {
			Status ackStatus `json:"status"`
		}
		if err := decode(u, &p); err != nil {
			return Found{}, err
		}
		arns[u.GetNamespace()+"/"+u.GetName()] = p.Status.Metadata.ARN
	}
	var found Found
	for _, u := range ofKind(objects, ackGroup, "Role") {
		var in ackRole
		if err := decode(u, &in); err != nil {
			return Found{}, err
		}
		found.Roles = append(found.Roles, in.role(u, arns))
	}
	return found, nil
}

func (in ackRole) role(u *unstructured.Unstructured, arns map[string]string) Role {
	spec := in.Spec
	out := newRole("ACK Role "+u.GetNamespace()+"/"+u.GetName(), spec.Name)
	out.ARN, out.Description, out.MaxSession = in.Status.Metadata.ARN, spec.Description, spec.MaxSession
	out.Boundary, out.Trust = spec.Boundary, spec.Trust
	if spec.Path != "" {
		out.Path = spec.Path
	}
	resolve := func(what string, ref ackReference) string {
		namespace := ref.From.Namespace
		if namespace == "" {
			namespace = u.GetNamespace()
		}
		arn := arns[namespace+"/"+ref.From.Name]
		if arn == "" && ref.From.Name != "" {
			out.lose("%s refers to the ACK Policy %s/%s, which is not in the input with the ARN in its status", what, namespace, ref.From.Name)
		}
		return arn
	}
	if out.Boundary == "" {
		out.Boundary = resolve("spec.permissionsBoundaryRef", spec.BoundaryRef)
	}
	for _, arn := range spec.Policies {
		out.attach(arn)
	}
	for _, ref := range spec.PolicyRefs {
		out.attach(resolve("spec.policyRefs", ref))
	}
	maps.Copy(out.Inline, spec.Inline)
	for _, t := range spec.Tags {
		out.Tags[t.Key] = t.Value
	}
	where := "-n " + quote(u.GetNamespace()) + " role.iam.services.k8s.aws/" + quote(u.GetName())
	out.Forget = "kubectl annotate " + where + " services.k8s.aws/deletion-policy=retain && kubectl delete " + where
	return *out
}

// ofKind returns the objects of a kind, in any version of a group.
func ofKind(objects []*unstructured.Unstructured, group, kind string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, u := range objects {
		if u.GroupVersionKind().Group == group && u.GetKind() == kind {
			found = append(found, u)
		}
	}
	return found
}

// decode reads an object. A field of another type is an error.
func decode(u *unstructured.Unstructured, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		return &objectError{u.GetKind() + " " + nameOf(u), err}
	}
	return nil
}

type objectError struct {
	object string
	err    error
}

func (e *objectError) Error() string { return e.object + ": " + e.err.Error() }
func (e *objectError) Unwrap() error { return e.err }
