package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestKindAndReason_OfWrappedErrors(t *testing.T) {
	boom := errors.New("boom")
	cases := map[string]struct {
		reason     string
		err        error
		want       Kind
		wantReason string
	}{
		"Nil":        {"No error is treated like a transient one.", nil, Transient, "fallback"},
		"Unknown":    {"An unclassified error is retried.", boom, Transient, "fallback"},
		"Classified": {"An error keeps its kind and reason.", Errorf(Blocked, "AccessDenied", "no"), Blocked, "AccessDenied"},
		"Wrapped":    {"Context does not change the kind.", fmt.Errorf("role r: %w", Errorf(Terminal, "InvalidSpec", "no")), Terminal, "InvalidSpec"},
		"First":      {"The first error of the chain counts.", Errorf(Waiting, "A", "%w", Errorf(Terminal, "B", "no")), Waiting, "A"},
		"Joined":     {"The first classified error of several counts.", errors.Join(boom, Errorf(Blocked, "A", "no")), Blocked, "A"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Log(tc.reason)
			if got := KindOf(tc.err); got != tc.want {
				t.Errorf("KindOf(...) = %s, want %s", got, tc.want)
			}
			if got := ReasonOf(tc.err, "fallback"); got != tc.wantReason {
				t.Errorf("ReasonOf(...) = %q, want %q", got, tc.wantReason)
			}
		})
	}
	if err := Errorf(Blocked, "A", "calling: %w", boom); !errors.Is(err, boom) || err.Error() != "calling: boom" {
		t.Errorf("Errorf(...) = %q, which does not wrap its cause", err)
	}
}

func TestKind_String(t *testing.T) {
	for kind, want := range map[Kind]string{Transient: "transient", Waiting: "waiting", Blocked: "blocked", Terminal: "terminal", 9: "kind(9)"} {
		if got := kind.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
