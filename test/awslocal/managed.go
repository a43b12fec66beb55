package awslocal

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// managedJSON are the AWS managed policies as of the date in README.md. Command managed
// writes the file.
//
//go:embed managed.json.gz
var managedJSON []byte

// awsPolicies are the AWS managed policies of a partition. They never change, so that all
// servers share them.
type awsPolicies struct {
	byName []*managedPolicy // in order
	byARN  map[string]*managedPolicy
}

var loadedPolicies struct {
	sync.Mutex
	byPartition map[string]awsPolicies
}

// AWSPolicies returns the documents of the AWS managed policies, by ARN.
func AWSPolicies() map[string]string {
	documents := map[string]string{}
	for arn, p := range loadManaged("aws").byARN {
		documents[arn] = p.defaultVersion().document
	}
	return documents
}

// awsPolicies returns the AWS managed policies, by name.
func (s *Server) awsPolicies() []*managedPolicy { return s.managed.byName }

// awsPolicy returns the AWS-managed policy of an ARN, or nil.
func (s *Server) awsPolicy(arn string) *managedPolicy { return s.managed.byARN[arn] }

// notCarried returns an addition to the message about a missing AWS managed policy: it
// may exist in AWS, as managed.json.gz does not contain all of them. It is empty for
// other ARNs.
func notCarried(arn string) string {
	_, name, ofAWS := strings.Cut(arn, ":iam::aws:policy/")
	if !ofAWS {
		return ""
	}
	return fmt.Sprintf(" (This is awslocal, which has AWS's policies of an earlier day and not %s: "+
		"check the name in AWS, and use one of aws iam list-policies --scope AWS here.)", name)
}

// versionNotCarried is notCarried for a version of a policy that managed.json.gz contains
// in another version.
func (c *call) versionNotCarried(arn string) string {
	p := c.srv.awsPolicy(arn)
	if p == nil {
		return notCarried(arn)
	}
	var ids []string
	for _, v := range p.versions {
		ids = append(ids, v.id)
	}
	return fmt.Sprintf(" (This is awslocal, which does not have all versions of AWS's policies: of this one %s.)", strings.Join(ids, " and "))
}

// managedFile is a policy in managed.json.gz.
type managedFile struct {
	Name, Path, Default string
	Created, Updated    time.Time
	Versions            []struct {
		ID       string
		Created  time.Time
		Document json.RawMessage
	}
}

// loadManaged returns the AWS managed policies of a partition. It panics if
// managed.json.gz is invalid, which can only happen in a faulty build.
func loadManaged(partition string) awsPolicies {
	loadedPolicies.Lock()
	defer loadedPolicies.Unlock()
	if loaded, ok := loadedPolicies.byPartition[partition]; ok {
		return loaded
	}
	files, err := readManaged()
	if err != nil {
		panic(fmt.Sprintf("managed.json.gz: %v", err))
	}
	policies := awsPolicies{byARN: map[string]*managedPolicy{}}
	for _, f := range files {
		p := f.in(partition)
		policies.byName = append(policies.byName, p)
		policies.byARN[p.arn] = p
	}
	slices.SortFunc(policies.byName, func(a, b *managedPolicy) int { return strings.Compare(a.name, b.name) })
	if loadedPolicies.byPartition == nil {
		loadedPolicies.byPartition = map[string]awsPolicies{}
	}
	loadedPolicies.byPartition[partition] = policies
	return policies
}

func readManaged() ([]managedFile, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(managedJSON))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, err
	}
	var files []managedFile
	return files, json.Unmarshal(raw, &files)
}

// in returns the policy as a partition has it.
func (f managedFile) in(partition string) *managedPolicy {
	arn := "arn:" + partition + ":iam::aws:policy" + f.Path + f.Name
	p := &managedPolicy{
		name: f.Name, path: f.Path, arn: arn, id: "ANPA" + strings.TrimPrefix(userID(arn), "AIDA"),
		created: f.Created, updated: f.Updated,
		aws: true, serviceRoleOnly: strings.HasPrefix(f.Path, serviceLinkedPath),
	}
	for _, v := range f.Versions {
		document := string(v.Document)
		if partition != "aws" {
			document = strings.ReplaceAll(document, "arn:aws:", "arn:"+partition+":")
		}
		p.versions = append(p.versions, policyVersion{id: v.ID, created: v.Created, isDefault: v.ID == f.Default, document: document})
	}
	return p
}
