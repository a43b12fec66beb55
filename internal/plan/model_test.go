package plan

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// The model of the planner's properties is small enough to be enumerated:
// a few subjects, actions and resources, and policies and boundaries over them.
var (
	modelSubjects  = []string{"a", "b", "c"}
	modelActions   = []string{"s3:GetObject", "s3:PutObject", "sqs:SendMessage"}
	modelResources = []string{"arn:aws:s3:::one", "arn:aws:s3:::two"}
	modelManaged   = map[string]policy.Document{
		"arn:aws:iam::aws:policy/Get": allowing("s3:GetObject", "*"),
		"arn:aws:iam::aws:policy/S3":  allowing("s3:*", "*"),
		"arn:aws:iam::aws:policy/SQS": allowing("sqs:*", "*"),
	}
	modelBoundaries = map[string]policy.Document{
		"":                                allowing("*", "*"),
		"arn:aws:iam::1:policy/bound-s3":  allowing("s3:*", "*"),
		"arn:aws:iam::1:policy/bound-one": allowing("*", "arn:aws:s3:::one"),
	}
)

func allowing(action, resource string) policy.Document {
	return policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
		{Effect: policy.Allow, Actions: []string{action}, Resources: []string{resource}},
	}}.Document()
}

var propertySpec = policy.TrustSpec{ProviderARN: "arn:aws:iam::123456789012:oidc-provider/oidc.example.com", Issuer: "oidc.example.com", Audience: "aud", Namespace: "ns"}

func trusting(serviceAccounts ...string) policy.Document {
	spec := propertySpec
	spec.ServiceAccounts = serviceAccounts
	return policy.Trust(spec)
}

// trusts draws a trust policy: a generated one, or a hand-written one.
var trusts = rapid.Custom(func(t *rapid.T) policy.Document {
	switch rapid.IntRange(0, 5).Draw(t, "trust") {
	case 0:
		spec := propertySpec
		spec.WholeNamespace = true
		return policy.Trust(spec)
	case 1:
		return policy.Policy{Version: policy.Version2012, Statements: []policy.Statement{
			{Effect: policy.Allow, Principals: []policy.Principal{{Type: policy.Federated, ID: propertySpec.ProviderARN}}, Actions: []string{"sts:AssumeRoleWithWebIdentity"}},
		}}.Document()
	default:
		return trusting(rapid.SliceOfNDistinct(rapid.SampledFrom(modelSubjects), 1, 3, rapid.ID[string]).Draw(t, "subjects")...)
	}
})

// documents draws an inline policy of allows, denials or both.
var documents = rapid.Custom(func(t *rapid.T) policy.Document {
	p := policy.Policy{Version: policy.Version2012}
	for range rapid.IntRange(1, 3).Draw(t, "statements") {
		p.Statements = append(p.Statements, policy.Statement{
			Effect:    rapid.SampledFrom([]policy.Effect{policy.Allow, policy.Allow, policy.Deny}).Draw(t, "effect"),
			Actions:   []string{rapid.SampledFrom(append([]string{"s3:*", "*"}, modelActions...)).Draw(t, "action")},
			Resources: []string{rapid.SampledFrom(append([]string{"*"}, modelResources...)).Draw(t, "resource")},
		})
	}
	return p.Document()
})

// rolesOf draws a role.
var rolesOf = rapid.Custom(func(t *rapid.T) Role {
	return Role{
		Name:               "r",
		Path:               "/p/",
		Description:        rapid.SampledFrom([]string{"", "x"}).Draw(t, "description"),
		MaxSessionDuration: rapid.SampledFrom([]int32{3600, 7200}).Draw(t, "session"),
		Boundary:           rapid.SampledFrom(slices.Sorted(maps.Keys(modelBoundaries))).Draw(t, "boundary"),
		Trust:              trusts.Draw(t, "trust"),
		Tags:               rapid.MapOfN(rapid.SampledFrom([]string{"k", "l"}), rapid.SampledFrom([]string{"1", "2"}), 0, 2).Draw(t, "tags"),
		Managed:            slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(modelManaged))), 0, 2, rapid.ID[string]).Draw(t, "managed"))),
		Inline:             rapid.MapOfN(rapid.SampledFrom([]string{"p", "q", "r"}), rapid.Map(documents, func(d policy.Document) InlinePolicy { return InlinePolicy{Document: d} }), 0, 3).Draw(t, "inline"),
	}
})

// applyTo makes a change to a model of AWS; nil means that the role does not exist.
func applyTo(role *Role, change Change) *Role {
	var next Role
	if role != nil {
		next = role.Clone()
	}
	switch c := change.(type) {
	case CreateRole:
		next = c.Role.Clone()
		next.Inline = map[string]InlinePolicy{}
	case DeleteRole:
		return nil
	case RemoveFromInstanceProfile: // grants nothing in this model
	case UpdateTrust:
		next.Trust = c.Trust
	case UpdateRole:
		next.Description, next.MaxSessionDuration = c.Description, c.MaxSessionDuration
	case PutBoundary:
		next.Boundary = c.ARN
	case DeleteBoundary:
		next.Boundary = ""
	case TagRole:
		maps.Copy(next.Tags, c.Tags)
	case UntagRole:
		for _, key := range c.Keys {
			delete(next.Tags, key)
		}
	case PutRolePolicy:
		next.Inline[c.Name] = c.Policy
	case DeleteRolePolicy:
		delete(next.Inline, c.Name)
	case AttachPolicy:
		next.Managed = slices.Sorted(slices.Values(append(next.Managed, c.ARN)))
	case DetachPolicy:
		next.Managed = slices.DeleteFunc(next.Managed, func(arn string) bool { return arn == c.ARN })
	}
	return &next
}

// grant is what a role allows a caller.
type grant struct{ subject, action, resource string }

// grantsOf returns all that a role grants in the small model; nil grants nothing.
func grantsOf(role *Role) map[grant]bool {
	all := map[grant]bool{}
	if role == nil {
		return all
	}
	policies := []policy.Policy{}
	for _, arn := range role.Managed {
		policies = append(policies, modelManaged[arn].Policy())
	}
	for _, p := range role.Inline {
		policies = append(policies, p.Document.Policy())
	}
	for _, subject := range modelSubjects {
		assume := policy.Request{
			Principals: []policy.Principal{{Type: policy.Federated, ID: propertySpec.ProviderARN}},
			Action:     "sts:AssumeRoleWithWebIdentity",
			Context:    map[string][]string{"oidc.example.com:aud": {"aud"}, "oidc.example.com:sub": {"system:serviceaccount:ns:" + subject}},
		}
		if policy.Evaluate(assume, role.Trust.Policy()) != policy.Allowed {
			continue
		}
		for _, action := range modelActions {
			for _, resource := range modelResources {
				request := policy.Request{Action: action, Resource: resource}
				if policy.Evaluate(request, policies...) == policy.Allowed && policy.Evaluate(request, modelBoundaries[role.Boundary].Policy()) == policy.Allowed {
					all[grant{subject, action, resource}] = true
				}
			}
		}
	}
	return all
}
