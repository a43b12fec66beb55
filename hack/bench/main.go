// Command bench measures what the operator costs, on real parts: etcd,
// kube-apiserver and kube-controller-manager, the operator's own binary, and the
// project's AWS endpoint with the latency of AWS. Every figure is shown with its
// theoretical minimum. Run it by `make bench`; it needs Linux, whose /proc
// tells what a process uses.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	p, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, p)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parse returns the scale that the arguments ask for. The flags are their own set:
// a package of the control plane puts others into flag.CommandLine.
func parse(args []string) (scale, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "measure at small scale, and write no files")
	manager := flags.String("manager", "bin/manager", "path of the operator's binary")
	endpoint := flags.String("awslocal", "bin/awslocal", "path of the AWS endpoint's binary")
	only := flags.String("only", "", "measure only these, separated by commas, and write no files: "+names())
	out := flags.String("out", "docs/benchmarks", "directory of the results")
	again := flags.Bool("again", false, "do not measure; write page and plots from results.json")
	crds := flags.String("crds", "config/crd/bases", "directory of the CustomResourceDefinitions")
	if err := flags.Parse(args); err != nil {
		return scale{}, err
	}
	if flags.NArg() > 0 {
		return scale{}, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	p := full
	if *quick {
		p = small
	}
	if *only != "" {
		p.only = strings.Split(*only, ",")
		for _, name := range p.only {
			if !slices.Contains(strings.Split(names(), ", "), name) {
				return scale{}, fmt.Errorf("--only: %q is no measurement: must be some of %s", name, names())
			}
		}
	}
	p.manager, p.endpoint, p.out, p.crds, p.again = *manager, *endpoint, *out, *crds, *again
	return p, nil
}

// scale says what is measured, and on how much.
type scale struct {
	quick                        bool
	only                         []string // measurements; nil means all
	again                        bool     // write what was measured before
	manager, endpoint, out, crds string

	ready        []int         // numbers of identities that are created
	checks       []int         // numbers of identities in a drift check, each larger than the one before
	restart      int           // number of identities that a restart finds in sync; one of checks
	goalReady    int           // number of identities that has a goal
	repairs      int           // how often something is repaired
	edits, burst int           // edits, and new identities that are created meanwhile
	lease        time.Duration // of leaders that end
	pods         int           // of the largest cluster
	accounts     int           // ServiceAccounts of the largest cluster that no identity uses
	storm        int           // number of identities that AWS throttles at random
	stormSeconds int
	steady       int           // seconds for which the operator of the largest cluster is watched at rest
	tooLarge     int           // number of identities that no role can hold
	largest      int           // number of identities of the greatest size
	quiet        time.Duration // without a call or write, after which all is done
}

var (
	full = scale{
		ready: []int{100, 500, 1000}, goalReady: 500, checks: []int{100, 1000, 5000}, restart: 1000,
		repairs: 50, edits: 50, burst: 5000, lease: 15 * time.Second, pods: 20000, accounts: 10000, storm: 200, stormSeconds: 120, steady: 60, tooLarge: 420, largest: 1000, quiet: 5 * time.Second,
	}
	small = scale{
		quick: true,
		ready: []int{40, 80}, goalReady: 80, checks: []int{50, 200}, restart: 200,
		repairs: 10, edits: 10, burst: 500, lease: 3 * time.Second, pods: 400, accounts: 200, storm: 40, stormSeconds: 10, steady: 5, tooLarge: 20, largest: 50, quiet: 2 * time.Second,
	}
)

// measurements are made in this order. Each has a file of its name; only edits among
// checks are measured with the fleet, which is there already.
var measurements = []struct {
	name string
	make func(context.Context, *world, *report) error
}{
	{"costs", measureCosts},
	{"ready", measureReady},
	{"repair", measureRepair},
	{"edits", measureEdits},
	{"storm", measureStorm},
	{"failover", measureFailover},
	{"bounds", measureBounds},
	{"fleet", measureFleet},
}

// names returns the names of all measurements.
func names() string {
	var all []string
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return strings.Join(all, ", ")
}

// run makes all measurements, prints them, and writes them down unless they are
// quick ones.
func run(ctx context.Context, p scale) error {
	if p.again {
		r, err := read(p.out)
		if err != nil {
			return err
		}
		return r.write(p.out)
	}
	w, err := open(ctx, p)
	if err != nil {
		return errors.Join(err, w.close())
	}
	r := newReport(p)
	for _, m := range measurements {
		if p.only != nil && !slices.Contains(p.only, m.name) {
			continue
		}
		if err := m.make(ctx, w, r); err != nil {
			return errors.Join(err, w.fail(), w.close())
		}
	}
	if _, err := io.WriteString(os.Stdout, r.table()); err != nil {
		return errors.Join(err, w.close())
	}
	if err := w.close(); err != nil || p.quick || p.only != nil {
		return err
	}
	return r.write(p.out)
}
