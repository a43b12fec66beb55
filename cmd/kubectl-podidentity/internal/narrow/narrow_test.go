package narrow

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// used is a role that reads and writes S3, of which IAM records only that, and asks STS
// who it is. It never used SQS.
func used() Facts {
	at := now.Add(-48 * time.Hour)
	return Facts{
		Now: now, Created: now.AddDate(-1, 0, 0),
		Services: map[string]Service{
			"s3":  {LastUsed: at, Actions: map[string]time.Time{"ListAllMyBuckets": at, "CreateBucket": {}}},
			"sts": {LastUsed: at, Actions: map[string]time.Time{"GetCallerIdentity": at, "AssumeRole": {}}},
			"sqs": {Actions: map[string]time.Time{"SendMessage": {}}},
		},
	}
}

func TestSuggest_RemovesUnusedPermissions(t *testing.T) {
	cases := map[string]struct {
		reason    string
		policies  string
		facts     func(*Facts)
		want      string
		removals  []string
		kept      []string
		noteWords []string
	}{
		"Actions": {
			reason:   "A recorded action is removed if it was not used; one that is not recorded stays.",
			policies: `{inline: [{name: a, statements: [{effect: Allow, actions: ["s3:ListAllMyBuckets", "S3:createbucket", "s3:GetObject"], resources: ["*"]}]}]}`,
			want:     `{inline: [{name: a, statements: [{effect: Allow, actions: ["s3:ListAllMyBuckets", "s3:GetObject"], resources: ["*"]}]}]}`,
			removals: []string{"S3:createbucket: it was not used"},
			kept:     []string{"s3:GetObject: IAM does not record this action, only that the service s3 was last used on 2026-10-30"},
		},
		"Service": {
			reason:   "A service that was not used is removed with its wildcards and unrecorded actions; a policy without statements is removed.",
			policies: `{inline: [{name: queue, statements: [{effect: Allow, actions: ["sqs:*"], resources: ["*"]}, {effect: Deny, actions: ["sqs:DeleteQueue"], resources: ["*"]}]}]}`,
			want:     `{}`,
			removals: []string{"sqs:*: the service sqs was not used"},
		},
		"Wildcard": {
			reason:   "A wildcard stays, as it may allow reading objects, which IAM does not record.",
			policies: `{inline: [{name: a, statements: [{effect: Allow, actions: ["s3:*", "*"], resources: ["*"]}]}]}`,
			want:     `{inline: [{name: a, statements: [{effect: Allow, actions: ["s3:*", "*"], resources: ["*"]}]}]}`,
			kept: []string{
				"s3:*: a wildcard; recorded actions used: s3:ListAllMyBuckets",
				"*: a wildcard for services; services used: s3, sts",
			},
		},
		"ReplaceWildcards": {
			reason:   "The user knows that nothing else was used.",
			policies: `{inline: [{name: a, statements: [{effect: Allow, actions: ["s3:List*", "sts:Assume*"], resources: ["*"]}]}]}`,
			facts:    func(f *Facts) { f.ReplaceWildcards = true },
			want:     `{inline: [{name: a, statements: [{effect: Allow, actions: ["s3:ListAllMyBuckets"], resources: ["*"]}]}]}`,
			removals: []string{"s3:List*: of its recorded actions, only these were used", "sts:Assume*: no recorded action of it was used"},
		},
		"DenyAndNotAction": {
			reason:   "Deny statements and NotAction stay.",
			policies: `{inline: [{name: a, statements: [{effect: Deny, actions: ["sqs:*"], resources: ["*"]}, {effect: Allow, notActions: ["iam:*"], resources: ["*"]}]}]}`,
			want:     `{inline: [{name: a, statements: [{effect: Deny, actions: ["sqs:*"], resources: ["*"]}, {effect: Allow, notActions: ["iam:*"], resources: ["*"]}]}]}`,
		},
		"OnlyDeny": {
			reason:   "A policy without an Allow may limit the other policies.",
			policies: `{inline: [{name: a, statements: [{effect: Deny, actions: ["sqs:*"], resources: ["*"]}]}]}`,
			want:     `{inline: [{name: a, statements: [{effect: Deny, actions: ["sqs:*"], resources: ["*"]}]}]}`,
		},
		"UnknownService": {
			reason:   "The policy may be newer than the report.",
			policies: `{inline: [{name: a, statements: [{effect: Allow, actions: ["ec2:RunInstances"], resources: ["*"]}]}]}`,
			want:     `{inline: [{name: a, statements: [{effect: Allow, actions: ["ec2:RunInstances"], resources: ["*"]}]}]}`,
			kept:     []string{"ec2:RunInstances: IAM's report does not contain the service ec2"},
		},
		"Document": {
			reason:   "A document is also narrowed.",
			policies: `{inline: [{name: a, document: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:*","s3:ListAllMyBuckets"],"Resource":"*"}]}'}]}`,
			want:     `{inline: [{name: a, document: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:listallmybuckets","Resource":"*"}]}'}]}`,
			removals: []string{"sqs:*: the service sqs was not used"},
		},
		"DocumentAsItIs": {
			reason:   "Nothing is removed, so the document stays as the author wrote it.",
			policies: `{inline: [{name: a, document: '{"Statement": {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}}'}]}`,
			want:     `{inline: [{name: a, document: '{"Statement": {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}}'}]}`,
		},
		"Managed": {
			reason:   "A managed policy is removed if none of its services was used.",
			policies: `{managed: ["arn:aws:iam::aws:policy/Queues", "arn:aws:iam::aws:policy/Both", "arn:aws:iam::aws:policy/Unread"]}`,
			facts: func(f *Facts) {
				f.Managed = map[string]role.Document{
					"arn:aws:iam::aws:policy/Queues": `{"Statement":{"Effect":"Allow","Action":["sqs:*"],"Resource":"*"}}`,
					"arn:aws:iam::aws:policy/Both":   `{"Statement":{"Effect":"Allow","Action":["sqs:*","s3:*"],"Resource":"*"}}`,
				}
			},
			want:     `{managed: ["arn:aws:iam::aws:policy/Both", "arn:aws:iam::aws:policy/Unread"]}`,
			removals: []string{": none of its services was used: sqs"},
			kept:     []string{": it also allows services that were not used: sqs", ": its contents are not known"},
		},
		"Young": {
			reason:    "A monthly job may not have run yet.",
			policies:  `{}`,
			facts:     func(f *Facts) { f.Created = now.AddDate(0, 0, -3) },
			want:      `{}`,
			noteWords: []string{"the role is 3 days old"},
		},
		"NeverUsed": {
			reason:    "Nothing was used, so the identity may not be needed.",
			policies:  `{inline: [{name: a, statements: [{effect: Allow, actions: ["sqs:SendMessage"], resources: ["*"]}]}]}`,
			facts:     func(f *Facts) { f.Services = map[string]Service{"sqs": {}} },
			want:      `{}`,
			removals:  []string{"sqs:SendMessage: the service sqs was not used"},
			noteWords: []string{"perhaps no workload needs the identity"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			pi := &v1alpha1.PodIdentity{}
			parse(t, tc.policies, &pi.Spec.Policies)
			before := pi.DeepCopy()
			f := used()
			if tc.facts != nil {
				tc.facts(&f)
			}
			got := Suggest(pi, f)
			var want v1alpha1.PoliciesSpec
			parse(t, tc.want, &want)
			if diff := cmp.Diff(want, got.Policies); diff != "" {
				t.Errorf("%s\npolicies: -want, +got:\n%s", tc.reason, diff)
			}
			var removals, kept []string
			for _, r := range got.Removals {
				removals = append(removals, r.Action+": "+r.Why)
			}
			for _, k := range got.Kept {
				kept = append(kept, k.Action+": "+k.Why)
			}
			if diff := cmp.Diff([][]string{tc.removals, tc.kept}, [][]string{removals, kept}); diff != "" {
				t.Errorf("%s\nremovals and kept: -want, +got:\n%s", tc.reason, diff)
			}
			for _, words := range tc.noteWords {
				if !strings.Contains(strings.Join(got.Notes, "; "), words) {
					t.Errorf("%s\nnotes %q lack %q", tc.reason, got.Notes, words)
				}
			}
			if diff := cmp.Diff(before, pi); diff != "" {
				t.Errorf("Suggest changed its input: -before, +after:\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}
