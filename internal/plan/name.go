package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxRoleName is the longest name that IAM gives a role
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxRoleName = 64

// RoleName returns the generated name of an identity's role,
//
//	<cluster>_<namespace>_<name>_<8 hex digits>
//
// cut before the digits to fit 64 characters. The digits are of a hash over all
// three parts, and no part can hold an underscore, so two identities never
// share a name by the way their parts are joined or cut. IAM tells names apart
// without regard to case; the parts are lower case, being DNS names.
func RoleName(cluster, namespace, name string) string {
	sum := sha256.Sum256([]byte(cluster + "/" + namespace + "/" + name))
	suffix := "_" + hex.EncodeToString(sum[:4])
	stem := strings.Join([]string{cluster, namespace, name}, "_")
	if limit := maxRoleName - len(suffix); len(stem) > limit {
		stem = stem[:limit]
	}
	return stem + suffix
}
