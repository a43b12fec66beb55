// Package origin reads IAM roles as other tools describe them: in AWS, in a state of
// Terraform, and in objects of ACK and Crossplane. It is pure. What it reads comes from
// strangers: it trusts no size, no type and no text.
package origin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// Role is an IAM role as its source describes it.
type Role struct {
	// Source names the role in its source, such as "Terraform resource aws_iam_role.x".
	Source      string
	Name        string
	ARN         string // empty if the source does not know it
	Path        string
	Description string
	MaxSession  int32 // seconds; 0 for IAM's default
	Boundary    string
	Trust       string // JSON
	Tags        map[string]string
	Managed     []string // ARNs
	Inline      map[string]string
	// Losses list what the source describes and this package cannot read.
	Losses []string
	// Forget is how the source's tool stops managing the role without deleting it;
	// empty if there is no such tool.
	Forget string
	// Remove is how the source's tool deletes the role; empty if it is not known.
	Remove string
}

func newRole(source, name string) *Role {
	return &Role{Source: source, Name: name, Path: "/", Tags: map[string]string{}, Inline: map[string]string{}}
}

func (r *Role) lose(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Losses, text) {
		r.Losses = append(r.Losses, text)
	}
}

func (r *Role) attach(arn string) {
	if arn != "" && !slices.Contains(r.Managed, arn) {
		r.Managed = append(r.Managed, arn)
	}
}

// OfAWS returns a role that was read from AWS with its policies. A role that eksctl or
// another stack of CloudFormation created is recognized by its tags.
func OfAWS(in *role.Role) Role {
	r := newRole("role "+in.Name, in.Name)
	r.ARN, r.Path, r.Description, r.MaxSession, r.Trust = in.ARN, in.Path, in.Description, in.MaxSession, string(in.Trust)
	r.Tags = maps.Clone(in.Tags)
	if in.Boundary != nil {
		r.Boundary = in.Boundary.ARN
	}
	for _, p := range in.Policies {
		if p.ARN != "" {
			r.attach(p.ARN)
		} else {
			r.Inline[p.Name] = string(p.Document)
		}
	}
	const stackName = "aws:cloudformation:stack-name"
	if stack := in.Tags[stackName]; stack != "" {
		r.Remove = "aws cloudformation delete-stack --stack-name " + quote(stack)
	}
	return *r
}

// The tags and labels of eksctl.
// https://github.com/eksctl-io/eksctl/blob/main/pkg/apis/eksctl.io/v1alpha5/types.go
const (
	eksctlAccountTag = "alpha.eksctl.io/iamserviceaccount-name"
)

// EksctlAccount returns the ServiceAccount that eksctl created a role for.
func EksctlAccount(in *role.Role) (namespace, name string, ok bool) {
	namespace, name, ok = strings.Cut(in.Tags[eksctlAccountTag], "/")
	return namespace, name, ok && namespace != "" && name != ""
}

// quote returns text as one word of a shell.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-/:", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Found is what a source holds.
type Found struct {
	Roles []Role
	// Skipped lists what belongs to no role of the source.
	Skipped []string
}

// Reader reads the roles among Kubernetes objects.
type Reader func([]*unstructured.Unstructured) (Found, error)
