// Package crd holds the operator's CustomResourceDefinitions.
package crd

import "embed"

// Files are the CustomResourceDefinitions, one a file, in the directory bases.
//
//go:embed bases/*.yaml
var Files embed.FS
