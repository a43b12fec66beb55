package logline

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-logr/logr"
	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// logger returns a logger like the operator's, and what it writes.
func logger(encoder zap.Opts) (logr.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return zap.New(zap.UseDevMode(false), zap.WriteTo(&out), encoder,
		zap.StacktraceLevel(zapcore.DPanicLevel), zap.RawZapOpts(uberzap.WrapCore(Bound))), &out
}

// Whatever a spec or AWS contributes to a log line, the line is short, and every
// character is visible.
func TestWriter_LinesAreShortAndVisible(t *testing.T) {
	hostile := rapid.OneOf(
		rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	repeated := rapid.SampledFrom([]string{"", "a", "\n", "\u202e", "\x1b[2J", `"`, `\`, "\u2028", "ö"})
	rapid.Check(t, func(t *rapid.T) {
		text := hostile.Draw(t, "text") + strings.Repeat(repeated.Draw(t, "repeated"), 4000)
		for name, encoder := range map[string]zap.Opts{"json": zap.JSONEncoder(), "text": zap.ConsoleEncoder()} {
			log, out := logger(encoder)
			// As controller-runtime does for each reconcile, with the longest names.
			log = log.WithValues("controller", "podidentity", "controllerGroup", "iam.podidentity.io", "controllerKind", "PodIdentity",
				"PodIdentity", types.NamespacedName{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("o", 253)},
				"namespace", strings.Repeat("n", 63), "name", strings.Repeat("o", 253), "reconcileID", strings.Repeat("1", 36))
			log.Error(errors.New(text), text, "role", text, "changes", []string{text, text}, "count", 3)
			line := strings.TrimSuffix(out.String(), "\n")
			if len(line) > Most || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) }) || !utf8.ValidString(line) {
				t.Fatalf("%s line of %d bytes: %.200q", name, len(line), line)
			}
			if name == "json" && !json.Valid([]byte(line)) {
				t.Fatalf("not JSON: %s", line)
			}
		}
	})
}

// The values of a logger, which each of its lines repeats, are also bounded.
func TestWriter_ValuesOfALoggerAreShortAndVisible(t *testing.T) {
	log, out := logger(zap.JSONEncoder())
	log.WithValues("role", "\n\u202e"+strings.Repeat("a", 100_000)).Info("Updating IAM role")
	if line := out.String(); len(line) > Most || strings.Contains(line, "\u202e") || !strings.Contains(line, "aaa") {
		t.Errorf("line of %d bytes: %.200q", len(line), line)
	}
}

// A short line is not changed.
func TestWriter_ShortLinesStay(t *testing.T) {
	log, out := logger(zap.JSONEncoder())
	log.WithValues("PodIdentity", types.NamespacedName{Namespace: "shop", Name: "web"}).
		Error(errors.New("no"), "Updating IAM role", "role", "r", "drift", true, "count", 2)
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "ts")
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"PodIdentity":{"name":"web","namespace":"shop"},"count":2,"drift":true,"error":"no","level":"error","msg":"Updating IAM role","role":"r"}`
	if string(raw) != want {
		t.Errorf("line = %s, want %s", raw, want)
	}
}
