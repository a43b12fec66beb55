// Package awspolicies holds the IAM policies that the operator needs, with the
// placeholders that README.md explains.
package awspolicies

import "embed"

// Files are the policies, by file name.
//
//go:embed *.json
var Files embed.FS
