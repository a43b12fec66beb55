package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestKindAndReason(t *testing.T) {
	boom := errors.New("boom")
	cases := map[string]struct {
		reason     string
		err        error
		want       Kind
		wantReason string
	}{
		"Nil":        {"No error passes by itself.", nil, Transient, "fallback"},
		"Unknown":    {"To retry is safe, to give up is not.", boom, Transient, "fallback"},
		"Classified": {"The kind it was given.", Errorf(Blocked, "AccessDenied", "no"), Blocked, "AccessDenied"},
		"Wrapped":    {"Context does not change the kind.", fmt.Errorf("role r: %w", Errorf(Terminal, "InvalidSpec", "no")), Terminal, "InvalidSpec"},
		"First":      {"The first in the chain counts.", Errorf(Waiting, "A", "%w", Errorf(Terminal, "B", "no")), Waiting, "A"},
		"Joined":     {"So it does among several.", errors.Join(boom, Errorf(Blocked, "A", "no")), Blocked, "A"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := KindOf(tc.err); got != tc.want {
				t.Errorf("%s\nKindOf(...) = %s, want %s", tc.reason, got, tc.want)
			}
			if got := ReasonOf(tc.err, "fallback"); got != tc.wantReason {
				t.Errorf("%s\nReasonOf(...) = %q, want %q", tc.reason, got, tc.wantReason)
			}
		})
	}
	if err := Errorf(Blocked, "A", "calling: %w", boom); !errors.Is(err, boom) || err.Error() != "calling: boom" {
		t.Errorf("Errorf(...) = %q, which does not wrap its cause", err)
	}
}

func TestKindString(t *testing.T) {
	for kind, want := range map[Kind]string{Transient: "transient", Waiting: "waiting", Blocked: "blocked", Terminal: "terminal", 9: "kind(9)"} {
		if got := kind.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
