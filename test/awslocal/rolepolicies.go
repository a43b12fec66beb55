package awslocal

import (
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Policies of roles, attached and inline:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html

func attachRolePolicy(c *call) (model.Struct, error) {
	arn := c.in.Str("PolicyArn")
	return nil, c.editRole(func(r *role) error {
		if err := c.srv.checkPolicyARN(arn); err != nil {
			return err
		}
		p := c.findPolicy(arn)
		switch {
		case p == nil:
			return notAttachable(arn)
		case p.serviceRoleOnly:
			return serviceRolePolicies()
		case slices.Contains(r.attached, arn):
			return nil
		}
		r.attached = append(r.attached, arn)
		return c.srv.within(len(r.attached), "AttachedPoliciesPerRoleQuota", "PoliciesPerRole")
	})
}

func detachRolePolicy(c *call) (model.Struct, error) {
	arn := c.in.Str("PolicyArn")
	return nil, c.editRole(func(r *role) error {
		if err := c.srv.checkPolicyARN(arn); err != nil {
			return err
		}
		i := slices.Index(r.attached, arn)
		if i < 0 {
			return policyNotFound(arn)
		}
		r.attached = slices.Delete(r.attached, i, i+1)
		return nil
	})
}

func listAttachedRolePolicies(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, arn := range r.attached {
		if strings.HasPrefix(pathOfPolicy(arn), c.in.Str("PathPrefix")) {
			arns = append(arns, arn)
		}
	}
	out := model.Struct{}
	arns, err = page(c, out, arns, func(arn string) string { return arn })
	if err != nil {
		return nil, err
	}
	out["AttachedPolicies"] = attachedPolicies(arns)
	return out, nil
}

// pathOfPolicy is the path in the ARN of a policy, which need not be one that this
// endpoint has.
func pathOfPolicy(arn string) string {
	_, path, _ := strings.Cut(arn, ":policy/")
	return "/" + path[:strings.LastIndex(path, "/")+1]
}

func attachedPolicies(arns []string) []any {
	items := []any{}
	for _, arn := range arns {
		items = append(items, model.Struct{"PolicyName": arn[strings.LastIndex(arn, "/")+1:], "PolicyArn": arn})
	}
	return items
}

func putRolePolicy(c *call) (model.Struct, error) {
	return nil, c.editRole(func(r *role) error {
		document := c.in.Str("PolicyDocument")
		if err := checkIdentityPolicy(document); err != nil {
			return err
		}
		r.inline[c.in.Str("PolicyName")] = document
		return c.srv.checkInlineSize(r)
	})
}

func getRolePolicy(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	name := c.in.Str("PolicyName")
	document, ok := r.inline[name]
	if !ok {
		return nil, noRolePolicy(name)
	}
	return model.Struct{"RoleName": r.name, "PolicyName": name, "PolicyDocument": encodeDocument(document)}, nil
}

func deleteRolePolicy(c *call) (model.Struct, error) {
	return nil, c.editRole(func(r *role) error {
		name := c.in.Str("PolicyName")
		if _, ok := r.inline[name]; !ok {
			return noRolePolicy(name)
		}
		delete(r.inline, name)
		return nil
	})
}

func listRolePolicies(c *call) (model.Struct, error) {
	r, err := c.role()
	if err != nil {
		return nil, err
	}
	out := model.Struct{}
	names, err := page(c, out, slices.Sorted(maps.Keys(r.inline)), func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	out["PolicyNames"] = model.List(names)
	return out, nil
}

func noRolePolicy(name string) error {
	return model.Errorf("NoSuchEntity", "The role policy with name %s cannot be found.", name)
}

// serviceRolePolicies rejects a policy that exists only for service-linked roles.
func serviceRolePolicies() error {
	return model.Errorf("PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
}

func notAttachable(arn string) error {
	return model.Errorf("NoSuchEntity", "Policy %s does not exist or is not attachable.%s", arn, notCarried(arn))
}

func policyNotFound(arn string) error {
	return model.Errorf("NoSuchEntity", "Policy %s was not found.%s", arn, notCarried(arn))
}
