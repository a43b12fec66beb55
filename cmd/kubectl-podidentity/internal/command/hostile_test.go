package command

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/access"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/preflight"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/tree"
)

// shown is how a result is written: for people, and for programs.
type shown struct {
	result any // a pointer
	text   func(w io.Writer, p *output.Printer) error
	// yaml reports that the text is YAML, in which a text may take several lines.
	yaml bool
}

// everything returns an empty result of every command that shows what others wrote.
func everything() map[string]shown {
	plain := func(show func(p *output.Printer)) func(io.Writer, *output.Printer) error {
		return func(_ io.Writer, p *output.Printer) error { show(p); return p.Err() }
	}
	identities, why, verified, checks := new([]tree.Identity), new(explanation), new(verification), new([]preflight.Check)
	plan, imports, restart, operation := new(planned), new(imported), new(restarted), new(operated)
	orphans, audit, suggestion := new(orphansResult), new(audited), new(suggested)
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	return map[string]shown{
		"status":      {identities, plain(func(p *output.Printer) { printStatus(p, *identities, "shop", false, now) }), false},
		"status-wide": {identities, plain(func(p *output.Printer) { printStatus(p, *identities, "shop", true, now) }), false},
		"why":         {why, plain(func(p *output.Printer) { printWhy(p, *why) }), false},
		"verify":      {verified, plain(func(p *output.Printer) { printVerification(p, *verified) }), false},
		"doctor":      {checks, plain(func(p *output.Printer) { printChecks(p, *checks) }), false},
		"plan":        {plan, plain(func(p *output.Printer) { printPlan(p, *plan) }), false},
		"import":      {imports, func(w io.Writer, _ *output.Printer) error { return printImported(w, *imports) }, true},
		"restart":     {restart, plain(func(p *output.Printer) { printRestarted(p, *restart) }), false},
		"reconcile":   {operation, plain(func(p *output.Printer) { printOperated(p, *operation, "asked") }), false},
		"orphans":     {orphans, plain(func(p *output.Printer) { printOrphans(p, *orphans); printDeleted(p, *orphans) }), false},
		"audit":       {audit, plain(func(p *output.Printer) { printAudited(p, *audit) }), false},
		"audit-csv":   {audit, func(w io.Writer, _ *output.Printer) error { return auditCSV(w, *audit) }, false},
		"audit-html":  {audit, func(w io.Writer, _ *output.Printer) error { return auditHTML(w, *audit) }, false},
		"suggest":     {suggestion, func(w io.Writer, _ *output.Printer) error { return printSuggested(w, *suggestion) }, true},
	}
}

// fill sets every text in a value to one text, and gives every list and map one element.
func fill(v reflect.Value, text string) {
	switch v.Type() {
	case reflect.TypeFor[check.State](), reflect.TypeFor[access.Answer](), reflect.TypeFor[access.Use]():
		return // words of this program
	}
	switch v.Kind() { //nolint:exhaustive // the kinds that hold texts
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, field := range v.Fields() {
			if field.CanSet() {
				fill(field, text)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), text)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(value, text)
		v.SetMapIndex(key, value)
	}
}

// Users who may name an object, write a message or tag a role write into the outputs of
// others: such a text adds no line, and no character on which a terminal acts, wherever
// it stands. The texts of every result are hostile here, one as the other.
func TestOutputs_HostileTextStaysText(t *testing.T) {
	const hostile = "a\n✓ fine\r\x1b[2K\x1b]0;x\x07\u202e\u200b\u2028<b>\"';=1"
	for name, s := range everything() {
		t.Run(name, func(t *testing.T) {
			harmless := written(t, s, "a")
			got := written(t, s, hostile)
			for format, text := range got {
				for _, r := range text {
					if r != '\n' && !unicode.IsPrint(r) {
						t.Errorf("%s holds %U", format, r)
						break
					}
				}
				if format == "json" && !json.Valid([]byte(text)) {
					t.Errorf("not JSON: %s", text)
				}
				if strings.Contains(text, "<b>") && format == "text" && strings.HasSuffix(name, "html") {
					t.Errorf("a text became an element:\n%s", text)
				}
				if lines, want := strings.Count(text, "\n"), strings.Count(harmless[format], "\n"); lines != want && !(s.yaml && format == "text") {
					t.Errorf("%s has %d lines, and %d with harmless texts", format, lines, want)
				}
			}
			if s.yaml {
				var object any
				if err := yaml.Unmarshal([]byte(got["text"]), &object); err != nil {
					t.Errorf("not YAML: %v\n%s", err, got["text"])
				}
			}
		})
	}
}

// written returns a result with one text everywhere, in all forms.
func written(t *testing.T, s shown, text string) map[string]string {
	t.Helper()
	fill(reflect.ValueOf(s.result).Elem(), text)
	if p, ok := s.result.(*planned); ok {
		p.Objects[0].Changes[0].Before, p.Objects[0].Changes[0].After = "", ""
	}
	var shown, program strings.Builder
	if err := s.text(&shown, output.NewPrinter(&shown, false)); err != nil {
		t.Fatal(err)
	}
	if shown.Len() == 0 {
		t.Fatal("nothing was written")
	}
	if err := output.Encode(&program, output.JSON, reflect.ValueOf(s.result).Elem().Interface()); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"text": shown.String(), "json": program.String()}
}
