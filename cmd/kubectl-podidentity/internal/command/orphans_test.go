package command

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/orphan"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

func foundOrphans() orphansResult {
	day := time.Date(2026, 10, 3, 8, 0, 0, 0, time.UTC)
	return orphansResult{Cluster: "prod", ClusterID: "c1", AccountID: "123456789012", OtherCluster: []string{"prod_shop_cart_1"}, Roles: rolesOf([]orphan.Orphan{
		{
			Name: "prod_shop_checkout_1a2b3c4d", ARN: "arn:aws:iam::123456789012:role/podidentity/prod/prod_shop_checkout_1a2b3c4d", ID: "AROA1",
			Namespace: "shop", PodIdentity: "checkout", UID: "u1", State: orphan.Leaked, Created: day, LastUsed: day.AddDate(0, 1, 0), Assumable: true,
			Policies: []string{"managed policy read", "inline policy bucket"},
		},
		{Name: "kept", Namespace: "shop", PodIdentity: "old", State: orphan.Retained, RetainedAt: "2026-11-01T10:00:00Z", Created: day, Assumable: true, Policies: []string{}},
		{Name: "hostile", Namespace: "a\x1b[2K", PodIdentity: "b\u202ec", State: orphan.Retained, RetainedAt: "now\nROLE", Created: day, Policies: []string{}},
	})}
}

func TestOrphans_Output(t *testing.T) {
	deleted := foundOrphans()
	deleted.Roles[0].Deleted, deleted.Roles[1].Skipped, deleted.Roles[2].Skipped = true, "it has a PodIdentity now", "AWS denies you iam:DeleteRole\n"
	none := orphansResult{Cluster: "prod", AccountID: "123456789012"}
	for name, show := range map[string]func(*output.Printer){
		"list":    func(p *output.Printer) { printOrphans(p, foundOrphans()) },
		"none":    func(p *output.Printer) { printOrphans(p, none); printDeleted(p, none) },
		"deleted": func(p *output.Printer) { printDeleted(p, deleted) },
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			show(output.NewPrinter(&b, false))
			golden(t, "testdata/orphans-"+name+".txt", b.String())
		})
	}
	var b bytes.Buffer
	if err := output.Encode(&b, output.JSON, deleted); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/orphans.json", b.String())
}

// Only a clear yes deletes.
func TestOrphans_DeleteOnlyAfterYes(t *testing.T) {
	for answer, want := range map[string]struct {
		agreed bool
		says   string
	}{
		"y\n": {true, ""}, "YES\r\n": {true, ""}, "y": {true, ""},
		"\n": {false, "Nothing was deleted."}, "n\n": {false, "Nothing was deleted."}, "yep\n": {false, "Nothing was deleted."},
		"": {false, ""},
	} {
		var errs strings.Builder
		s := newSession(Process{In: strings.NewReader(answer), Out: io.Discard, Err: &errs})
		s.color = "never"
		agreed, err := confirmDeletion(s, foundOrphans())
		if agreed != want.agreed || (err == nil) != want.agreed || !strings.Contains(errs.String(), want.says) {
			t.Errorf("answer %q: agreed %t, error %v, output %s", answer, agreed, err, errs.String())
		}
	}
}

func TestOrphans_Flags(t *testing.T) {
	for says, args := range map[string][]string{
		"--yes and --retained need --delete": {"orphans", "--yes"},
		"add --yes":                          {"orphans", "--delete", "-o", "json"},
		"must be json or yaml":               {"orphans", "-o", "csv"},
	} {
		if r := runPlugin("", args...); r.code != exitError || !strings.Contains(r.stderr, says) {
			t.Errorf("%v: exit code %d, %s, want %q", args, r.code, r.stderr, says)
		}
	}
}
