package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

func get(ctx context.Context, url string) ([]byte, error) {
	return do(ctx, http.MethodGet, url, nil)
}

func post(ctx context.Context, url string, content any) error {
	var body []byte
	if content != nil {
		var err error
		if body, err = json.Marshal(content); err != nil {
			return err
		}
	}
	_, err := do(ctx, http.MethodPost, url, body)
	return err
}

func do(ctx context.Context, method, url string, content []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content)) //nolint:gosec // of this machine
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request) //nolint:gosec // see above
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, body)
	}
	return body, err
}

// eventually polls a condition until it is true, for 10 minutes at most.
func eventually(ctx context.Context, what string, condition func() (bool, error)) error {
	return eventuallyEvery(ctx, 20*time.Millisecond, what, condition)
}

// eventuallyEvery is eventually with an interval between two polls.
func eventuallyEvery(ctx context.Context, interval time.Duration, what string, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, fmt.Errorf("timed out waiting for %s", what))
	defer cancel()
	poll := time.NewTicker(interval)
	defer poll.Stop()
	for {
		if done, err := condition(); done || err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sleep waits for a time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
