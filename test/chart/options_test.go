package charttest_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/podidentity/podidentity-operator/internal/options"
	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

// elsewhere are the flags that are no key of options, with the reason.
var elsewhere = map[string]string{
	"cluster-name": "is the required value clusterName",
	"version":      "prints the version and exits",
}

// Every flag of the operator is a value, and every value is a flag. A new flag needs
// one line in values.yaml.
func TestEveryFlagIsAValue(t *testing.T) {
	flags := operatorFlags()
	if len(flags) == 0 {
		t.Fatal("options.Usage() describes no flag in the form that this test reads.")
	}
	var want []string
	for _, flag := range flags {
		if elsewhere[flag.name] == "" {
			want = append(want, camelCase(flag.name))
		}
	}
	var got []string
	for name := range chartOptions(t) {
		got = append(got, name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options in values.yaml: -flags of the operator, +values of the chart:\n%s", diff)
	}
}

// The defaults of the chart are those of the operator: the arguments that the chart
// renders mean the same as the name of the cluster alone.
func TestDefaultsAreTheOperators(t *testing.T) {
	want := parseArgs(t, []string{"--cluster-name=prod-eu"})
	got := parseArgs(t, args(t, render(t, parse(t, "clusterName: prod-eu"))))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options: -the operator's defaults, +the chart's:\n%s", diff)
	}
}

// Values arrive in the operator, whatever their type, and extraArgs win.
func TestValuesReachTheOperator(t *testing.T) {
	got := parseArgs(t, args(t, render(t, matrix(t)["everything"])))
	want := parseArgs(t, []string{
		"--cluster-name=prod-eu", "--role-path=/platform/prod-eu/", "--permissions-boundary=arn:aws:iam::123456789012:policy/podidentity-boundary",
		"--require-guardrail", "--oidc-provider=Create", "--oidc-issuer=https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF",
		"--drift-check-interval=1h30m", "--iam-propagation-delay=0s", "--max-concurrent-reconciles=20",
		"--aws-reads-per-second=0.5", "--aws-writes-per-second=0", "--leader-election-namespace=kube-system",
		"--leader-election-lease-duration=30s", "--log-format=text", "--log-level=error",
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options: -want, +got:\n%s", diff)
	}
}

// The schema rejects no value that the operator accepts, and of the values that the
// operator rejects it rejects those that are listed here.
func TestSchemaAgreesWithTheOperator(t *testing.T) {
	probes := map[string][]string{ // by kind of flag
		"duration": {"1s", "10m", "1h30m", "1.5h", "500ms", "ten", "10", "-1s"},
		"number":   {"0", "1", "0.5", "10", "100", "101", "1000", "1001", "-1"},
		"bool":     {"true", "false", "maybe"},
		"text":     {"Require", "Create", "create", "json", "xml", "debug", "warn", ":8443", "localhost:8443", "0", "8443", "a b", "x", "X_", "/a/", "/a", "arn:aws:iam::123456789012:policy/x", "https://example.com/id/1", "http://example.com", "sts.amazonaws.com"},
	}
	for _, flag := range operatorFlags() {
		if flag.name == "version" {
			continue
		}
		for _, probe := range probes[flag.kind()] {
			t.Run(flag.name+"="+probe, func(t *testing.T) {
				value := probe
				if kind := flag.kind(); kind == "text" || kind == "duration" {
					value = strconv.Quote(probe)
				}
				values := parse(t, "clusterName: prod-eu\nreplicaCount: 1\noptions: {"+camelCase(flag.name)+": "+value+"}")
				if flag.name == "cluster-name" {
					values = parse(t, "clusterName: "+value)
				}
				_, schemaErr := charttest.Render(t.Context(), load(t), values)
				_, operatorErr := options.Parse([]string{"--cluster-name=prod-eu", "--" + flag.name + "=" + probe}, func(string) string { return "" })
				switch {
				case schemaErr != nil && operatorErr == nil:
					t.Errorf("the operator accepts it, the chart rejects it: %v", schemaErr)
				case schemaErr == nil && operatorErr != nil && !laterRejected[flag.name]:
					t.Errorf("the chart accepts it, the operator rejects it: %v", operatorErr)
				}
			})
		}
	}
}

// laterRejected are flags for which the operator knows limits that no pattern expresses:
// the limits of durations, and the gap between 0 and 0.1.
var laterRejected = map[string]bool{"leader-election-lease-duration": true, "drift-check-interval": true, "iam-propagation-delay": true}

// operatorFlag is a flag as the operator's help describes it.
type operatorFlag struct{ name, initial, allowed string }

func (f operatorFlag) kind() string {
	switch {
	case strings.HasPrefix(f.allowed, "a duration"):
		return "duration"
	case strings.HasPrefix(f.allowed, "a number"):
		return "number"
	case f.allowed == "true or false":
		return "bool"
	default:
		return "text"
	}
}

// operatorFlags returns all flags of the operator.
func operatorFlags() []operatorFlag {
	var flags []operatorFlag
	for _, m := range regexp.MustCompile(`(?m)^  --([a-z-]+).*\n.*\n +(?:Required\.|Default: (.*?)\.) Must be (.*)\.$`).FindAllStringSubmatch(options.Usage(), -1) {
		flags = append(flags, operatorFlag{m[1], m[2], m[3]})
	}
	return flags
}

// camelCase returns the value's name of a flag.
func camelCase(name string) string {
	return regexp.MustCompile(`-[a-z]`).ReplaceAllStringFunc(name, func(s string) string { return strings.ToUpper(s[1:]) })
}

func chartOptions(t *testing.T) map[string]any {
	t.Helper()
	values, ok := load(t).Values["options"].(map[string]any)
	if !ok {
		t.Fatal("values.yaml has no map options.")
	}
	return values
}

// args returns the arguments of the operator.
func args(t *testing.T, objects []*unstructured.Unstructured) []string {
	t.Helper()
	container := manager(t, objects)
	args, _, err := unstructured.NestedStringSlice(container, "args")
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// manager returns the operator's container.
func manager(t *testing.T, objects []*unstructured.Unstructured) map[string]any {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		if err != nil || len(containers) != 1 {
			t.Fatalf("%d containers, %v", len(containers), err)
		}
		return containers[0].(map[string]any)
	}
	t.Fatal("no Deployment was rendered.")
	return nil
}

func parseArgs(t *testing.T, args []string) options.Options {
	t.Helper()
	parsed, err := options.Parse(args, func(string) string { return "" })
	if err != nil {
		t.Fatalf("the operator rejects %q: %v", args, err)
	}
	return parsed
}
