package main

import (
	"bytes"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/podidentity/podidentity-operator/internal/logline"
	"github.com/podidentity/podidentity-operator/internal/options"
)

// The operator's own logger bounds its lines, in both formats.
func TestLogging_LinesAreShortAndVisible(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := zap.New(logging(options.Options{LogLevel: "info", LogFormat: format}), zap.WriteTo(&out))
		log.Info("Rejected", "reason", "\n\u202e"+strings.Repeat("resource ", 100_000))
		line, rest, _ := strings.Cut(out.String(), "\n")
		if len(line) > logline.Most || rest != "" || strings.Contains(line, "\u202e") || !strings.Contains(line, "resource") {
			t.Errorf("%s: the first line has %d bytes, and %d follow: %.200q", format, len(line), len(rest), line)
		}
	}
}
