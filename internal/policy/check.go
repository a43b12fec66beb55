package policy

import (
	"fmt"
	"slices"
	"strings"
)

// CheckIdentity returns an *Error for the first part of p that AWS would reject in an
// identity policy, nil if there is none. It knows the grammar, but no names of
// services, actions and condition keys. Where AWS documents no rule it accepts, because
// a user cannot get around its errors.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
//
// AWS documents Id for resource policies only, but IAM accepts it in identity policies.
func (p Policy) CheckIdentity() error {
	return p.check(func(s Statement, path string) error {
		if s.Principals != nil || s.NotPrincipals != nil {
			return errorAt(path, "must not have a Principal; the principal is implied by the attachment")
		}
		return checkResources(s, path, p.Version)
	})
}

// CheckTrust returns an *Error for the first part of p that AWS would reject in a role's
// trust policy, nil if there is none.
func (p Policy) CheckTrust() error {
	return p.check(func(s Statement, path string) error {
		if s.Resources != nil || s.NotResources != nil {
			return errorAt(path, "must not have a Resource; the resource is the role itself")
		}
		if s.NotActions != nil {
			return errorAt(path+".NotAction", "must be Action; a trust policy lists the actions that it allows")
		}
		for i, a := range s.Actions {
			if !isTrustAction(lower(a)) {
				return errorAt(item(path+".Action", i), "must be one of %s, not %q", names(trustNames()), a)
			}
		}
		return checkPrincipals(s, path)
	})
}

// trustActions are the actions of trust policies, by their names in lower case:
// "AssumeRole policy may only specify STS AssumeRole actions".
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-sts
var trustActions = map[string]string{
	"sts:assumerole":                "sts:AssumeRole",
	"sts:assumerolewithsaml":        "sts:AssumeRoleWithSAML",
	"sts:assumerolewithwebidentity": "sts:AssumeRoleWithWebIdentity",
	"sts:setcontext":                "sts:SetContext",
	"sts:setsourceidentity":         "sts:SetSourceIdentity",
	"sts:tagsession":                "sts:TagSession",
}

// isTrustAction accepts patterns of STS actions: AWS documents no rule about them.
func isTrustAction(folded string) bool {
	_, known := trustActions[folded]
	return known || strings.HasPrefix(folded, "sts:") && strings.ContainsAny(folded, "*?")
}

func trustNames() map[string]bool {
	all := map[string]bool{}
	for _, name := range trustActions {
		all[name] = true
	}
	return all
}

// check applies the rules of all policies, and then those of own to each statement.
func (p Policy) check(own func(s Statement, path string) error) error {
	if p.Version != "" && p.Version != Version2008 && p.Version != Version2012 {
		return errorAt("Version", "must be %s or %s, not %q", Version2012, Version2008, p.Version)
	}
	if len(p.Statements) == 0 {
		return errorAt("Statement", "must contain at least one statement")
	}
	sids := map[string]bool{}
	for i, s := range p.Statements {
		path := item("Statement", i)
		if err := checkStatement(s, path, sids); err != nil {
			return err
		}
		if err := own(s, path); err != nil {
			return err
		}
	}
	return nil
}

func checkStatement(s Statement, path string, sids map[string]bool) error {
	if strings.ContainsFunc(s.SID, func(r rune) bool { return !isAlnum(r) }) {
		return errorAt(path+".Sid", "must contain only letters A-Z, a-z and digits, not %q", s.SID)
	}
	if sids[s.SID] {
		return errorAt(path+".Sid", "must be unique in the policy; %q is a duplicate", s.SID)
	}
	sids[s.SID] = s.SID != ""
	if s.Effect != Allow && s.Effect != Deny {
		return errorAt(path+".Effect", "must be Allow or Deny, not %q", s.Effect)
	}
	if err := oneElement(path, "Action", s.Actions, s.NotActions); err != nil {
		return err
	}
	for i, a := range s.Actions {
		if !isAction(a) {
			return errorAt(item(path+".Action", i), "must be * or service:Name such as s3:GetObject, not %q", a)
		}
	}
	for i, a := range s.NotActions {
		if !isAction(a) {
			return errorAt(item(path+".NotAction", i), "must be * or service:Name such as s3:GetObject, not %q", a)
		}
	}
	return checkConditions(s.Conditions, path+".Condition")
}

// oneElement requires an element or its negation, with at least one value.
func oneElement[T any](path, name string, is, not []T) error {
	switch {
	case is != nil && not != nil:
		return errorAt(path, "must have one of %[1]s and Not%[1]s, not both", name)
	case len(is) == 0 && len(not) == 0:
		return errorAt(path, "must have %[1]s or Not%[1]s, with at least one value", name)
	default:
		return nil
	}
}

// isAction reports whether a is * or service:Name, with wildcards in the name only.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
func isAction(a string) bool {
	service, name, found := strings.Cut(a, ":")
	if !found || service == "*" {
		return a == "*" || a == "*:*"
	}
	return consistsOf(service, "-") && consistsOf(name, "-_*?")
}

// consistsOf reports whether s is not empty and contains only letters, digits and
// others.
func consistsOf(s, others string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !isAlnum(r) && !strings.ContainsRune(others, r)
	})
}

func checkResources(s Statement, path, version string) error {
	if err := oneElement(path, "Resource", s.Resources, s.NotResources); err != nil {
		return err
	}
	for _, e := range []struct {
		name string
		list []string
	}{{"Resource", s.Resources}, {"NotResource", s.NotResources}} {
		for i, r := range e.list {
			if problem := resourceProblem(r, version); problem != "" {
				return errorAt(item(path+"."+e.name, i), "%s, not %q", problem, r)
			}
		}
	}
	return nil
}

// resourceProblem returns the rule that r violates, "" if there is none. The rules are
// those of IAM's messages: "must be in ARN format or \"*\"" and "Resource vendor must be
// fully qualified and cannot contain regexes".
func resourceProblem(r, version string) string {
	part := strings.SplitN(r, ":", 6)
	switch {
	case r == "*":
		return ""
	case part[0] != "arn" || len(part) < 3 || part[1] == "" || len(part) < 6 && !strings.HasSuffix(r, "*"):
		return "must be * or an ARN"
	case part[2] == "" || strings.ContainsAny(part[2], "*?"):
		return "must name the service, without wildcards"
	case version == Version2012 && hasVariable(strings.Join(part[:min(5, len(part))], ":")):
		return "must contain policy variables after the fifth colon only"
	default:
		return ""
	}
}

func checkPrincipals(s Statement, path string) error {
	if err := oneElement(path, "Principal", s.Principals, s.NotPrincipals); err != nil {
		return err
	}
	for _, p := range slices.Concat(s.Principals, s.NotPrincipals) {
		if problem := principalProblem(canonicalPrincipal(p)); problem != "" {
			return errorAt(path+".Principal."+p.Type, "%s, not %q", problem, p.ID)
		}
	}
	return nil
}

// principalProblem returns the rule for trust policies that p violates, "" if there is
// none.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func principalProblem(p Principal) string {
	isARN := strings.HasPrefix(p.ID, "arn:") && len(strings.SplitN(p.ID, ":", 6)) == 6
	wild := strings.ContainsAny(p.ID, "*?")
	switch {
	case p.Type == AWS && p.ID == "*":
		return ""
	case !slices.Contains([]string{AWS, Federated, Service}, p.Type):
		return "must be of type AWS, Federated or Service in a trust policy"
	case wild:
		return "must be named in full, without wildcards"
	case p.Type == AWS && !isARN && !consistsOf(p.ID, ""): // a unique ID, such as AROA…, or an account
		return "must be an account ID or an ARN"
	case p.Type == Federated && !isARN && !consistsOf(p.ID, "-."):
		return "must be a provider's ARN or a domain name"
	case p.Type == Service && !consistsOf(p.ID, "-."):
		return "must be a service such as ec2.amazonaws.com"
	default:
		return ""
	}
}

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
