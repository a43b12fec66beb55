package awsiam

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/podidentity/podidentity-operator/internal/plan"
	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal"
)

// A bulk read that remembers the documents of the one before returns the same as one that
// decodes all of them, whatever has changed in between.
func TestListAll_RemembersDocumentsOnly(t *testing.T) {
	_, _, c := account(t, awslocal.Options{})
	documents := []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"S3:getobject","Resource":["*"]}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::ü%2Bb+c/*"}]}`,
	}
	remembering := NewRoles(c.IAM)
	created := 0
	rapid.Check(t, func(rt *rapid.T) {
		created++
		path := fmt.Sprintf("/podidentity/prod/%d/", created)
		var names []string
		for range rapid.IntRange(1, 3).Draw(rt, "reads") {
			for range rapid.IntRange(0, 4).Draw(rt, "changes") {
				if len(names) == 0 || rapid.IntRange(0, 3).Draw(rt, "new") == 0 {
					role := plan.Role{Name: fmt.Sprintf("r-%d-%d", created, len(names)), Path: path, Trust: trust(t)}
					must(t, remembering, role.Name, plan.CreateRole{Role: role})
					names = append(names, role.Name)
					continue
				}
				name := rapid.SampledFrom(names).Draw(rt, "role")
				source := rapid.SampledFrom(documents).Draw(rt, "document")
				must(t, remembering, name, plan.PutRolePolicy{Name: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "policy"), Policy: plan.InlinePolicy{Source: source}})
			}
			got, err := remembering.ListAll(t.Context(), path)
			if err != nil {
				rt.Fatal(err)
			}
			want, err := NewRoles(c.IAM).ListAll(t.Context(), path)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("-decoded, +remembered:\n%s", diff)
			}
			if kept := len(remembering.documents.last); kept > len(documents)+1 {
				rt.Fatalf("%d documents are remembered, want %d at most", kept, len(documents)+1)
			}
		}
	})
}

// A text of the last bulk read is not decoded again, and one that the last bulk read did not
// return is forgotten.
func TestDocuments_AreThoseOfTheLastBulkRead(t *testing.T) {
	const text, decodedBefore = `{"Version":"2012-10-17","Statement":[]}`, policy.Document("decoded before")
	var d documents
	first := d.start()
	if got := first.decode(text); got != document(text) {
		t.Errorf("an unknown text is %s, want %s", got, document(text))
	}
	d.replace(first)
	for hash := range d.last {
		d.last[hash] = decodedBefore
	}
	second := d.start()
	if got := second.decode(text); got != decodedBefore {
		t.Errorf("a known text was decoded again: %s", got)
	}
	d.replace(second)
	d.replace(d.start())
	if got := d.start().decode(text); got != document(text) {
		t.Errorf("a text that the last bulk read did not return is %s, want it decoded", got)
	}
}
