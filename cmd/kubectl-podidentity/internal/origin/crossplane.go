package origin

import (
	"cmp"
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// crossplaneGroups are those of the providers for AWS: upjet's, cluster-scoped and
// namespaced, and the older native one.
var crossplaneGroups = []string{"iam.aws.upbound.io", "iam.aws.m.upbound.io", "iam.aws.crossplane.io"}

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
			TrustDocument string   `json:"assumeRolePolicyDocument"`
			Tags          any      `json:"tags"`
			Managed       []string `json:"managedPolicyArns"`
			Inline        []struct {
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

type crossplaneRef struct {
	Name string `json:"name"`
}

type crossplaneSelector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// crossplane holds the objects of one group.
type crossplane struct {
	objects []*unstructured.Unstructured
	group   string
	roles   map[string]*Role // by name of the object
}

// Crossplane returns the roles among objects of Crossplane's providers for AWS. What
// they refer to must be among them.
func Crossplane(objects []*unstructured.Unstructured) ([]Role, error) {
	var all []*Role
	for _, group := range crossplaneGroups {
		c := crossplane{objects: objects, group: group, roles: map[string]*Role{}}
		for _, u := range ofKind(objects, group, "Role") {
			var in crossplaneRole
			if err := decode(u, &in); err != nil {
				return nil, err
			}
			out := in.role(u)
			all = append(all, out)
			c.roles[u.GetName()] = out
		}
		for _, kind := range []string{"RolePolicyAttachment", "RolePolicy"} {
			for _, u := range ofKind(objects, group, kind) {
				if err := c.add(u); err != nil {
					return nil, err
				}
			}
		}
	}
	return values(all), nil
}

func (in crossplaneRole) role(u *unstructured.Unstructured) *Role {
	spec := in.Spec.For
	out := newRole("Crossplane Role "+u.GetName(), cmp.Or(u.GetAnnotations()[externalName], u.GetName()))
	out.ARN, out.Path, out.Description, out.MaxSession = in.Status.At.ARN, cmp.Or(spec.Path, "/"), spec.Description, spec.MaxSession
	out.Boundary, out.Trust = spec.Boundary, cmp.Or(spec.Trust, spec.TrustDocument)
	out.setTags(spec.Tags)
	for _, arn := range spec.Managed {
		out.attach(arn)
	}
	for _, p := range spec.Inline {
		out.Inline[p.Name] = p.Policy
	}
	object := "role." + u.GroupVersionKind().Group + "/" + quote(u.GetName())
	if u.GetNamespace() != "" {
		object = "-n " + quote(u.GetNamespace()) + " " + object
	}
	out.Forget = "kubectl patch " + object + ` --type merge -p '{"spec":{"managementPolicies":["Observe"]}}'`
	return out
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
	var in crossplanePart
	if err := decode(u, &in); err != nil {
		return err
	}
	spec := in.Spec.For
	to := c.roleOf(cmp.Or(spec.Role, spec.RoleName), cmp.Or(spec.RoleRef.Name, spec.RoleNameRef.Name), spec.RoleSelector, spec.RoleNameSelector)
	if to == nil {
		return nil // of a role that is not in the input
	}
	if u.GetKind() == "RolePolicy" {
		document, err := textOf(spec.Document)
		to.Inline[cmp.Or(u.GetAnnotations()[externalName], u.GetName())] = cmp.Or(spec.Policy, document)
		return err
	}
	arn := spec.ARN
	if arn == "" {
		arn = c.policyARN(spec.ARNRef.Name, spec.ARNSelector)
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

// roleOf returns the role of a name in AWS, of an object, or of labels.
func (c *crossplane) roleOf(name, object string, selectors ...crossplaneSelector) *Role {
	if found := c.roles[object]; found != nil {
		return found
	}
	for _, r := range c.roles {
		if name != "" && r.Name == name {
			return r
		}
	}
	for _, u := range ofKind(c.objects, c.group, "Role") {
		for _, s := range selectors {
			if s.matches(u) {
				return c.roles[u.GetName()]
			}
		}
	}
	return nil
}

func (c *crossplane) policyARN(name string, selector crossplaneSelector) string {
	for _, u := range ofKind(c.objects, c.group, "Policy") {
		if u.GetName() == name || selector.matches(u) {
			arn, _, _ := unstructured.NestedString(u.Object, "status", "atProvider", "arn")
			return arn
		}
	}
	return ""
}

func (s crossplaneSelector) matches(u *unstructured.Unstructured) bool {
	return len(s.MatchLabels) > 0 && labels.SelectorFromSet(s.MatchLabels).Matches(labels.Set(u.GetLabels()))
}
