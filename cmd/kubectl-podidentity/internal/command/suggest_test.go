package command

import (
	"bytes"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/narrow"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

func suggestedFor(t *testing.T, spec string, f narrow.Facts) suggested {
	t.Helper()
	pi := &v1alpha1.PodIdentity{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PodIdentity"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout"},
	}
	if err := yaml.UnmarshalStrict([]byte(spec), &pi.Spec); err != nil {
		t.Fatal(err)
	}
	r := suggested{Namespace: "shop", Name: "checkout", RoleARN: "arn:aws:iam::123456789012:role/r", UpToHoursOld: hoursOld, Suggestion: narrow.Suggest(pi, f), Identity: pi}
	r.Identity.Spec.Policies = r.Policies
	return r
}

// The output is an identity that plan accepts, with everything else in comments of one
// line each.
func TestSuggest_PrintsAnIdentityThatPlanAccepts(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	facts := narrow.Facts{Now: now, Created: now.AddDate(0, 0, -10), Services: map[string]narrow.Service{
		"s3":       {LastUsed: now.AddDate(0, 0, -2), Actions: map[string]time.Time{"ListAllMyBuckets": now, "CreateBucket": {}}},
		"sqs":      {},
		"dynamodb": {LastUsed: now, Actions: map[string]time.Time{"hostile\n- \u202e": now}},
	}}
	cases := map[string]string{
		"some": `{role: {description: shop}, policies: {managed: ["arn:aws:iam::aws:policy/Unread"], inline: [{name: a, statements: [` +
			`{effect: Allow, actions: ["s3:ListAllMyBuckets", "s3:CreateBucket", "s3:GetObject", "sqs:*"], resources: ["*"]}, {effect: Allow, actions: ["dynamodb:*"], resources: ["arn:aws:dynamodb:*:*:table/shop"]}]}]}}`,
		"none": `{policies: {inline: [{name: a, statements: [{effect: Allow, actions: ["s3:ListAllMyBuckets"], resources: ["*"]}]}]}}`,
	}
	for name, spec := range cases {
		t.Run(name, func(t *testing.T) {
			r := suggestedFor(t, spec, facts)
			var text, program bytes.Buffer
			if err := printSuggested(&text, r); err != nil {
				t.Fatal(err)
			}
			if err := output.Encode(&program, output.JSON, r); err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/suggest-"+name+".txt", text.String())
			golden(t, "testdata/suggest-"+name+".json", program.String())
			if p := runPlugin(text.String(), "plan", "--offline", "-f", "-"); p.code == exitError || strings.Contains(p.stdout, "schema") {
				t.Errorf("plan does not take what suggest prints, exit code %d:\n%s%s", p.code, p.stdout, p.stderr)
			}
		})
	}
}
