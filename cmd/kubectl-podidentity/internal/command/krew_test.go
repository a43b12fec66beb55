package command

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"text/template"

	"sigs.k8s.io/yaml"
)

// krewPlugin is what krew reads of a manifest.
// https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
type krewPlugin struct {
	APIVersion string                `json:"apiVersion"`
	Kind       string                `json:"kind"`
	Metadata   struct{ Name string } `json:"metadata"`
	Spec       struct {
		Version          string `json:"version"`
		Homepage         string `json:"homepage"`
		ShortDescription string `json:"shortDescription"`
		Description      string `json:"description"`
		Platforms        []struct {
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			URI    string `json:"uri"`
			SHA256 string `json:"sha256"`
			Bin    string `json:"bin"`
		} `json:"platforms"`
	} `json:"spec"`
}

// The manifest is filled by krew-release-bot. That its archives are those of a release is
// tested in hack/release.
func TestKrewManifest_IsOneOfKrew(t *testing.T) {
	p := krewManifest(t)
	if p.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || p.Kind != "Plugin" || p.Metadata.Name != "podidentity" || p.Spec.Version != "v1.2.3" {
		t.Errorf("krew would not read it: %+v", p)
	}
	if n := len(p.Spec.ShortDescription); n == 0 || n > 50 {
		t.Errorf("the short description has %d characters; krew shows 50", n)
	}
	for _, platform := range p.Spec.Platforms {
		system, arch := platform.Selector.MatchLabels["os"], platform.Selector.MatchLabels["arch"]
		uri := fmt.Sprintf("https://github.com/podidentity/podidentity-operator/releases/download/v1.2.3/kubectl-podidentity_v1.2.3_%s_%s.tar.gz", system, arch)
		if platform.URI != uri || platform.SHA256 != "0" {
			t.Errorf("%s/%s: uri %s, want %s", system, arch, platform.URI, uri)
		}
		if bin := strings.TrimSuffix(platform.Bin, ".exe"); bin != "kubectl-podidentity" || (system == "windows") != (bin != platform.Bin) {
			t.Errorf("%s/%s: bin %s", system, arch, platform.Bin)
		}
	}
}

// krewManifest returns the manifest as krew-release-bot fills it.
func krewManifest(t *testing.T) krewPlugin {
	t.Helper()
	raw, err := os.ReadFile("../../../../.krew.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fill, err := template.New("krew").Funcs(template.FuncMap{
		"addURIAndSha": func(uri, tag string) string {
			return "uri: " + strings.ReplaceAll(uri, "{{ .TagName }}", tag) + "\n    sha256: \"0\""
		},
	}).Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := fill.Execute(&b, map[string]string{"TagName": "v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	var p krewPlugin
	if err := yaml.UnmarshalStrict([]byte(b.String()), &p); err != nil {
		t.Fatal(err)
	}
	return p
}
