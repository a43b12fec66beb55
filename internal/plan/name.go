package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// maxRoleName is IAM's limit for the length of a role name
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxRoleName = 64

// generatedName is the form of generated names, in any case: IAM compares names
// without regard to case.
var generatedName = regexp.MustCompile(`(?i)_[0-9a-f]{8}$`)

// looksGenerated reports whether a name has the form of a generated name.
func looksGenerated(name string) bool { return generatedName.MatchString(name) }

// RoleName returns the generated name of an identity's role,
//
//	<cluster>_<namespace>_<name>_<8 hex digits>
//
// truncated before the digits to fit 64 characters. The digits are a hash of all
// three parts, and no part can contain an underscore, so two identities never share a
// name because of the way their parts are joined or truncated. IAM compares names
// case-insensitively; the parts are DNS names and so in lower case.
func RoleName(cluster, namespace, name string) string {
	sum := sha256.Sum256([]byte(cluster + "/" + namespace + "/" + name))
	suffix := "_" + hex.EncodeToString(sum[:4])
	stem := strings.Join([]string{cluster, namespace, name}, "_")
	if limit := maxRoleName - len(suffix); len(stem) > limit {
		stem = stem[:limit]
	}
	return stem + suffix
}
