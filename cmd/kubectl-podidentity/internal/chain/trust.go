package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
	"github.com/podidentity/podidentity-operator/internal/policy"
)

const assumeAction = "sts:AssumeRoleWithWebIdentity"

// roleExists checks that the role is there, under exactly the ARN that the pod has.
func roleExists(f Facts) *Link {
	if link := elsewhere(f, LinkRole); link != nil {
		return link
	}
	t, _ := TargetOf(f)
	switch {
	case f.AWS.Role == nil && f.AWS.RoleProblem != "":
		return &Link{LinkRole, check.Unknown, f.AWS.RoleProblem, ""}
	case f.AWS.Role == nil:
		return &Link{
			LinkRole, check.Broken, "role " + t.RoleARN + " does not exist",
			owned(f, "create the role, or correct the annotation of the ServiceAccount"),
		}
	case f.AWS.Role.ARN != t.RoleARN:
		return &Link{
			LinkRole, check.Broken, "the ARN of role " + t.Role.Name + " is " + f.AWS.Role.ARN + ", and the pod has " + t.RoleARN,
			annotate(f, f.AWS.Role.ARN, true) + "; then: " + restart(f.Pod),
		}
	}
	return &Link{LinkRole, check.OK, "role " + t.Role.Name + " exists", ""}
}

// trust evaluates the trust policy with the claims of the token.
func trust(f Facts) *Link {
	if f.AWS.Role == nil || f.Issuer == "" {
		return nil
	}
	p, err := f.AWS.Role.Trust.Policy()
	if err != nil {
		return &Link{LinkTrust, check.Unknown, "the trust policy cannot be read: " + err.Error(), ""}
	}
	t, _ := TargetOf(f)
	request := trustRequest(t)
	switch policy.Evaluate(request, p) {
	case policy.Allowed:
		return &Link{LinkTrust, check.OK, "the role trusts " + t.Subject + " with audience " + t.Audience, ""}
	case policy.ExplicitDeny:
		return &Link{LinkTrust, check.Broken, denyOfTrust(matches(f.AWS.Role.Trust, request, p)), owned(f, "change the trust policy of the role")}
	default:
		message, fix := closest(t, matches(f.AWS.Role.Trust, request, p)).explain(t)
		return &Link{LinkTrust, check.Broken, message, owned(f, fix)}
	}
}

// trustRequest is what STS evaluates the trust policy with.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
func trustRequest(t Target) policy.Request {
	return policy.Request{
		Principals: []policy.Principal{{Type: policy.Federated, ID: t.ProviderARN()}},
		Action:     assumeAction,
		Context: map[string][]string{
			"aws:FederatedProvider": {t.ProviderARN()},
			t.HostPath + ":aud":     {t.Audience},
			t.HostPath + ":sub":     {t.Subject},
			t.HostPath + ":iss":     {"https://" + t.HostPath},
		},
	}
}

// matches explains a policy in the spelling of its document.
func matches(d role.Document, r policy.Request, p policy.Policy) []policy.Match {
	list := policy.Explain(r, p)
	for i := range list {
		s := &list[i].Statement
		s.Actions, s.NotActions = spelled(d, s.Actions), spelled(d, s.NotActions)
		for k := range list[i].Failed {
			list[i].Failed[k].Key = d.Spelling(list[i].Failed[k].Key)
		}
	}
	return list
}

// spelled returns the actions as the document spells them; nil stays nil.
func spelled(d role.Document, actions []string) []string {
	if actions == nil {
		return nil
	}
	list := make([]string, len(actions))
	for i, a := range actions {
		list[i] = d.Spelling(a)
	}
	return list
}

func denyOfTrust(list []policy.Match) string {
	for _, m := range list {
		if m.Statement.Effect == policy.Deny && m.Applies() {
			return "the trust policy denies it: " + describe(m.Statement)
		}
	}
	return "the trust policy denies it"
}

// candidate is a statement that was meant to let the pod in, or the lack of one.
type candidate struct{ match *policy.Match }

// closest returns the Allow statement that comes closest to the request: first by
// action, then by principal, then by the number of conditions that fail.
func closest(t Target, list []policy.Match) candidate {
	var best candidate
	score := -1
	for i := range list {
		m := &list[i]
		if m.Statement.Effect != policy.Allow || !m.Action {
			continue
		}
		s := 0
		if m.Principal {
			s = 1000
		}
		s += 100 - len(m.Failed)
		if !failsOn(m, t.HostPath+":sub") {
			s += 200 // it names this ServiceAccount
		}
		if s > score {
			best, score = candidate{m}, s
		}
	}
	return best
}

func failsOn(m *policy.Match, key string) bool {
	return slices.ContainsFunc(m.Failed, func(c policy.FailedCondition) bool { return strings.EqualFold(c.Key, key) })
}

// explain returns why the statement does not apply, and the fix.
func (c candidate) explain(t Target) (message, fix string) {
	switch {
	case c.match == nil:
		return "no statement of the trust policy allows " + assumeAction, "allow it for " + t.ProviderARN() + " with conditions on " + t.HostPath + ":sub and :aud"
	case !c.match.Principal:
		return explainPrincipal(t, c.match.Statement)
	default:
		return explainCondition(t, c.match.Failed[0])
	}
}

func explainPrincipal(t Target, s policy.Statement) (message, fix string) {
	var trusted []string
	for _, p := range s.Principals {
		trusted = append(trusted, p.ID)
	}
	return fmt.Sprintf("the role trusts %s; the token's provider is %s", orNothing(trusted), t.ProviderARN()),
		"the role is for another cluster or issuer: set Principal.Federated and the keys of the conditions to " + t.HostPath
}

// explainCondition explains a condition that fails, by the mistakes that people
// make with it.
func explainCondition(t Target, c policy.FailedCondition) (message, fix string) {
	expected := strings.Join(c.Values, " or ")
	if len(c.Actual) == 0 {
		return fmt.Sprintf("the condition %s %s fails: a token of this issuer has no such key; its keys are %s:sub and %s:aud", c.Operator, c.Key, t.HostPath, t.HostPath),
			"correct the key of the condition in the trust policy"
	}
	actual := strings.Join(c.Actual, " ")
	message = fmt.Sprintf("the condition %s %s fails: expected %s, actual %s", c.Operator, c.Key, expected, actual)
	switch {
	case strings.HasPrefix(c.Operator, "StringEquals") && slices.ContainsFunc(c.Values, policy.IsPattern):
		return message + "; StringEquals takes * and ? literally", "use StringLike for " + c.Key + ", or name the subject exactly: " + actual
	case slices.ContainsFunc(c.Values, func(v string) bool { return strings.EqualFold(v, actual) }):
		return message + "; they differ in case", "set " + c.Key + " to " + actual
	case strings.HasSuffix(c.Key, ":sub") && slices.Contains(c.Values, t.Audience):
		return message + "; the value is an audience", "compare " + c.Key + " with " + actual + ", and the audience with " + t.HostPath + ":aud"
	default:
		return message, "add " + actual + " to the condition, or run the pod as a ServiceAccount that it names"
	}
}

// describe names a statement by its Sid or by its content.
func describe(s policy.Statement) string {
	if s.SID != "" {
		return "statement " + s.SID
	}
	actions, resources := s.Actions, s.Resources
	text := "the statement " + string(s.Effect)
	if s.NotActions != nil {
		text, actions = text+" all actions but", s.NotActions
	}
	text += " " + some(actions)
	if s.NotResources != nil {
		text, resources = text+" on all but", s.NotResources
	} else if resources != nil {
		text += " on"
	}
	if resources == nil {
		return text
	}
	return text + " " + some(resources)
}

// some lists the first of many values.
func some(values []string) string {
	const shown = 3
	if len(values) <= shown {
		return strings.Join(values, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(values[:shown], ", "), len(values)-shown)
}
