package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// width is the maximum number of columns of the demo's own lines.
const width = 80

// printer prints the walkthrough in plain lines.
type printer struct {
	out  io.Writer
	tick string
}

func newPrinter(out *os.File) *printer {
	p := &printer{out: out, tick: "✓"}
	if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		p.tick = "\x1b[32m✓\x1b[0m"
	}
	return p
}

func (p *printer) line(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

// heading begins a section.
func (p *printer) heading(format string, args ...any) { p.line("\n"+format, args...) }

// done prints a completed step.
func (p *printer) done(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, "  %s %s\n", p.tick, fmt.Sprintf(format, args...))
}

// output prints the output of a command.
func (p *printer) output(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		_, _ = fmt.Fprintf(p.out, "      %s\n", strings.TrimRight(line, "\n"))
	}
}

// sentence prints a sentence after a label, wrapped. Further lines are indented to the end
// of the label.
func (p *printer) sentence(label, sentence string) {
	const margin = "    "
	indent := margin + strings.Repeat(" ", utf8.RuneCountInString(label))
	lines := wrap(sentence, width-len(indent))
	p.line("%s%s%s", margin, label, strings.Join(lines, "\n"+indent))
}

// cost prints the AWS calls of a step.
func (p *printer) cost(calls map[string]int) { p.sentence("AWS calls: ", listed(calls)) }

// wrap breaks text between words into lines of at most so many characters. A
// word that is longer gets its own line.
func wrap(text string, limit int) []string {
	var lines []string
	for word := range strings.FieldsSeq(text) {
		last := len(lines) - 1
		if last >= 0 && utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) <= limit {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

// listed returns calls as text, in alphabetical order, with their sum.
func listed(calls map[string]int) string {
	if len(calls) == 0 {
		return "none"
	}
	var parts []string
	for _, action := range slices.Sorted(maps.Keys(calls)) {
		if n := calls[action]; n > 1 {
			action = fmt.Sprintf("%s ×%d", action, n)
		}
		parts = append(parts, action)
	}
	return fmt.Sprintf("%d (%s)", total(calls), strings.Join(parts, ", "))
}

// since returns the calls that were made after before.
func since(before, after map[string]int) map[string]int {
	delta := maps.Clone(after)
	for action, n := range before {
		if delta[action] -= n; delta[action] <= 0 {
			delete(delta, action)
		}
	}
	return delta
}

// writes returns those calls that change something.
func writes(calls map[string]int) map[string]int {
	left := maps.Clone(calls)
	maps.DeleteFunc(left, func(action string, _ int) bool {
		return strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List")
	})
	return left
}

func total(calls map[string]int) int {
	sum := 0
	for _, n := range calls {
		sum += n
	}
	return sum
}

// seconds formats a duration in seconds.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// tail returns the last n lines of a file, or a placeholder if there is no file.
func tail(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "(the program was not started)"
	}
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// instructions prints how to use the running environment.
func (p *printer) instructions(e *environment) {
	p.line(`
The environment keeps running until Ctrl-C. In another terminal:

  export PATH=%s:$PATH
  export KUBECONFIG=%s
  export AWS_ENDPOINT_URL=%s AWS_DEFAULT_REGION=%s
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

Four things to try:

  1. See the identities and their conditions:
       kubectl get podid -A -o wide; kubectl describe podid -n shop checkout
  2. Remove the annotation from the ServiceAccount; the operator restores it:
       kubectl annotate sa -n shop checkout eks.amazonaws.com/role-arn-
       kubectl get sa -n shop checkout -o yaml
  3. Change the role out of band, and request a reconciliation:
       aws iam attach-role-policy --role-name %s \
         --policy-arn arn:aws:iam::aws:policy/AdministratorAccess
       kubectl annotate podid -n shop checkout --overwrite \
         iam.podidentity.io/requestedAt=$(date +%%s)
       kubectl events -n shop --for podidentity/checkout
  4. Ask the kubectl plugin who can do what, and whether it works:
       kubectl podidentity status -n shop; kubectl podidentity verify -n shop checkout
       kubectl podidentity audit --action s3:PutObject`,
		e.plugin+string(filepath.ListSeparator)+e.cluster.AssetsDir, e.kubeconfig, e.endpoint, region, e.role)
}
