package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// width is the maximum number of columns of the demo's own lines.
const width = 80

// teller tells the story in plain lines.
type teller struct {
	out  io.Writer
	tick string
}

func newTeller(out *os.File) *teller {
	t := &teller{out: out, tick: "✓"}
	if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		t.tick = "\x1b[32m✓\x1b[0m"
	}
	return t
}

func (t *teller) line(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format+"\n", args...) }

// chapter begins a new part of the story.
func (t *teller) chapter(format string, args ...any) { t.line("\n"+format, args...) }

// done ticks a step off.
func (t *teller) done(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, "  %s %s\n", t.tick, fmt.Sprintf(format, args...))
}

// show shows what a command printed.
func (t *teller) show(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		_, _ = fmt.Fprintf(t.out, "      %s\n", strings.TrimRight(line, "\n"))
	}
}

// say says a sentence, in as many lines as it takes. All but the first are
// indented to below the end of its label.
func (t *teller) say(label, sentence string) {
	const margin = "    "
	indent := margin + strings.Repeat(" ", utf8.RuneCountInString(label))
	lines := wrap(sentence, width-len(indent))
	t.line("%s%s%s", margin, label, strings.Join(lines, "\n"+indent))
}

// cost tells which AWS calls a step cost.
func (t *teller) cost(calls map[string]int) { t.say("AWS calls: ", listed(calls)) }

// wrap breaks text between words into lines of at most so many characters. A
// word that is longer is a line of its own.
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

// seconds returns a duration as people say it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// tail returns the last n lines of a file, and says so if there is none.
func tail(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "(it was not started)"
	}
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// invite tells how to use what is running.
func (t *teller) invite(w *world) {
	t.line(`
It stays up until Ctrl-C. In another terminal:

  export PATH=%s:$PATH
  export KUBECONFIG=%s
  export AWS_ENDPOINT_URL=%s AWS_DEFAULT_REGION=%s
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local

Three things to try:

  1. What is there, and why it is ready:
       kubectl get podid -A -o wide; kubectl describe podid -n shop checkout
  2. Take the role off the ServiceAccount; it is back before you look:
       kubectl annotate sa -n shop checkout eks.amazonaws.com/role-arn-
       kubectl get sa -n shop checkout -o yaml
  3. Tamper with the role in AWS, and ask for a check:
       aws iam attach-role-policy --role-name %s \
         --policy-arn arn:aws:iam::aws:policy/AdministratorAccess
       kubectl annotate podid -n shop checkout --overwrite \
         iam.podidentity.io/requestedAt=$(date +%%s)
       kubectl events -n shop --for podidentity/checkout`,
		w.cluster.AssetsDir, w.kubeconfig, w.endpoint, region, w.role)
}
