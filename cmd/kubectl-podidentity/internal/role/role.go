// Package role holds IAM roles and OIDC providers as the plugin sees them.
package role

import (
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/podidentity/podidentity-operator/internal/policy"
)

// Role is an IAM role.
type Role struct {
	Name       string    `json:"name"`
	ARN        string    `json:"arn"`
	ID         string    `json:"id,omitempty"`
	Path       string    `json:"path,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	LastUsed   time.Time `json:"lastUsed,omitzero"`
	LastRegion string    `json:"lastUsedRegion,omitempty"`
	// Description and MaxSession are empty if the role comes from a list.
	Description string            `json:"description,omitempty"`
	MaxSession  int32             `json:"maxSessionDurationSeconds,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Trust       Document          `json:"trust"`
	// Boundary is the permissions boundary, nil if there is none. A document is in
	// it, and in Policies, only if the policies were read.
	Boundary *Policy  `json:"boundary,omitempty"`
	Policies []Policy `json:"policies,omitempty"`
}

// Policy is an identity policy of a role, or its boundary.
type Policy struct {
	Name     string   `json:"name"`
	ARN      string   `json:"arn,omitempty"` // empty for an inline policy
	Document Document `json:"document,omitempty"`
}

// Title returns the name of the policy with its kind.
func (p Policy) Title() string {
	if p.ARN == "" {
		return "inline policy " + p.Name
	}
	return "managed policy " + p.Name
}

// Document is a policy as AWS returned it, without percent-encoding.
type Document string

// NewDocument returns a document of an answer of IAM, which percent-encodes it by
// RFC 3986: there, + stands for itself.
func NewDocument(encoded string) Document {
	if strings.HasPrefix(strings.TrimSpace(encoded), "{") {
		return Document(encoded)
	}
	raw, err := url.PathUnescape(encoded)
	if err != nil {
		return Document(encoded)
	}
	return Document(raw)
}

// Policy returns the decoded policy.
func (d Document) Policy() (policy.Policy, error) {
	parsed, err := policy.Parse([]byte(d))
	if err != nil {
		return policy.Policy{}, err
	}
	return parsed.Policy(), nil
}

// Spelling returns text, an action or a condition key of which the decoded policy
// folds the case, as the document spells it.
func (d Document) Spelling(text string) string {
	if at := strings.Index(strings.ToLower(string(d)), strings.ToLower(`"`+text+`"`)); at >= 0 {
		return string(d[at+1 : at+1+len(text)])
	}
	return text
}

// Size returns the size that counts for AWS's quotas.
func (d Document) Size() int { return policy.Size(string(d)) }

// Provider is an IAM OIDC provider.
type Provider struct {
	ARN       string   `json:"arn"`
	Audiences []string `json:"audiences"`
}

// ARN is the ARN of a role, taken apart.
type ARN struct {
	Partition, AccountID string
	Path                 string // with a slash at both ends
	Name                 string
}

// ParseARN takes the ARN of a role apart. It returns false for anything else.
func ParseARN(s string) (ARN, bool) {
	part := strings.Split(s, ":")
	if len(part) != 6 || part[0] != "arn" || part[1] == "" || part[2] != "iam" || part[3] != "" || !isAccount(part[4]) {
		return ARN{}, false
	}
	resource, ok := strings.CutPrefix(part[5], "role/")
	slash := strings.LastIndexByte(resource, '/')
	name := resource[slash+1:]
	if !ok || name == "" || strings.ContainsFunc(resource, func(r rune) bool { return !allowed(r) }) {
		return ARN{}, false
	}
	return ARN{Partition: part[1], AccountID: part[4], Path: "/" + resource[:slash+1], Name: name}, true
}

// allowed reports whether IAM allows r in the path and name of a role. None of these
// characters means anything to a shell.
func allowed(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_+=,.@-/", r))
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// ProviderARN returns the ARN of the OIDC provider for an issuer, of which hostPath
// is the URL without https://, in the account of the role.
func (a ARN) ProviderARN(hostPath string) string {
	return "arn:" + a.Partition + ":iam::" + a.AccountID + ":oidc-provider/" + hostPath
}
