package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/controllers"
)

// The operator of a cluster in sync, with identities of every shape, writes nothing to
// AWS or to the API server in three drift checks, which read every role.
func TestInSync_DriftChecksWriteNothing(t *testing.T) {
	s := startEnv(t, func(c *controllers.Config) { c.DriftCheckInterval, c.MaxConcurrentReconciles = time.Second, 10 })
	s.createPolicy("boundary")
	shapes := []string{
		`{}`,
		`{role: {description: "a, b", maxSessionDurationSeconds: 43200, tags: {Team: shop, "cost center": "42"}}}`,
		`{role: {permissionsBoundary: "` + boundaryARN + `"}}`,
		`{policies: {managed: ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]}}`,
		`{policies: {inline: [{name: a, statements: [{effect: Allow, actions: ["S3:Get*", "s3:List*"], resources: ["arn:aws:s3:::b/*", "arn:aws:s3:::b"], conditions: [{operator: stringequals, key: "aws:principalaccount", values: ["1", "2"]}, {operator: Bool, key: "aws:SecureTransport", values: ["true"]}]}]}]}}`,
		`{policies: {inline: [{name: a, document: '{"Statement":[{"Action":["s3:GetObject"],"Effect":"Allow","Resource":["*"]},{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}],"Version":"2012-10-17"}'}]}}`,
		`{policies: {inline: [{name: a, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:PrincipalTag/team}/+%20*"}}'}]}}`,
		`{trust: {scope: Namespace}}`,
		`{serviceAccount: {tokenExpirationSeconds: 7200}}`,
		`{deletionPolicy: Retain, serviceAccount: {name: other-%d}}`,
	}
	const identities = 50
	for i := range identities {
		shape := shapes[i%len(shapes)]
		if i%len(shapes) == len(shapes)-1 {
			shape = fmt.Sprintf(shape, i)
		}
		s.apply(fmt.Sprintf("metadata: {name: in-sync-%d}\nspec: %s", i, shape))
	}
	for i := range identities {
		s.awaitReady(fmt.Sprintf("in-sync-%d", i))
	}
	s.writes.reset()
	before := s.account.Calls()

	s.eventually("three comparisons with AWS", func() bool {
		return since(before, s.account.Calls())["ListRoles"] >= 3
	})
	if diff := cmp.Diff(map[string]int{}, written(before, s.account.Calls())); diff != "" {
		t.Errorf("AWS writes: -want, +got:\n%s", diff)
	}
	if writes := s.writes.all(); len(writes) > 0 {
		t.Errorf("API-server writes: %q", writes)
	}
}
