// Awslocal runs an AWS endpoint on this machine: IAM, STS, EKS Pod Identity
// and SQS of one account, in memory, for tests, demos and development. See package
// test/awslocal.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/podidentity-operator/test/awslocal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "awslocal:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, out, diagnostics io.Writer) error {
	listen, options, err := parse(args, diagnostics)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w (choose another address with --listen)", err)
	}
	server := &http.Server{
		Handler:           awslocal.New(options),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	announce(out, "http://"+listener.Addr().String(), options)

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

// announce prints where the endpoint is and how to use it.
func announce(out io.Writer, url string, o awslocal.Options) {
	id, secret := "local", "local"
	if ids := slices.Sorted(maps.Keys(o.AccessKeys)); len(ids) > 0 {
		id, secret = ids[0], o.AccessKeys[ids[0]]
	}
	_, _ = fmt.Fprintf(out, `awslocal listening on %[1]s as account %[2]s

  export AWS_ENDPOINT_URL=%[1]s
  export AWS_ACCESS_KEY_ID=%[4]s AWS_SECRET_ACCESS_KEY=%[5]s AWS_DEFAULT_REGION=%[3]s

Calls by action: %[1]s/_awslocal/calls
`, url, o.Account, o.Region, id, secret)
}

func parse(args []string, diagnostics io.Writer) (listen string, o awslocal.Options, err error) {
	flags := flag.NewFlagSet("awslocal", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	flags.StringVar(&listen, "listen", "127.0.0.1:4566", "address and port to listen on; 0 picks a free port")
	flags.StringVar(&o.Account, "account", "123456789012", "ID of the account")
	flags.StringVar(&o.Partition, "partition", "aws", "partition of the account")
	flags.StringVar(&o.Region, "region", "us-east-1", "region printed for clients")
	flags.StringVar(&o.CallerARN, "caller-arn", "", "ARN of callers without credentials issued by this endpoint (default: user awslocal of the account)")
	flags.BoolVar(&o.Authenticate, "authenticate", false, "require signed calls, by --access-key or with credentials issued by this endpoint")
	flags.BoolVar(&o.Authorize, "authorize", false, "enforce the policies of the calling role; implies --authenticate")
	flags.Func("access-key", "`ID:SECRET` of a caller with full access; repeatable (default local:local)", func(text string) error {
		return addAccessKey(&o, text)
	})
	flags.Uint64Var(&o.Seed, "seed", 0, "seed of IDs, keys and faults; 0 picks a random one")
	log := flags.Bool("log", false, "log each call as JSON to standard error")
	events := flags.String("events", "", "send CloudTrail's events about IAM to a queue of SQS, in the JSON format of POST /_awslocal/events")
	faults := flags.String("faults", "", "faults at start, in the JSON format of POST /_awslocal/faults")
	flags.Func("quota", "`NAME=NUMBER` overrides a quota, by its name in GetAccountSummary, such as RolesQuota=5000; repeatable", func(text string) error {
		return setQuota(&o, text)
	})
	flags.Func("oidc-ca", "PEM `file` with CA certificates for OIDC issuers, in addition to those of the system; repeatable", func(file string) error {
		return trust(&o, file)
	})
	if err := flags.Parse(args); err != nil {
		return "", o, err
	}
	if flags.NArg() > 0 {
		return "", o, fmt.Errorf("unexpected argument %q: see --help", flags.Arg(0))
	}
	if *faults != "" {
		if o.Faults, err = awslocal.ParseFaults(strings.NewReader(*faults)); err != nil {
			return "", o, fmt.Errorf("--faults: %w", err)
		}
	}
	if *events != "" {
		if o.Events, err = awslocal.ParseEvents(strings.NewReader(*events)); err != nil {
			return "", o, fmt.Errorf("--events: %w", err)
		}
	}
	if *log {
		o.Log = slog.New(slog.NewJSONHandler(diagnostics, nil))
	}
	return listen, o, o.Check()
}

func addAccessKey(o *awslocal.Options, text string) error {
	id, secret, _ := strings.Cut(text, ":")
	if id == "" || secret == "" {
		return errors.New("expected ID:SECRET, such as local:local")
	}
	if o.AccessKeys == nil {
		o.AccessKeys = map[string]string{}
	}
	o.AccessKeys[id] = secret
	return nil
}

func setQuota(o *awslocal.Options, text string) error {
	name, value, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return errors.New("expected NAME=NUMBER, such as RolesQuota=5000")
	}
	if o.Quotas == nil {
		o.Quotas = map[string]int{}
	}
	o.Quotas[name] = n
	return nil
}

func trust(o *awslocal.Options, file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if o.RootCAs == nil {
		if o.RootCAs, err = x509.SystemCertPool(); err != nil {
			o.RootCAs = x509.NewCertPool()
		}
	}
	if !o.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s contains no PEM certificate", file)
	}
	return nil
}
