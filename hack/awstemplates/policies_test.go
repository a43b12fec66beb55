package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const shipped = "../../config/aws"

// An installation is what the settings of a template are about.
type installation struct {
	cluster, issuer, eksCluster string
	rolePath, boundary          string
	namespace, serviceAccount   string
}

var defaults = installation{
	cluster: "prod-eu", issuer: "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF", eksCluster: "prod",
	rolePath: "/podidentity/prod-eu/", boundary: "podidentity-boundary",
	namespace: "podidentity-system", serviceAccount: "podidentity-controller-manager",
}

var custom = installation{
	cluster: "x", issuer: "issuer.example.com", eksCluster: "y",
	rolePath: "/teams/x/", boundary: "limits", namespace: "identity", serviceAccount: "operator",
}

// document returns a policy of config/aws for an installation, with its placeholders
// replaced as config/aws/README.md describes it.
func (i installation) document(t *testing.T, file string) any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shipped, file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, r := range [][2]string{
		{"/podidentity/CLUSTER/", i.rolePath},
		{"podidentity-boundary", i.boundary},
		{"podidentity-system", i.namespace},
		{"podidentity-controller-manager", i.serviceAccount},
		{"PARTITION", "aws"},
		{"ACCOUNT_ID", "123456789012"},
		{"REGION", "eu-west-1"},
		{"EKS_NAME", i.eksCluster},
		{"CLUSTER", i.cluster},
		{"ISSUER", i.issuer},
	} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return decode(t, text)
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var document any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return document
}

func TestGenerated_UpToDate(t *testing.T) {
	files, err := generate(shipped)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(shipped, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what hack/awstemplates writes; run make manifests (-want +got):\n%s", name, diff)
		}
	}
}

// A policy for an installer may hold policy variables of IAM, which have the form of
// expressions in both targets.
func TestTranslate_PolicyVariablesAreNotExpressions(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.json"), []byte(`{"Resource":"arn:PARTITION:s3:::b/${aws:username}/%{x}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"cloudformation.yaml":   "arn:${AWS::Partition}:s3:::b/${!aws:username}/%{x}",
		"terraform/policies.tf": "arn:${local.partition}:s3:::b/$${aws:username}/%%{x}",
	}
	for _, target := range targets {
		got, err := target.translate(dir, "p.json")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got, want[target.output]) {
			t.Errorf("%s:\n%s\nwant %s in it", target.output, got, want[target.output])
		}
	}
}
