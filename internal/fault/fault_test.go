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
		t.Run(name+": "+tc.reason, func(t *testing.T) {
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

func TestCauseOf_ReturnsTheFirstCauseOfTheChain(t *testing.T) {
	denied := &Error{Kind: Blocked, Reason: "AccessDenied", Cause: "iam:CreateRole", Err: errors.New("no")}
	for name, tc := range map[string]struct {
		reason string
		err    error
		want   string
	}{
		"Nil":     {"No error has no cause.", nil, ""},
		"Unknown": {"An unclassified error has no cause.", errors.New("boom"), ""},
		"Own":     {"A fault of one object has no shared cause.", Errorf(Blocked, "RoleNotOwned", "no"), ""},
		"Denied":  {"Context does not hide the cause.", fmt.Errorf("role r: %w", denied), "iam:CreateRole"},
		"Nested":  {"A fault without a cause does not hide the cause of the fault that it wraps.", Errorf(Blocked, "GuardrailViolated", "unread: %w", denied), "iam:CreateRole"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := CauseOf(tc.err); got != tc.want {
				t.Errorf("%s\nCauseOf(...) = %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
