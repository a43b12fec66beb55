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

// elsewhere are the flags that are not a key of options, with the reason.
var elsewhere = map[string]string{
	"cluster-name": "is the required value clusterName",
	"version":      "prints the version and exits",
}

// Every flag of the operator is a value, and every value is a flag. A new flag needs
// one line in values.yaml.
func TestValues_EveryFlagIsOne(t *testing.T) {
	var want []string
	for _, flag := range options.Flags() {
		if elsewhere[flag.Name] == "" {
			want = append(want, camelCase(flag.Name))
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
func TestValues_DefaultsAreThoseOfTheOperator(t *testing.T) {
	want := parseArgs(t, []string{"--cluster-name=prod-eu"})
	got := parseArgs(t, args(t, render(t, parse(t, "clusterName: prod-eu"))))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options: -the operator's defaults, +the chart's:\n%s", diff)
	}
}

// Values arrive in the operator, whatever their type, and extraArgs win.
func TestValues_ReachTheOperator(t *testing.T) {
	got := parseArgs(t, args(t, render(t, matrix(t)["everything"])))
	want := parseArgs(t, []string{
		"--cluster-name=prod-eu", "--role-path=/platform/prod-eu/", "--permissions-boundary=arn:aws:iam::123456789012:policy/podidentity-boundary",
		"--require-guardrail", "--oidc-provider=Create", "--oidc-issuer=https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF",
		"--drift-check-interval=1h30m", "--event-queue-url=https://sqs.us-east-1.amazonaws.com/123456789012/podidentity-prod-eu", "--iam-propagation-delay=0s", "--max-concurrent-reconciles=30",
		"--aws-reads-per-second=0.5", "--aws-writes-per-second=0", "--leader-election-namespace=kube-system",
		"--leader-election-lease-duration=30s", "--ignore-tag-prefixes=org:,costs/", "--orphaned-roles=Report", "--adopt-from-cluster-id=0f8fad5b-d9cb-469f-a165-70867728950e", "--otlp-endpoint=http://otel-collector.monitoring:4317", "--log-format=text", "--log-level=error",
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options: -want, +got:\n%s", diff)
	}
}

// The schema rejects no value that the operator accepts, and of the values that the
// operator rejects it rejects those that are listed here.
func TestSchema_AgreesWithTheOperator(t *testing.T) {
	probes := map[string][]string{ // by kind of flag
		"duration": {"1s", "10m", "1h30m", "1.5h", "500ms", "ten", "10", "-1s"},
		"number":   {"0", "1", "0.5", "10", "100", "101", "1000", "1001", "-1"},
		"list":     {"org:,costs/", "org:", "aws:"},
		"bool":     {"true", "false", "maybe"},
		"text":     {"Require", "Create", "create", "json", "xml", "debug", "warn", ":8443", "localhost:8443", "0", "8443", "a b", "x", "X_", "Seal", "seal", "0f8fad5b-d9cb-469f-a165-70867728950e", "/a/", "/a", "arn:aws:iam::123456789012:policy/x", "https://example.com/id/1", "http://example.com", "sts.amazonaws.com", "https://sqs.us-east-1.amazonaws.com/123456789012/q", "https://sqs.us-east-1.amazonaws.com/1/q", "http://localhost:4566/123456789012/q", "http://otel:4317", "https://otel.example.com:4317", "http://otel:4318/v1/traces", "http://u:p@otel:4317", "otel:4317"},
	}
	for _, flag := range options.Flags() {
		if flag.Name == "version" {
			continue
		}
		for _, probe := range probes[kindOf(flag)] {
			t.Run(flag.Name+"="+probe, func(t *testing.T) {
				value := probe
				switch kindOf(flag) {
				case "text", "duration":
					value = strconv.Quote(probe)
				case "list":
					value = "['" + strings.ReplaceAll(probe, ",", "','") + "']"
				}
				values := parse(t, "clusterName: prod-eu\nreplicaCount: 1\noptions: {"+camelCase(flag.Name)+": "+value+"}")
				if flag.Name == "cluster-name" {
					values = parse(t, "clusterName: "+value)
				}
				_, schemaErr := charttest.Render(t.Context(), load(t), values)
				_, operatorErr := options.Parse([]string{"--cluster-name=prod-eu", "--" + flag.Name + "=" + probe}, func(string) string { return "" })
				switch {
				case schemaErr != nil && operatorErr == nil:
					t.Errorf("the operator accepts it, the chart rejects it: %v", schemaErr)
				case schemaErr == nil && operatorErr != nil && !laterRejected[flag.Name]:
					t.Errorf("the chart accepts it, the operator rejects it: %v", operatorErr)
				}
			})
		}
	}
}

// laterRejected are flags for which the operator knows limits that no pattern expresses:
// the limits of durations, and of the elements of a list.
var laterRejected = map[string]bool{"ignore-tag-prefixes": true, "leader-election-lease-duration": true, "drift-check-interval": true, "iam-propagation-delay": true}

// kindOf returns what the values of a flag are.
func kindOf(f options.Flag) string {
	switch {
	case strings.HasPrefix(f.Allowed, "a duration"):
		return "duration"
	case strings.HasPrefix(f.Allowed, "a number"):
		return "number"
	case f.Allowed == "true or false":
		return "bool"
	case strings.Contains(f.Allowed, "separated by commas"):
		return "list"
	default:
		return "text"
	}
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
