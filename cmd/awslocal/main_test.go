package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// It prints where it listens, answers there, and stops on a signal.
func TestRun_ServesUntilSignal(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"--listen", "127.0.0.1:0", "--account", "210987654321", "--quota", "RolesQuota=7"}, in, io.Discard)
	}()

	lines := bufio.NewScanner(out)
	url := ""
	for lines.Scan() && url == "" {
		_, url, _ = strings.Cut(lines.Text(), "export AWS_ENDPOINT_URL=")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	for query, want := range map[string]string{
		"/?Action=GetCallerIdentity&Version=2011-06-15": "<Arn>arn:aws:iam::210987654321:user/awslocal</Arn>",
		"/?Action=GetAccountSummary&Version=2010-05-08": "<key>RolesQuota</key><value>7</value>",
		"/_awslocal/calls": "{",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(strings.Join(strings.Fields(string(body)), ""), want) {
			t.Errorf("%s answers %s, %v; want %s in it", query, body, err, want)
		}
	}

	stop()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestRun_RejectsBadFlags(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"Account":   {[]string{"--account", "1"}, `account "1": want 12 digits`},
		"Partition": {[]string{"--partition", "azure"}, `partition "azure"`},
		"Caller":    {[]string{"--caller-arn", "me"}, `caller "me"`},
		"Listen":    {[]string{"--listen", "256.0.0.1:1"}, "cannot listen"},
		"Argument":  {[]string{"serve"}, `unexpected argument "serve"`},
		"Faults":    {[]string{"--faults", `{"rules":[{}]}`}, "--faults: faults: rules[0].error"},
		"Quota":     {[]string{"--quota", "RolesQuota"}, "expected NAME=NUMBER"},
		"NoQuota":   {[]string{"--quota", "Rolls=1"}, `quota "Rolls"`},
		"CA":        {[]string{"--oidc-ca", empty}, "contains no PEM certificate"},
		"NoCA":      {[]string{"--oidc-ca", empty + "x"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), tc.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}
