package ratelimit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A waiting call gives the notice once, at its time, and continues to wait.
func TestWithNotice_IsGivenOnce(t *testing.T) {
	cases := map[string]struct {
		calls int // that come first
		after time.Duration
		want  int // notices
	}{
		"a call that is served immediately gives none": {calls: 0, after: 2 * time.Second, want: 0},
		"a call that waits less gives none":            {calls: 1, after: 5 * time.Second, want: 0},
		"a call that waits gives one":                  {calls: 4, after: time.Second, want: 1},
	}
	for reason, tc := range cases {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New(1, 1)
				ctx, cancel := context.WithCancel(WithPriority(t.Context(), Check))
				for range tc.calls {
					go func() { _, _ = l.Acquire(ctx, Write) }()
				}
				synctest.Wait()
				var notices []Wait
				began := time.Now()
				noticed := WithNotice(ctx, began.Add(tc.after), func(w Wait) {
					if waited := time.Since(began); waited != tc.after {
						t.Errorf("the notice came after %s, want %s", waited, tc.after)
					}
					notices = append(notices, w)
				})
				for range 2 {
					if _, err := l.Acquire(noticed, Write); err != nil {
						t.Fatal(err)
					}
				}
				if len(notices) != tc.want {
					t.Errorf("%d notices, want %d", len(notices), tc.want)
				}
				if len(notices) > 0 && (notices[0].Rate != 1 || notices[0].Waiting < 1) {
					t.Errorf("notice = %+v", notices[0])
				}
				cancel()
			})
		})
	}
}
