package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// explicitDeny looks for a statement that denies the request, in the identity
// policies and in the boundary: it overrules everything that allows.
func explicitDeny(f Facts) *Link {
	if link := unreadable(f, LinkDeny); link != nil {
		return link
	}
	all := f.AWS.Role.Policies
	if f.AWS.Role.Boundary != nil {
		all = append(slices.Clone(all), *f.AWS.Role.Boundary)
	}
	found := evaluate(f, all)
	switch {
	case found.denied != nil:
		return &Link{
			LinkDeny, check.Broken, fmt.Sprintf("%s denies %s", found.denied, requested(f)),
			owned(f, "remove or narrow that statement"),
		}
	case found.mayDeny != nil:
		return &Link{
			LinkDeny, check.Unknown, fmt.Sprintf("%s may deny %s, depending on %s", found.mayDeny, requested(f), found.mayDeny.keys()),
			"specify the value in the request with --request-context " + shellQuote(found.mayDeny.unknown[0]) + "=VALUE",
		}
	case found.unreadable != "":
		return &Link{LinkDeny, check.Unknown, found.unreadable, ""}
	}
	return &Link{LinkDeny, check.OK, "no policy of the role denies it explicitly", ""}
}

// permissions looks for a statement of the identity policies that allows the request.
func permissions(f Facts) *Link {
	if unreadable(f, LinkPermissions) != nil {
		return nil // the link before it reports this
	}
	found := evaluate(f, f.AWS.Role.Policies)
	if found.allowed != nil {
		return &Link{LinkPermissions, check.OK, fmt.Sprintf("%s allows %s", found.allowed, requested(f)), ""}
	}
	return notAllowed(f, LinkPermissions, found, "no policy of the role allows "+requested(f),
		"allow it in spec.policies of the PodIdentity or in a policy of the role")
}

// boundary checks that the boundary also allows the request. It grants nothing itself.
func boundary(f Facts) *Link {
	if unreadable(f, LinkBoundary) != nil || f.AWS.Role.Boundary == nil {
		return nil
	}
	b := *f.AWS.Role.Boundary
	found := evaluate(f, []role.Policy{b})
	if found.allowed != nil {
		return &Link{LinkBoundary, check.OK, fmt.Sprintf("the permissions boundary %s allows it, by %s", b.Name, describe(found.allowed.Statement)), ""}
	}
	if b.Document == "" {
		return &Link{LinkBoundary, check.Broken, "the permissions boundary " + b.ARN + " does not exist, so nothing is allowed", "create it, or set another boundary"}
	}
	return notAllowed(f, LinkBoundary, found, "the permissions boundary "+b.Name+" does not allow "+requested(f),
		"the owner of the boundary, usually the platform team, decides; the role cannot exceed it")
}

func notAllowed(f Facts, name string, found decision, message, fix string) *Link {
	if found.mayAllow != nil {
		return &Link{
			name, check.Unknown, fmt.Sprintf("%s may allow %s, depending on %s", found.mayAllow, requested(f), found.mayAllow.keys()),
			"specify the value in the request with --request-context " + shellQuote(found.mayAllow.unknown[0]) + "=VALUE",
		}
	}
	if found.unreadable != "" {
		return &Link{name, check.Unknown, found.unreadable, ""}
	}
	if found.near != nil {
		message += fmt.Sprintf("; the closest is %s: %s", found.near, found.near.difference())
	}
	return &Link{name, check.Broken, message, fix}
}

// simulation compares the result with that of IAM's own simulator.
func simulation(f Facts) *Link {
	s := f.AWS.Simulation
	switch {
	case s == nil:
		return nil
	case s.Problem != "":
		return &Link{LinkSimulation, check.Unknown, s.Problem, ""}
	case s.Decision == policy.Allowed.String():
		return &Link{LinkSimulation, check.OK, "IAM's policy simulator also allows it", ""}
	}
	by := ""
	if s.DeniedBy != "" {
		by = " (" + s.DeniedBy + ")"
	}
	return &Link{
		LinkSimulation, check.Broken, "IAM's policy simulator differs: " + s.Decision + by + "; it also evaluates service control policies",
		"ask the owner of the AWS organization about its service control policies",
	}
}

// unreadable returns an unknown link if the policies of the role were not read.
func unreadable(f Facts, name string) *Link {
	switch {
	case f.AWS.Role == nil:
		return &Link{name, check.Unknown, "the policies of the role are not known", ""}
	case f.AWS.PoliciesProblem != "":
		return &Link{name, check.Unknown, f.AWS.PoliciesProblem, ""}
	}
	return nil
}

func requested(f Facts) string {
	if f.Request.Resource == "" || f.Request.Resource == "*" {
		return f.Request.Action
	}
	return f.Request.Action + " on " + f.Request.Resource
}

// finding is a statement of a policy that matters.
type finding struct {
	policy.Match
	in      role.Policy
	unknown []string // keys of its conditions that the walk does not know
}

func (f *finding) String() string { return describe(f.Statement) + " of " + f.in.Title() }

func (f *finding) keys() string { return strings.Join(f.unknown, ", ") }

// difference returns what in the statement does not match.
func (f *finding) difference() string {
	switch {
	case !f.Action:
		return "it covers other actions"
	case !f.Resource:
		return "it covers " + some(slices.Concat(f.Statement.Resources, f.Statement.NotResources))
	default:
		c := f.Failed[0]
		return fmt.Sprintf("its condition %s %s expects %s, actual %s", c.Operator, c.Key, strings.Join(c.Values, " or "), orNothing(c.Actual))
	}
}

// decision is how policies of one kind apply to the request.
type decision struct {
	denied, mayDeny   *finding
	allowed, mayAllow *finding
	near              *finding // an Allow that matches all but the resource or a condition
	unreadable        string
}

// evaluate evaluates policies of one kind together. A statement that matches but
// for a condition on a key that the walk does not know may apply or not.
func evaluate(f Facts, policies []role.Policy) decision {
	request, known := requestOf(f)
	var v decision
	for _, in := range policies {
		if in.Document == "" {
			continue // does not exist
		}
		p, err := in.Document.Policy()
		if err != nil {
			v.unreadable = in.Title() + " cannot be read: " + err.Error()
			continue
		}
		for _, m := range matches(in.Document, request, p) {
			v.add(&finding{Match: m, in: in, unknown: unknownKeys(in.Document, m.Statement, known)})
		}
	}
	return v
}

func (v *decision) add(f *finding) {
	deny := f.Statement.Effect == policy.Deny
	matches := f.Principal && f.Action && f.Resource
	open := matches && len(f.unknown) > 0 && !slices.ContainsFunc(f.Failed, func(c policy.FailedCondition) bool {
		return !containsFold(f.unknown, c.Key)
	})
	switch {
	case open && deny:
		first(&v.mayDeny, f)
	case open:
		first(&v.mayAllow, f)
	case f.Applies() && deny:
		first(&v.denied, f)
	case f.Applies():
		first(&v.allowed, f)
	case !deny && f.Action:
		first(&v.near, f)
	}
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return strings.EqualFold(other, s) })
}

func first(to **finding, f *finding) {
	if *to == nil {
		*to = f
	}
}

// requestOf returns the request of a session of the role, and the keys that are
// known to be in it or not, in lower case.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func requestOf(f Facts) (policy.Request, map[string]bool) {
	t, _ := TargetOf(f)
	r := f.AWS.Role
	context := map[string][]string{
		"aws:PrincipalArn":          {r.ARN},
		"aws:PrincipalAccount":      {t.Role.AccountID},
		"aws:PrincipalType":         {"AssumedRole"},
		"aws:PrincipalIsAWSService": {"false"},
		"aws:ViaAWSService":         {"false"},
		"aws:SecureTransport":       {"true"},
		"aws:FederatedProvider":     {t.ProviderARN()},
		t.HostPath + ":aud":         {t.Audience},
		t.HostPath + ":sub":         {t.Subject},
	}
	for key, value := range r.Tags {
		context["aws:PrincipalTag/"+key] = []string{value}
	}
	if region := part(f.Request.Resource, 3); region != "" {
		context["aws:RequestedRegion"] = []string{region}
	}
	if account := part(f.Request.Resource, 4); account != "" {
		context["aws:ResourceAccount"] = []string{account}
	}
	known := map[string]bool{"aws:multifactorauthpresent": true, "aws:multifactorauthage": true, "aws:sourceidentity": true}
	for key, values := range f.Request.Context {
		known[strings.ToLower(key)] = true
		removeFold(context, key)
		if len(values) > 0 {
			context[key] = values
		}
	}
	for key := range context {
		known[strings.ToLower(key)] = true
	}
	resource := f.Request.Resource
	if resource == "" {
		resource = "*"
	}
	return policy.Request{Action: f.Request.Action, Resource: resource, Context: context}, known
}

// removeFold removes a key from a context whatever its case.
func removeFold(context map[string][]string, key string) {
	for k := range context {
		if strings.EqualFold(k, key) {
			delete(context, k)
		}
	}
}

// unknownKeys returns the keys of the statement's conditions that are not known. A
// tag of the role that is not there is known not to be.
func unknownKeys(d role.Document, s policy.Statement, known map[string]bool) []string {
	var keys []string
	for _, c := range s.Conditions {
		key := strings.ToLower(c.Key)
		if !known[key] && !strings.HasPrefix(key, "aws:principaltag/") && !containsFold(keys, c.Key) {
			keys = append(keys, d.Spelling(c.Key))
		}
	}
	return keys
}

// part returns a part of an ARN, "" if it is a pattern or the ARN has no such part.
func part(arn string, i int) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || strings.ContainsAny(parts[i], "*?") {
		return ""
	}
	return parts[i]
}
