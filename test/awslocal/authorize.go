package awslocal

import (
	"slices"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// The authorization of calls: the policies of the calling role, its permissions boundary
// and the policies of its session must all allow what a call needs, and none may deny it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

// unauthenticated are the actions that need no permission: STS answers GetCallerIdentity
// for every caller, and the trust policy controls the others.
var unauthenticated = []string{"GetCallerIdentity", "AssumeRole", "AssumeRoleWithWebIdentity"}

// authorize rejects a call that the caller's policies do not allow.
func (c *call) authorize() error {
	if !c.srv.options.Authorize || c.caller.session == nil || slices.Contains(unauthenticated, c.action) {
		return nil
	}
	for _, n := range c.requiredPermissions() {
		if err := c.allowed(n); err != nil {
			return err
		}
	}
	return nil
}

// layer is one of the kinds of policies that must all allow a call.
type layer struct {
	article, name string // as AWS writes it
	policies      []policy.Policy
}

// allowed rejects a call for one permission that it needs.
func (c *call) allowed(n requiredPermission) error {
	r := c.st.roleOf(c.caller.session)
	if r == nil { // deleted since the call came in, or not yet to be seen
		return unknownToken()
	}
	if decision, why := c.decide(r, n); decision != policy.Allowed {
		return model.Errorf("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s %s",
			c.caller.arn, n.action, n.resource.name(), why)
	}
	return nil
}

// decide evaluates all layers of a session of r, and states why it is not allowed.
func (c *call) decide(r *role, n requiredPermission) (policy.Decision, string) {
	request := policy.Request{Action: n.action, Resource: n.resource.arn, Context: c.contextOf(n)}
	decision, why := policy.Allowed, ""
	for _, l := range c.layers(r) {
		switch policy.Evaluate(request, l.policies...) {
		case policy.ExplicitDeny:
			return policy.ExplicitDeny, "with an explicit deny in " + l.article + " " + l.name
		case policy.ImplicitDeny:
			if decision == policy.Allowed {
				decision, why = policy.ImplicitDeny, "because no "+l.name+" allows the "+n.action+" action"
			}
		case policy.Allowed:
		}
	}
	return decision, why
}

// layers returns what must allow a call of a session of r.
func (c *call) layers(r *role) []layer {
	identity := layer{article: "an", name: "identity-based policy"}
	for _, document := range r.inline {
		identity.policies = append(identity.policies, parsed(document))
	}
	for _, arn := range r.attached {
		identity.policies = append(identity.policies, c.managedDocument(arn))
	}
	layers := []layer{identity}
	if r.boundary != "" {
		layers = append(layers, layer{article: "a", name: "permissions boundary", policies: []policy.Policy{c.managedDocument(r.boundary)}})
	}
	if len(c.caller.session.policies) > 0 {
		session := layer{article: "a", name: "session policy"}
		for _, document := range c.caller.session.policies {
			session.policies = append(session.policies, parsed(document))
		}
		layers = append(layers, session)
	}
	return layers
}

// managedDocument returns the policy in force; one that does not exist allows
// nothing.
func (c *call) managedDocument(arn string) policy.Policy {
	p := c.findPolicy(arn)
	if p == nil {
		return policy.Policy{}
	}
	return parsed(p.defaultVersion().document)
}

// parsed returns the policy of a document that was validated when it was stored.
func parsed(document string) policy.Policy {
	d, err := policy.Parse([]byte(document))
	if err != nil {
		return policy.Policy{}
	}
	return d.Policy()
}

// mayAssume rejects an action of STS on r, unless its trust policy names the caller, or
// names the caller's account and the caller's policies allow the action.
func (c *call) mayAssume(r *role, action string, keys map[string][]string) error {
	who := c.caller.principals()
	decision, why := policy.Allowed, ""
	if c.srv.options.Authorize && c.caller.session != nil {
		caller := c.st.roleOf(c.caller.session)
		if caller == nil {
			return unknownToken()
		}
		decision, why = c.decide(caller, requiredPermission{action: action, resource: resource{arn: r.arn, tags: r.tags}, keys: keys})
	}
	keys = c.contextOf(requiredPermission{action: action, resource: resource{tags: r.tags}, keys: keys})
	trusted := r.trusts(action, who, keys)
	switch {
	case decision == policy.ExplicitDeny:
		return c.notAuthorized(action, r.arn, " "+why)
	case trusted == policy.ExplicitDeny:
		return c.notAuthorized(action, r.arn, " with an explicit deny in a resource-based policy")
	case decision == policy.Allowed && trusted == policy.Allowed:
		return nil
	case decision == policy.ImplicitDeny && r.trustsByName(action, who, keys) == policy.Allowed:
		return nil
	}
	return c.notAuthorized(action, r.arn, "")
}

// notAuthorized is the error of STS for a role that the caller may not assume.
func (c *call) notAuthorized(action, roleARN, why string) error {
	return model.Errorf("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s%s", c.caller.arn, action, roleARN, why)
}
