package assets

import (
	"fmt"
	"io"
	"os"
	"time"
)

// A display shows lines that stay, and one status at a time: on a terminal it
// is overwritten in place, elsewhere it is a line of its own now and then, so
// that the log of a CI job shows that something happens.
type display struct {
	w        io.Writer
	terminal bool
	period   time.Duration // between two statuses
}

func newDisplay(f *os.File) *display {
	d := &display{w: f, period: 20 * time.Second}
	info, err := f.Stat()
	if err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" {
		d.terminal, d.period = true, 500*time.Millisecond
	}
	return d
}

// A failure to write is of no interest: the build matters more than its progress.

func (d *display) linef(format string, args ...any) {
	d.clear()
	_, _ = fmt.Fprintf(d.w, format+"\n", args...)
}

func (d *display) status(text string) {
	if !d.terminal {
		_, _ = fmt.Fprintf(d.w, "  %s\n", text)
		return
	}
	const width = 76 // a line that wraps could not be overwritten
	if len(text) > width {
		text = text[:width] + "…"
	}
	_, _ = fmt.Fprintf(d.w, "\r\x1b[K  %s", text)
}

func (d *display) clear() {
	if d.terminal {
		_, _ = io.WriteString(d.w, "\r\x1b[K")
	}
}
