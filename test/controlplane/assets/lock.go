package assets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// lock waits until this process holds the lock on path, and returns how to
// release it. The kernel releases it too when the process ends, however it ends.
func lock(ctx context.Context, path string, out *display) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the build: %w", err)
	}
	if err := acquire(ctx, f, out); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the build: %s: %w", path, err), f.Close())
	}
	// So that others can print which process they wait for; nothing depends on it.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return func() { _ = f.Close() }, nil
}

func acquire(ctx context.Context, f *os.File, out *display) error {
	began, shown := time.Now(), time.Time{}
	retry := time.NewTicker(200 * time.Millisecond)
	defer retry.Stop()
	defer func() {
		if !shown.IsZero() {
			out.clear()
		}
	}()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if now := time.Now(); now.Sub(shown) >= out.period {
			shown = now
			out.status(fmt.Sprintf("waiting for process %s, which builds the same, for %s so far",
				holder(f), now.Sub(began).Round(time.Second)))
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// holder returns the ID of the process that holds the lock, as far as known.
func holder(f *os.File) string {
	content, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if pid := strings.TrimSpace(string(content)); err == nil && pid != "" {
		return pid
	}
	return "(unknown)"
}
