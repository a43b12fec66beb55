package chain

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
)

// fixture is a file of testdata: what differs from base.yaml, as a JSON merge patch.
type fixture struct {
	Reason string         `json:"reason"`
	Broken string         `json:"broken"`
	Facts  map[string]any `json:"facts"`
}

// load returns all fixtures by name, merged into base.yaml, and their facts.
func load(t *testing.T) (map[string]fixture, map[string]Facts) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	fixtures, facts := map[string]fixture{}, map[string]Facts{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		fixtures[name] = read(t, file)
		merged := read(t, "testdata/base.yaml").Facts
		merge(merged, fixtures[name].Facts)
		raw, err := yaml.Marshal(merged)
		if err != nil {
			t.Fatal(err)
		}
		var f Facts
		if err := yaml.UnmarshalStrict(raw, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		facts[name] = f
	}
	return fixtures, facts
}

func read(t *testing.T, file string) fixture {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := yaml.UnmarshalStrict(raw, &f); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return f
}

// merge applies a JSON merge patch (RFC 7386).
func merge(to, patch map[string]any) {
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		existing, there := to[key].(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case isMap && there:
			merge(existing, inner)
		default:
			to[key] = value
		}
	}
}

func TestWalk_EndsAtTheFirstBrokenLink(t *testing.T) {
	fixtures, facts := load(t)
	for name, tc := range fixtures {
		t.Run(name, func(t *testing.T) {
			got := Walk(facts[name])
			if got.Broken != tc.Broken {
				t.Errorf("%s\nWalk().Broken = %q, want %q: %+v", tc.Reason, got.Broken, tc.Broken, got.Links)
			}
			for i, link := range got.Links {
				last := i == len(got.Links)-1
				if (link.State == check.Broken) != (last && tc.Broken != "") {
					t.Errorf("%s\nthe walk must end at the first broken link: %+v", tc.Reason, got.Links)
				}
				if link.State == check.Broken && link.Fix == "" {
					t.Errorf("link %s is broken and has no fix", link.Name)
				}
			}
		})
	}
}

// Every link is broken in a fixture, or none would show that it can be.
func TestWalk_FixturesBreakEveryLink(t *testing.T) {
	fixtures, _ := load(t)
	broken := map[string]bool{}
	for _, f := range fixtures {
		broken[f.Broken] = true
	}
	delete(broken, "")
	want := map[string]bool{}
	for _, link := range []string{
		LinkServiceAccount, LinkAnnotation, LinkWebhook, LinkVariables, LinkCredentials, LinkToken, LinkIssuer, LinkProvider,
		LinkAudience, LinkRole, LinkTrust, LinkDeny, LinkPermissions, LinkBoundary, LinkSimulation,
	} {
		want[link] = true
	}
	if diff := cmp.Diff(want, maps.Clone(broken)); diff != "" {
		t.Errorf("broken links in testdata: -want, +got:\n%s", diff)
	}
}

// Without AWS the walk ends before it, and says nothing about it.
func TestWalk_WithoutAWSEndsBeforeIt(t *testing.T) {
	_, facts := load(t)
	f := facts["base"]
	f.AWS = nil
	got := Walk(f)
	if last := got.Links[len(got.Links)-1]; last.Name != LinkIssuer || got.Broken != "" || got.Incomplete {
		t.Errorf("the walk ended at %+v", last)
	}
}

// A pod's other containers do not matter to a user who asks about one.
func TestWalk_ChecksOnlyTheNamedContainer(t *testing.T) {
	_, facts := load(t)
	f := facts["base"]
	sidecar := *f.Pod.Spec.Containers[0].DeepCopy()
	sidecar.Name, sidecar.Env = "sidecar", nil
	f.Pod.Spec.Containers = append(f.Pod.Spec.Containers, sidecar)
	for container, want := range map[string]string{"": "", "app": "", "sidecar": LinkVariables} {
		f.Container = container
		if got := Walk(f).Broken; got != want {
			t.Errorf("container %q: Walk().Broken = %q, want %q", container, got, want)
		}
	}
}

// Users copy fixes into a shell. What a tenant writes must not run there.
func TestFix_ContainsNoShellCommandOfATenant(t *testing.T) {
	_, facts := load(t)
	const attack = "arn:aws:iam::123456789012:role/$(id)`id`;id"
	misspelled := facts["annotation-misspelled"]
	misspelled.ServiceAccount.Annotations = map[string]string{"eks.amazon.com/role-arn": attack}
	onPod := facts["annotation-on-pod"]
	onPod.Pod.Annotations["eks.amazonaws.com/role-arn"] = attack
	audience := facts["audience-wrong"]
	audience.Pod.Spec.Volumes[0].Projected.Sources[0].ServiceAccountToken.Audience = "a$(id)'`id`;id"
	for name, f := range map[string]Facts{"misspelled": misspelled, "onPod": onPod} {
		links := Walk(f).Links
		if fix := links[len(links)-1].Fix; strings.ContainsAny(fix, "$`;") {
			t.Errorf("%s: the fix holds a command: %s", name, fix)
		}
	}
	links := Walk(audience).Links
	if fix := links[len(links)-1].Fix; !strings.HasSuffix(fix, `--client-id 'a$(id)'\''`+"`id`;id'") {
		t.Errorf("the audience is not quoted: %s", fix)
	}
}
