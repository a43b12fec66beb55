package origin

import (
	"cmp"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// crossplaneGroups are those of the providers for AWS: upjet's, cluster-scoped and
// namespaced, and the older native one.
var crossplaneGroups = []string{"iam.aws.upbound.io", "iam.aws.m.upbound.io", nativeGroup}

const nativeGroup = "iam.aws.crossplane.io"

const externalName = "crossplane.io/external-name"

// crossplaneRole is a Role of a provider.
// https://marketplace.upbound.io/providers/upbound/provider-aws-iam/latest/resources/iam.aws.upbound.io/Role/v1beta1
type crossplaneRole struct {
	Spec struct {
		For struct {
			Path        string `json:"path"`
			Description string `json:"description"`
			MaxSession  int32  `json:"maxSessionDuration"`
			Boundary    string `json:"permissionsBoundary"`
			Trust       string `json:"assumeRolePolicy"`
			// TrustDocument is the name in the native provider.
			TrustDocument   string             `json:"assumeRolePolicyDocument"`
			Tags            any                `json:"tags"`
			Managed         []string           `json:"managedPolicyArns"`
			ManagedRefs     []crossplaneRef    `json:"managedPolicyArnsRefs"`
			ManagedSelector crossplaneSelector `json:"managedPolicyArnsSelector"`
			Inline          []struct {
				Name   string `json:"name"`
				Policy string `json:"policy"`
			} `json:"inlinePolicy"`
		} `json:"forProvider"`
	} `json:"spec"`
	Status struct {
		At struct {
			ARN string `json:"arn"`
		} `json:"atProvider"`
	} `json:"status"`
}

// crossplanePart is a RolePolicyAttachment or a RolePolicy.
type crossplanePart struct {
	Spec struct {
		For struct {
			Role             string             `json:"role"`
			RoleRef          crossplaneRef      `json:"roleRef"`
			RoleSelector     crossplaneSelector `json:"roleSelector"`
			RoleName         string             `json:"roleName"`
			RoleNameRef      crossplaneRef      `json:"roleNameRef"`
			RoleNameSelector crossplaneSelector `json:"roleNameSelector"`
			ARN              string             `json:"policyArn"`
			ARNRef           crossplaneRef      `json:"policyArnRef"`
			ARNSelector      crossplaneSelector `json:"policyArnSelector"`
			Policy           string             `json:"policy"`
			// Document is the policy in the native provider, which has it as an object.
			Document any `json:"document"`
		} `json:"forProvider"`
	} `json:"spec"`
}

// crossplane holds the objects of one group.
type crossplane struct {
	objects []*unstructured.Unstructured
	group   string
	roles   map[*unstructured.Unstructured]*Role
	skipped []string
}

// Crossplane returns the roles among objects of Crossplane's providers for AWS. What
// they refer to must be among them.
func Crossplane(objects []*unstructured.Unstructured) (Found, error) {
	var all []*Role
	var skipped []string
	for _, group := range crossplaneGroups {
		c := crossplane{objects: objects, group: group, roles: map[*unstructured.Unstructured]*Role{}}
		for _, u := range ofKind(objects, group, "Role") {
			out, err := c.role(u)
			if err != nil {
				return Found{}, err
			}
			all = append(all, out)
			c.roles[u] = out
		}
		for _, kind := range []string{"RolePolicyAttachment", "RolePolicy"} {
			for _, u := range ofKind(objects, group, kind) {
				if err := c.add(u); err != nil {
					return Found{}, err
				}
			}
		}
		skipped = append(skipped, c.skipped...)
	}
	return Found{values(all), skipped}, nil
}

func (c *crossplane) role(u *unstructured.Unstructured) (*Role, error) {
	merged, initial := provided(u)
	var in crossplaneRole
	if err := decode(merged, &in); err != nil {
		return nil, err
	}
	spec := in.Spec.For
	out := newRole("Crossplane Role "+nameOf(u), cmp.Or(u.GetAnnotations()[externalName], u.GetName()))
	out.ARN, out.Path, out.Description, out.MaxSession = in.Status.At.ARN, cmp.Or(spec.Path, "/"), spec.Description, spec.MaxSession
	out.Boundary, out.Trust = spec.Boundary, cmp.Or(spec.Trust, spec.TrustDocument)
	out.setTags(spec.Tags)
	for _, field := range initial {
		out.lose("spec.initProvider.%s is set at creation only, so the role may differ from it now", field)
	}
	for _, arn := range spec.Managed {
		out.attach(arn)
	}
	c.attachReferences(u, out, spec.ManagedRefs, spec.ManagedSelector)
	for _, p := range spec.Inline {
		out.Inline[p.Name] = p.Policy
	}
	out.Forget = forget(u)
	return out, nil
}

// attachReferences attaches the policies to which a Role refers itself. Crossplane writes
// the ARNs that it finds into the object, which then has both.
func (c *crossplane) attachReferences(u *unstructured.Unstructured, out *Role, refs []crossplaneRef, selector crossplaneSelector) {
	if len(out.Managed) > 0 {
		return
	}
	const field = "spec.forProvider.managedPolicyArns"
	for _, ref := range refs {
		arn := c.policyARN(u, ref, crossplaneSelector{})
		if arn == "" {
			out.lose("%sRefs: Policy %s is not in the input with the ARN in its status", field, ref.Name)
		}
		out.attach(arn)
	}
	if selector.isEmpty() {
		return
	}
	for _, policy := range ofKind(c.objects, c.group, "Policy") {
		if selector.matches(policy, u) {
			out.attach(arnInStatus(policy))
		}
	}
	if len(out.Managed) == 0 {
		out.lose("%sSelector selects no Policy that is in the input with the ARN in its status", field)
	}
}

// forget returns the command after which Crossplane leaves the role alone. The native
// provider has had spec.managementPolicies only in its last versions.
func forget(u *unstructured.Unstructured) string {
	object := "role." + u.GroupVersionKind().Group + "/" + quote(u.GetName())
	if u.GetNamespace() != "" {
		object = "-n " + quote(u.GetNamespace()) + " " + object
	}
	if u.GroupVersionKind().Group == nativeGroup {
		return "kubectl patch " + object + ` --type merge -p '{"spec":{"deletionPolicy":"Orphan"}}' && kubectl delete ` + object
	}
	return "kubectl patch " + object + ` --type merge -p '{"spec":{"managementPolicies":["Observe"]}}'`
}

// setTags reads tags: a map, or in the native provider a list of keys and values.
func (r *Role) setTags(tags any) {
	switch all := tags.(type) {
	case map[string]any:
		for key, value := range all {
			if text, ok := value.(string); ok {
				r.Tags[key] = text
			}
		}
	case []any:
		for _, item := range all {
			pair, _ := item.(map[string]any)
			key, isText := pair["key"].(string)
			value, hasValue := pair["value"].(string)
			if isText && hasValue {
				r.Tags[key] = value
			}
		}
	}
}

// add adds what an object gives to a role.
func (c *crossplane) add(u *unstructured.Unstructured) error {
	merged, _ := provided(u)
	var in crossplanePart
	if err := decode(merged, &in); err != nil {
		return err
	}
	spec := in.Spec.For
	to := c.roleOf(u, cmp.Or(spec.Role, spec.RoleName), cmp.Or(spec.RoleRef, spec.RoleNameRef), spec.RoleSelector, spec.RoleNameSelector)
	if to == nil {
		c.skipped = append(c.skipped, "Crossplane "+u.GetKind()+" "+nameOf(u)+": its Role is not in the input")
		return nil
	}
	if u.GetKind() == "RolePolicy" {
		document, err := textOf(spec.Document)
		to.Inline[cmp.Or(u.GetAnnotations()[externalName], u.GetName())] = cmp.Or(spec.Policy, document)
		return err
	}
	arn := spec.ARN
	if arn == "" {
		arn = c.policyARN(u, spec.ARNRef, spec.ARNSelector)
	}
	if arn == "" {
		to.lose("RolePolicyAttachment %s refers to a Policy that is not in the input with the ARN in its status", u.GetName())
	}
	to.attach(arn)
	return nil
}

// textOf returns a policy that is an object, or a text with one.
func textOf(document any) (string, error) {
	switch d := document.(type) {
	case nil:
		return "", nil
	case string:
		return d, nil
	default:
		raw, err := json.Marshal(d)
		return string(raw), err
	}
}
