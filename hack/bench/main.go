// Command bench measures the cost and the latency of the operator with real components:
// etcd, kube-apiserver and kube-controller-manager, the operator's binary, and the
// project's AWS endpoint with the latency of AWS. Each result has its theoretical
// minimum. Run it with `make bench`; it needs Linux, because it reads /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	c, err := parse(os.Args[1:])
	if err == nil {
		err = measure(ctx, c)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// config is the configuration of a run.
type config struct {
	scale scale
	only  []string // names of measurements; nil means all
	// render rewrites page and plots from the results of an earlier run.
	render bool
	// Paths.
	manager, awslocal, crds, out string
}

// parse returns the configuration of the arguments. It uses a flag set of its own,
// because a package of the control plane adds flags to flag.CommandLine.
func parse(args []string) (config, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var c config
	scaleNames := strings.Join(slices.Sorted(maps.Keys(scales)), ", ")
	scaleName := flags.String("scale", fullScale.name, "number of objects, one of "+scaleNames+"; quick writes no files")
	only := flags.String("only", "", "comma-separated measurements to run: "+measurementNames())
	flags.StringVar(&c.manager, "manager", "bin/manager", "path of the operator's binary")
	flags.StringVar(&c.awslocal, "awslocal", "bin/awslocal", "path of the AWS endpoint's binary")
	flags.StringVar(&c.crds, "crds", "config/crd/bases", "directory of the CustomResourceDefinitions")
	flags.StringVar(&c.out, "out", "docs/benchmarks", "directory of the results")
	flags.BoolVar(&c.render, "render", false, "run no measurement; write page and plots from results.json")
	if err := flags.Parse(args); err != nil {
		return config{}, err
	}
	if flags.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	var known bool
	if c.scale, known = scales[*scaleName]; !known {
		return config{}, fmt.Errorf("--scale: %q is not one of %s", *scaleName, scaleNames)
	}
	if *only != "" {
		c.only = strings.Split(*only, ",")
	}
	for _, name := range c.only {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return config{}, fmt.Errorf("--only: %q is not one of %s", name, measurementNames())
		}
	}
	return c, nil
}

type measurement struct {
	name string
	run  func(context.Context, *environment, *report) error
}

// measurements in the order in which they run. Each has a file of its name.
var measurements = []measurement{
	{"lifecycle", measureLifecycle},
	{"ready", measureReady},
	{"repair", measureRepair},
	{"events", measureEvents},
	{"recovery", measureRecovery},
	{"edits", measureEdits},
	{"throttling", measureThrottling},
	{"failover", measureFailover},
	{"neighbors", measureNeighbors},
	{"sizes", measureSizes},
	{"cluster", measureCluster},
}

func measurementNames() string {
	var names []string
	for _, m := range measurements {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

// measure runs the measurements and prints the results. After each measurement it writes the
// files, so that a later one that fails loses nothing; not at the quick scale.
func measure(ctx context.Context, c config) error {
	if c.render {
		r, err := read(c.out)
		if err != nil {
			return err
		}
		return r.write(c.out)
	}
	env, err := open(ctx, c)
	if err != nil {
		return errors.Join(err, env.close())
	}
	r := newReport()
	for _, m := range measurements {
		if c.only != nil && !slices.Contains(c.only, m.name) {
			continue
		}
		r.begin(m.name, c.scale)
		if err := m.run(ctx, env, r); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", m.name, err), env.keepLogs(), env.close())
		}
		if c.scale.name == quickScale.name {
			continue
		}
		if err := r.update(c.out); err != nil {
			return errors.Join(err, env.close())
		}
	}
	_, err = io.WriteString(os.Stdout, r.table())
	return errors.Join(err, env.close())
}
