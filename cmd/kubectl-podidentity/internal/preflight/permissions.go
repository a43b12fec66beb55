package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/iampolicy"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	operatoroptions "github.com/podidentity/podidentity-operator/internal/options"
	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

// permissions checks that the policies of the operator's role, and its boundary,
// allow each action that the shipped policy allows.
func permissions(f Facts) Check {
	const name = "permissions"
	switch {
	case f.AWS == nil:
		return unknown(name, f.AWSProblem)
	case f.AWS.OperatorRoleProblem != "":
		return unknown(name, f.AWS.OperatorRoleProblem)
	case f.AWS.OperatorRole == nil:
		return unknown(name, "the operator's role is not known")
	case f.Operator == nil || f.Operator.OptionsProblem != "":
		return unknown(name, "without the operator's options, what it needs is not known")
	}
	requests, err := Needed(f.settings())
	if err != nil {
		return unknown(name, err.Error())
	}
	missing := map[string]bool{}
	for _, r := range requests {
		if !allows(f.AWS.OperatorRole, r) {
			missing[r.Action] = true
		}
	}
	if len(missing) > 0 {
		return Check{
			name, check.Broken, fmt.Sprintf("the operator's role %s lacks %s", f.AWS.OperatorRole.Name, strings.Join(slices.Sorted(maps.Keys(missing)), ", ")),
			"attach the policies that kubectl podidentity iam-policy prints (operator-policy…) to the role",
		}
	}
	return ok(name, fmt.Sprintf("the operator's role %s has all permissions that the operator needs", f.AWS.OperatorRole.Name))
}

func (f Facts) settings() iampolicy.Settings {
	o := f.Operator.Options
	s := iampolicy.Settings{
		Cluster: o.ClusterName, Partition: f.AWS.Partition, AccountID: f.AWS.AccountID, Issuer: f.Issuer, RolePath: o.RolePath,
		NoBoundary: o.PermissionsBoundary == "", CreateProvider: o.OIDCProvider == operatoroptions.OIDCProviderCreate,
		EventQueueURL: o.EventQueueURL,
	}
	if _, name, found := strings.Cut(o.PermissionsBoundary, ":policy/"); found {
		s.BoundaryName = name
	}
	return s
}

// Needed returns a request for each action, and each resource, that the shipped
// policy of the operator allows, with what the operator's own requests hold.
func Needed(s iampolicy.Settings) ([]policy.Request, error) {
	documents, err := iampolicy.Documents(s)
	if err != nil {
		return nil, err
	}
	var requests []policy.Request
	for _, d := range documents {
		if !strings.HasPrefix(d.Name, "operator-policy") {
			continue
		}
		parsed, err := policy.Parse([]byte(d.JSON))
		if err != nil {
			return nil, err
		}
		for _, statement := range parsed.Policy().Statements {
			if statement.Effect == policy.Allow {
				requests = append(requests, requestsOf(role.Document(d.JSON), statement, s.Cluster)...)
			}
		}
	}
	return requests, nil
}

// requestsOf returns requests that a statement of a document allows: one for each
// action and resource.
func requestsOf(d role.Document, s policy.Statement, cluster string) []policy.Request {
	// Names of keys are case-insensitive, so a key in two spellings would have two values.
	context := map[string][]string{
		// Every role that the operator writes to carries them, and every role that it creates.
		strings.ToLower("aws:ResourceTag/" + plan.TagCluster): {cluster},
		strings.ToLower("aws:RequestTag/" + plan.TagCluster):  {cluster},
	}
	for _, c := range s.Conditions {
		if !strings.Contains(c.Operator, "Not") && !strings.HasPrefix(c.Operator, "ForAllValues") && c.Operator != "Null" {
			context[strings.ToLower(c.Key)] = []string{example(c.Values[0])}
		}
	}
	var requests []policy.Request
	for _, action := range s.Actions {
		for _, resource := range s.Resources {
			requests = append(requests, policy.Request{Action: d.Spelling(action), Resource: example(resource), Context: context})
		}
	}
	return requests
}

// example returns a string that a pattern matches.
func example(pattern string) string { return strings.NewReplacer("*", "x", "?", "x").Replace(pattern) }

// allows reports whether a role may do what is requested.
func allows(r *role.Role, request policy.Request) bool {
	var policies []policy.Policy
	for _, p := range r.Policies {
		parsed, err := p.Document.Policy()
		if err != nil {
			return false
		}
		policies = append(policies, parsed)
	}
	if policy.Evaluate(request, policies...) != policy.Allowed {
		return false
	}
	if r.Boundary == nil {
		return true
	}
	parsed, err := r.Boundary.Document.Policy()
	return err == nil && policy.Evaluate(request, parsed) == policy.Allowed
}
