package awslocal

import (
	"regexp"
	"strings"
)

// partitionName matches the names of AWS's partitions.
var partitionName = regexp.MustCompile(`^aws(-[a-z]+)*$`)

type arn struct{ partition, service, region, account, resource string }

// parseARN splits an ARN into its six parts; none but region, account and
// resource may be empty.
func parseARN(s string) (arn, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || !partitionName.MatchString(parts[1]) || parts[2] == "" {
		return arn{}, false
	}
	return arn{parts[1], parts[2], parts[3], parts[4], parts[5]}, true
}

// iamARN returns the ARN of an IAM resource; path begins and ends with a slash.
func (s *Server) iamARN(kind, path, name string) string {
	return "arn:" + s.options.Partition + ":iam::" + s.options.Account + ":" + kind + path + name
}
