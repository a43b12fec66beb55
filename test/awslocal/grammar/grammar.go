// Package grammar produces AWS's messages about policy documents that it rejects: their
// text, and which error is named first when there are several. It checks the syntax
// alone; package policy, which the operator itself uses, evaluates what a policy grants.
// The two are separate so that a mistake in one shows in the other.
//
// The grammar is https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html;
// the words and their order are those of AWS's answers.
package grammar

import (
	"regexp"
	"slices"
	"strings"
)

// AWS's messages.
const (
	syntaxErrors   = "Syntax errors in policy."
	oldVersion     = "Policy document must be version 2012-10-17 or greater."
	failedLegacy   = "The policy failed legacy parsing"
	duplicateSIDs  = "Statement IDs (SID) in a single policy must be unique."
	malformedSID   = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	hasPrincipal   = "Policy document should not specify a principal."
	noActions      = "Policy statement must contain actions."
	noResources    = "Policy statement must contain resources."
	noVendor       = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	twoColons      = "Actions/Condition can contain only one colon."
	unqualified    = "Resource vendor must be fully qualified and cannot contain regexes."
	invalidJSON    = "This policy contains invalid Json"
	notAssumeRole  = "AssumeRole policy may only specify STS AssumeRole actions."
	badFederated   = "Federated principals must be valid domain names or SAML metadata ARNs"
	wrongIAMPath   = `IAM resource path must either be "*", root, or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`
	version2012    = "2012-10-17"
	version2008    = "2008-10-17"
	anyone         = "*"
	allowedEffects = "Allow Deny"
)

// Error is AWS's message about a document: that of a MalformedPolicyDocument.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func reject(message string) error { return &Error{Message: message} }

// CheckManaged rejects what cannot be a managed policy.
func CheckManaged(document string) error { return checkIdentity(document, true) }

// CheckInline rejects what cannot be an inline policy or a session policy: as
// CheckManaged, but older versions of the language are allowed.
func CheckInline(document string) error { return checkIdentity(document, false) }

func checkIdentity(document string, managed bool) error {
	statements, version, ok := parse(document)
	if !ok {
		return reject(syntaxErrors)
	}
	if managed && version != version2012 {
		return reject(oldVersion)
	}
	resourceError, err := legacy(statements)
	if err != nil {
		return err
	}
	if err := checkSIDs(statements); err != nil {
		return err
	}
	for _, s := range statements {
		switch {
		case s.has("Principal") || s.has("NotPrincipal"):
			return reject(hasPrincipal)
		case len(texts(s.values["Action"]))+len(texts(s.values["NotAction"])) == 0:
			return reject(noActions)
		}
	}
	for _, s := range statements {
		if len(texts(s.values["Resource"]))+len(texts(s.values["NotResource"])) == 0 {
			return reject(noResources)
		}
	}
	if resourceError != nil {
		return resourceError
	}
	return checkActions(statements)
}

var alphanumeric = regexp.MustCompile(`^[0-9A-Za-z]*$`)

func checkSIDs(statements []*object) error {
	var seen []string
	for _, s := range statements {
		sid, _ := s.values["Sid"].(string)
		if sid != "" && slices.Contains(seen, sid) {
			return reject(duplicateSIDs)
		}
		seen = append(seen, sid)
	}
	for _, sid := range seen {
		if !alphanumeric.MatchString(sid) {
			return reject(malformedSID)
		}
	}
	return nil
}

var vendorName = regexp.MustCompile(`^[a-zA-Z0-9.-]+$`)

func checkActions(statements []*object) error {
	for _, s := range statements {
		for _, action := range append(texts(s.values["Action"]), texts(s.values["NotAction"])...) {
			if action == anyone {
				continue
			}
			vendor, _, ok := strings.Cut(action, ":")
			switch {
			case !ok:
				return reject(noVendor)
			case strings.Count(action, ":") > 1:
				return reject(twoColons)
			case vendor != anyone && !vendorName.MatchString(vendor):
				return reject("Vendor " + vendor + " is not valid")
			}
		}
	}
	return nil
}

// texts returns the strings of an element that may be one or several.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
