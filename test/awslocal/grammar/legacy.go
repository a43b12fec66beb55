package grammar

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// legacy does what AWS calls legacy parsing: it checks the spelling of effects, the
// syntax of dates, and the parts of ARNs. It returns newer rules that a resource violates
// separately, because AWS reports these later.
func legacy(statements []*object) (resourceError, err error) {
	for _, s := range statements {
		effect, _ := s.values["Effect"].(string)
		if !slices.Contains(strings.Fields(allowedEffects), effect) || !datesParse(s.values["Condition"]) {
			return nil, reject(failedLegacy)
		}
	}
	for _, resource := range resources(statements) {
		switch e := checkResource(resource); {
		case e != nil && resourceError == nil:
			resourceError = e
		case e == nil && resource != anyone && !hasParts(resource):
			return nil, reject(failedLegacy)
		}
	}
	return resourceError, nil
}

// resources returns all resources that the statements name.
func resources(statements []*object) (out []string) {
	for _, s := range statements {
		out = slices.Concat(out, texts(s.values["Resource"]), texts(s.values["NotResource"]))
	}
	return out
}

func hasParts(resource string) bool {
	parts := strings.Split(resource, ":")
	return (len(parts) > 5 || !strings.Contains(resource, "::")) && parts[2] != ""
}

// iamPaths are the beginnings of IAM's resources.
var iamPaths = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
	"sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
}

// regionalS3 are the S3 resources whose ARNs have a region.
var regionalS3 = []string{"accesspoint/", "job/", "storage-lens/", "storage-lens-group/", "access-grants/", "async-request/"}

var partitionName = regexp.MustCompile(`^(\*|aws(-cn|-us-gov|-eusc|-iso|-iso-b|-iso-e|-iso-f)?)$`)

func checkResource(resource string) error {
	if resource == anyone {
		return nil
	}
	_, rest, ok := strings.Cut(resource, ":")
	if !ok {
		return reject("Resource " + resource + ` must be in ARN format or "*".`)
	}
	partition, rest, qualified := strings.Cut(rest, ":")
	if !partitionName.MatchString(partition) {
		return reject(`Partition "` + partition + `" is not valid for resource "arn:` + partition + ":" + fourParts(rest) + `".`)
	}
	if !qualified {
		return reject(unqualified)
	}
	parts := strings.SplitN(rest, ":", 4)
	if len(parts) < 4 {
		return nil
	}
	vendor, region, path := parts[0], parts[1], parts[3]
	// Wildcards may stand in any segment; the IAM User Guide itself has arn:aws:iam:*:….
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags_users.html
	named := region != "" && !strings.ContainsAny(region, "*?")
	switch vendor {
	case "iam":
		if named {
			return reject("IAM resource " + resource + " cannot contain region information.")
		}
		if !isIAMPath(path) {
			return reject(wrongIAMPath)
		}
	case "s3":
		if named && !isRegionalS3(path) {
			return reject("Resource " + resource + " can not contain region information.")
		}
	}
	return nil
}

func isRegionalS3(path string) bool {
	head, _, _ := strings.Cut(path, "/")
	return strings.ContainsAny(head, "*?") || slices.ContainsFunc(regionalS3, func(p string) bool { return strings.HasPrefix(path, p) })
}

func isIAMPath(path string) bool {
	head, _, _ := strings.Cut(path, "/")
	return path == "root" || strings.ContainsAny(head, "*?") || strings.Contains(head, "${") ||
		slices.ContainsFunc(iamPaths, func(p string) bool { return strings.HasPrefix(path, p) })
}

// fourParts completes what follows the partition in an ARN with asterisks.
func fourParts(rest string) string {
	if rest == "" {
		return "*:*:*:*"
	}
	parts := strings.SplitN(rest, ":", 4)
	for len(parts) < 4 {
		parts = append(parts, anyone)
	}
	return strings.Join(parts, ":")
}

func datesParse(condition any) bool {
	c, _ := condition.(*object)
	if c == nil {
		return true
	}
	for _, operator := range c.keys {
		keys, _ := c.values[operator].(*object)
		if keys == nil || !strings.HasPrefix(bareOperator(operator), "Date") {
			continue
		}
		for _, v := range keys.values {
			for _, date := range scalarTexts(v) {
				if !isDate(date) {
					return false
				}
			}
		}
	}
	return true
}

func scalarTexts(v any) []string {
	switch v := v.(type) {
	case json.Number:
		return []string{v.String()}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, scalarTexts(e)...)
		}
		return out
	}
	return texts(v)
}

// isDate reports whether s is a date as AWS reads them: seconds since 1970, or
// the parts of an ISO 8601 date and time as far as they are there, with years
// of any sign and few digits.
func isDate(s string) bool {
	s = strings.ToLower(s)
	if !strings.ContainsAny(s, "t-") {
		_, err := strconv.ParseInt(s, 10, 64)
		return err == nil && !strings.HasPrefix(s, "+")
	}
	date, clock, _ := strings.Cut(s, "t")
	return isDay(date) && (clock == "" || isClock(clock))
}

func isDay(s string) bool {
	sign := ""
	if bare, ok := strings.CutPrefix(s, "-"); ok {
		sign, s = "-", bare
	}
	parts := strings.Split(s, "-")
	parts[0] = sign + parts[0]
	if len(parts) > 3 || !inRange(parts[0], -292275054, 292278993) {
		return false
	}
	return (len(parts) < 2 || inRange(parts[1], 1, 12)) && (len(parts) < 3 || inRange(parts[2], 1, 31))
}

var zone = regexp.MustCompile(`^(z|[+-](\d{2})(:?(\d{2}))?)$`)

func isClock(s string) bool {
	if i := strings.IndexAny(s, "z+-"); i >= 0 {
		m := zone.FindStringSubmatch(s[i:])
		if m == nil || m[2] != "" && !inRange(m[2], 0, 23) || m[4] != "" && !inRange(m[4], 0, 59) {
			return false
		}
		s = s[:i]
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 || !inRange(parts[0], 0, 23) || len(parts) > 1 && !inRange(parts[1], 0, 59) {
		return false
	}
	if len(parts) < 3 {
		return true
	}
	second, fraction, has := strings.Cut(parts[2], ".")
	return inRange(second, 0, 59) && (!has || inRange(fraction, 0, 999999999))
}

func inRange(s string, low, high int64) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && low <= n && n <= high
}
