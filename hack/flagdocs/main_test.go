package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/internal/options"
)

func TestPage_IsUpToDate(t *testing.T) {
	got, err := os.ReadFile("../../docs/flags.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page(options.Flags())), string(got)); diff != "" {
		t.Errorf("docs/flags.md is not up to date, run make manifests: -want, +got:\n%s", diff)
	}
}

func TestPage_DescribesFlags(t *testing.T) {
	got := page([]options.Flag{
		{Name: "name", Env: "P_NAME", Usage: "Name of <it>.", Allowed: "a|b", Required: true},
		{Name: "path", Usage: "Path.", Default: "the name's own", Allowed: "a path"},
		{Name: "log", Usage: "Log.", Default: "/x/<y>/", Allowed: "a level"},
		{Name: "arn", Usage: "ARN.", Allowed: "an ARN"},
	})
	want := top + `
| flag | default |
|---|---|
| [` + "`--name`" + `](#--name) | required |
| [` + "`--path`" + `](#--path) | the name's own |
| [` + "`--log`" + `](#--log) | ` + "`/x/<y>/`" + ` |
| [` + "`--arn`" + `](#--arn) | none |

## ` + "`--name`" + `

| | |
|---|---|
| description | Name of &lt;it&gt;. |
| environment variable | ` + "`P_NAME`" + ` |
| default | required |
| must be | a\|b |

## ` + "`--path`" + `

| | |
|---|---|
| description | Path. |
| default | the name's own |
| must be | a path |

## ` + "`--log`" + `

| | |
|---|---|
| description | Log. |
| default | ` + "`/x/<y>/`" + ` |
| must be | a level |

## ` + "`--arn`" + `

| | |
|---|---|
| description | ARN. |
| default | none |
| must be | an ARN |
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestRun_NeedsAFile(t *testing.T) {
	for name, args := range map[string][]string{"no file": nil, "a directory": {t.TempDir()}, "no such directory": {filepath.Join(t.TempDir(), "a", "b")}} {
		t.Run(name, func(t *testing.T) {
			if err := run(args); err == nil {
				t.Error("no error")
			}
		})
	}
}
