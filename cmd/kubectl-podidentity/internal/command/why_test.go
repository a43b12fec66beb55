package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// The golden files show what users see for each fixture of package chain.
func TestWhy_OutputIsGolden(t *testing.T) {
	files, err := filepath.Glob("../chain/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			facts := factsOf(t, file)
			e := explanationOf(facts, chain.Walk(facts))
			var b strings.Builder
			printWhy(output.NewPrinter(&b, false), e)
			golden(t, "testdata/why/"+name+".txt", b.String())
		})
	}
}

// Programs read names and states; the messages are for people.
func TestWhy_JSONIsGolden(t *testing.T) {
	facts := factsOf(t, "../chain/testdata/trust-star-in-equals.yaml")
	e := explanationOf(facts, chain.Walk(facts))
	var b bytes.Buffer
	if err := output.Encode(&b, output.JSON, e); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/why.json", b.String())
}

// factsOf reads a fixture of package chain, which is a JSON merge patch of base.yaml.
func factsOf(t *testing.T, file string) chain.Facts {
	t.Helper()
	merged := readYAML(t, "../chain/testdata/base.yaml")
	mergePatch(merged, readYAML(t, file))
	raw, err := yaml.Marshal(merged["facts"])
	if err != nil {
		t.Fatal(err)
	}
	var f chain.Facts
	if err := yaml.UnmarshalStrict(raw, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func readYAML(t *testing.T, file string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := yaml.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// mergePatch applies a JSON merge patch (RFC 7386).
func mergePatch(to, patch map[string]any) {
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		existing, there := to[key].(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case isMap && there:
			mergePatch(existing, inner)
		default:
			to[key] = value
		}
	}
}

func TestWhy_RejectsIncompleteRequests(t *testing.T) {
	cases := map[string]struct {
		reason  string
		options whyOptions
		wrong   string // part of the error; empty if there is none
	}{
		"None":          {"Without a request, only the identity matters.", whyOptions{}, ""},
		"Action":        {"Without a resource, any resource counts.", whyOptions{action: "s3:GetObject"}, ""},
		"Pattern":       {"A request is one action, not a pattern.", whyOptions{action: "s3:Get*"}, "must be one action"},
		"NoService":     {"An action has a service prefix.", whyOptions{action: "GetObject"}, "must be one action"},
		"Bucket":        {"A resource is an ARN.", whyOptions{action: "s3:GetObject", resource: "bucket"}, "must be an ARN"},
		"ResourceAlone": {"A resource needs an action.", whyOptions{resource: "arn:aws:s3:::b"}, "need --action"},
		"SimulateAlone": {"The simulator needs an action.", whyOptions{simulate: true}, "need --action"},
		"NoKey":         {"A condition key has a prefix.", whyOptions{action: "s3:GetObject", requestContext: []string{"vpce=1"}}, "must be KEY=VALUE"},
		"Key":           {"A value may contain =.", whyOptions{action: "s3:GetObject", requestContext: []string{"aws:a=b=c", "aws:b="}}, ""},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			_, err := tc.options.request()
			if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("request(): %v, want an error with %q", err, tc.wrong)
			}
		})
	}
}
