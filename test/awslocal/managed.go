package awslocal

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// managedJSON are some of the policies that AWS manages, with AWS's names,
// paths and current versions. Long documents are cut to their first actions.
//
//go:embed managed.json
var managedJSON []byte

// awsPolicies returns the policies that AWS manages, by name.
func (s *Server) awsPolicies() []*managedPolicy { return s.managed }

// awsPolicy returns the AWS-managed policy of an ARN, or nil.
func (s *Server) awsPolicy(arn string) *managedPolicy {
	policies := s.awsPolicies()
	i := slices.IndexFunc(policies, func(p *managedPolicy) bool { return p.arn == arn })
	if i < 0 {
		return nil
	}
	return policies[i]
}

// notCarried says of an ARN of AWS's policies that is not in managed.json that AWS may well have
// it: only AWS knows them all. Of all other ARNs it says nothing.
func notCarried(arn string) string {
	_, name, ofAWS := strings.Cut(arn, ":iam::aws:policy/")
	if !ofAWS {
		return ""
	}
	return fmt.Sprintf(" (This is awslocal, which has some of AWS's policies and not %s: "+
		"check the name in AWS, and use one of aws iam list-policies --scope AWS here.)", name)
}

// versionNotCarried is notCarried for another version of a policy that is carried.
func (c *call) versionNotCarried(arn string) string {
	p := c.srv.awsPolicy(arn)
	if p == nil {
		return notCarried(arn)
	}
	return fmt.Sprintf(" (This is awslocal, which has AWS's policies in one version each: %s of this one.)", p.defaultVersion().id)
}

// loadManaged makes the policies of a partition out of managed.json. It panics
// if that makes no sense, which only a faulty build can bring about.
func loadManaged(partition string) []*managedPolicy {
	var files []struct {
		Name, Path, Description, Version string
		Created, Updated                 time.Time
		Document                         json.RawMessage
	}
	if err := json.Unmarshal(managedJSON, &files); err != nil {
		panic(fmt.Sprintf("managed.json: %v", err))
	}
	var out []*managedPolicy
	for _, f := range files {
		arn := "arn:" + partition + ":iam::aws:policy" + f.Path + f.Name
		out = append(out, &managedPolicy{
			name: f.Name, path: f.Path, arn: arn, id: "ANPA" + strings.TrimPrefix(userID(arn), "AIDA"),
			description: f.Description,
			created:     f.Created,
			updated:     f.Updated,
			versions: []policyVersion{{
				id:        f.Version,
				created:   f.Updated,
				isDefault: true,
				document:  strings.ReplaceAll(string(f.Document), "arn:aws:", "arn:"+partition+":"),
			}},
			aws:             true,
			serviceRoleOnly: strings.HasPrefix(f.Path, "/aws-service-role/"),
		})
	}
	slices.SortFunc(out, func(a, b *managedPolicy) int { return strings.Compare(a.name, b.name) })
	return out
}
