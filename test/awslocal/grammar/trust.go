package grammar

import (
	"regexp"
	"slices"
	"strings"
)

// Principals reports whether the principals of a trust policy exist.
type Principals interface {
	// KnownAWS reports whether an account, user or role is known.
	KnownAWS(id string) bool
}

// CheckTrust rejects what cannot be the trust policy of a role.
func CheckTrust(document string, who Principals) error {
	statements, err := parseTrust(document)
	if err != nil {
		return err
	}
	for _, check := range []func(*object) error{
		checkTrustFields,
		checkTrustValues,
		func(s *object) error { return checkPrincipals(s, who) },
	} {
		for _, s := range statements {
			if err := check(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseTrust returns the statements of a trust policy, not yet checked.
func parseTrust(document string) ([]*object, error) {
	v, err := decode(document)
	policy, ok := v.(*object)
	if err != nil || !ok {
		return nil, reject(invalidJSON)
	}
	for _, key := range policy.keys {
		if !slices.Contains(policyElements, key) {
			return nil, reject("Unknown field " + key)
		}
	}
	if version, has := policy.values["Version"]; has && version != version2012 && version != version2008 {
		return nil, reject(syntaxErrors)
	}
	if !policy.has("Statement") {
		return nil, reject("Missing required field Statement")
	}
	if list, isList := policy.values["Statement"].([]any); isList && len(list) == 0 {
		return nil, reject("Could not parse the policy: Statement is empty!")
	}
	statements, ok := listStatements(policy.values["Statement"])
	if !ok {
		return nil, reject(syntaxErrors)
	}
	return statements, nil
}

func checkTrustValues(s *object) error {
	if !wellTyped(s) {
		return reject(syntaxErrors)
	}
	effect, _ := s.values["Effect"].(string)
	if !slices.Contains(strings.Fields(allowedEffects), effect) || !datesParse(s.values["Condition"]) {
		return reject(failedLegacy)
	}
	if slices.ContainsFunc(texts(s.values["Action"]), func(a string) bool { return !isTrustAction(a) }) {
		return reject(notAssumeRole)
	}
	return nil
}

func checkPrincipals(s *object, who Principals) error {
	for _, key := range []string{"Principal", "NotPrincipal"} {
		if v, has := s.values[key]; has {
			if err := checkPrincipal(v, who); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkTrustFields(s *object) error {
	for _, key := range s.keys {
		if !slices.Contains(statementElements, key) {
			return reject("Unknown field " + key)
		}
	}
	switch {
	case s.has("Resource"):
		return reject("Has prohibited field Resource")
	case s.has("NotResource"):
		return reject("AssumeRole policy must not contain resources.")
	case s.has("NotPrincipal") && s.values["Effect"] == "Allow":
		return reject("Allow with NotPrincipal is not allowed.")
	case !s.has("Effect"):
		return reject("Missing required field Effect")
	case !s.has("Principal") && !s.has("NotPrincipal"):
		return reject("Missing required field Principal")
	case !s.has("Action") && !s.has("NotAction"):
		return reject("Missing required field Action")
	}
	return nil
}

// trustActions are STS's actions that a trust policy may name.
var trustActions = []string{
	"sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity", "sts:tagsession",
	"sts:setsourceidentity", "sts:setcontext", "sts:decodeauthorizationmessage", "sts:getaccesskeyinfo",
	"sts:getcalleridentity", "sts:getfederationtoken", "sts:getservicebearertoken", "sts:getsessiontoken",
}

func isTrustAction(action string) bool {
	action = strings.ToLower(action)
	head, _, wild := strings.Cut(action, "*")
	return slices.ContainsFunc(trustActions, func(known string) bool {
		return action == known || wild && strings.HasPrefix(head, "sts:") && strings.HasPrefix(known, head)
	})
}

var (
	domain        = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
	providerARN   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:(oidc|saml)-provider/.+$`)
	serviceName   = regexp.MustCompile(`^[A-Za-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazonaws\.eu|aws\.internal|amazon\.com|aws\.com)$`)
	canonicalUser = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func checkPrincipal(v any, who Principals) error {
	if s, ok := v.(string); ok {
		return reject(`AssumeRolepolicy contained an invalid principal: "STAR":"` + s + `".`)
	}
	kinds, ok := v.(*object)
	if !ok {
		return reject(syntaxErrors)
	}
	if len(kinds.keys) == 0 {
		return reject("Missing required field Principal cannot be empty!")
	}
	for _, kind := range kinds.keys {
		if !isTexts(kinds.values[kind]) {
			return reject(syntaxErrors)
		}
		ids := texts(kinds.values[kind])
		if len(ids) == 0 {
			return reject("Missing required field Principal cannot be empty!")
		}
		for _, id := range ids {
			if err := checkPrincipalID(kind, id, who); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPrincipalID(kind, id string, who Principals) error {
	switch kind {
	case "AWS":
		if id != anyone && !who.KnownAWS(id) {
			return invalidPrincipal("AWS", id)
		}
	case "Service":
		if !serviceName.MatchString(id) {
			return invalidPrincipal("SERVICE", id)
		}
	case "Federated":
		if !domain.MatchString(id) && !providerARN.MatchString(id) {
			return reject(badFederated)
		}
	case "CanonicalUser":
		if !canonicalUser.MatchString(id) {
			return invalidPrincipal("CANONICALUSER", id)
		}
	default:
		return reject("Unknown principal " + kind)
	}
	return nil
}

func invalidPrincipal(kind, id string) error {
	return reject(`Invalid principal in policy: "` + kind + `":"` + id + `"`)
}
