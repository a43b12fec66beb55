package charttest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	charttest "github.com/podidentity/podidentity-operator/test/chart"
)

// The alerts that the chart renders are valid, and fire when they should, by the real
// promtool. testdata/alerts.yaml has the cases.
func TestAlerts_FireWhenTheyShould(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not in PATH, so the alerts are not tested: install Prometheus, such as Debian's package prometheus.")
	}
	dir := t.TempDir()
	rule := charttest.Find(render(t, parse(t, "clusterName: prod-eu\nprometheusRule: {enabled: true, kubeStateMetrics: true}")), "PrometheusRule", "podidentity-controller-manager")
	rules, err := yaml.Marshal(rule.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile("testdata/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"rules.yaml": rules, "alerts.yaml": cases} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, {"test", "rules", "alerts.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		t.Logf("promtool %s:\n%s", strings.Join(args, " "), out)
	}
}

// Every alert has a case in which it fires, and one in which it does not.
func TestAlerts_EachHasCases(t *testing.T) {
	rule, err := os.ReadFile(root + "/config/prometheus/prometheus_rule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var alerts []string
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(string(rule), -1) {
		alerts = append(alerts, m[1])
	}
	var cases struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string `json:"alertname"`
				ExpAlerts []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	content, err := os.ReadFile("testdata/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range cases.Tests {
		for _, c := range test.AlertRuleTest {
			fires[c.Alertname] = fires[c.Alertname] || len(c.ExpAlerts) > 0
			silent[c.Alertname] = silent[c.Alertname] || len(c.ExpAlerts) == 0
		}
	}
	slices.Sort(alerts)
	for kind, has := range map[string]map[string]bool{"fires": fires, "is silent": silent} {
		var got []string
		for alert, ok := range has {
			if ok {
				got = append(got, alert)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(alerts, got); diff != "" {
			t.Errorf("alerts with a case in which it %s: -want, +got:\n%s", kind, diff)
		}
	}
}
