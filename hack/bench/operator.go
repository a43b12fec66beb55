package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/podidentity/podidentity-operator/test/controlplane"
)

// operator is a process of the operator.
type operator struct {
	cmd     *exec.Cmd
	metrics string // its URL
	began   time.Time
}

// unlimited are the flags of an operator without rate limits.
var unlimited = []string{"--aws-reads-per-second=0", "--aws-writes-per-second=0"}

// limited are the flags of an operator with the rate of the account's token bucket.
var limited = []string{
	fmt.Sprintf("--aws-reads-per-second=%d", bucketRate),
	fmt.Sprintf("--aws-writes-per-second=%d", bucketRate),
}

// restart stops the operator that runs, starts another one, and waits until it is ready.
func (env *environment) restart(ctx context.Context, flags ...string) error {
	env.operator.stop()
	var err error
	env.operator, err = env.launch(ctx, append([]string{"--leader-elect=false"}, flags...)...)
	return err
}

// launch starts an operator, and waits until it is ready.
func (env *environment) launch(ctx context.Context, flags ...string) (*operator, error) {
	free, err := controlplane.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	health, metrics := free[0], free[1]
	log, err := os.OpenFile(env.log("operator"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	args := append([]string{
		"--cluster-name=bench", "--iam-propagation-delay=0s",
		"--health-probe-bind-address=" + health, "--metrics-bind-address=" + metrics, "--metrics-secure=false",
	}, flags...)
	cmd := exec.CommandContext(ctx, env.manager, args...)
	cmd.Env = controlplane.Environ(map[string]string{
		"KUBECONFIG": env.cluster.KubeconfigPath, "AWS_ENDPOINT_URL": env.endpoint, "AWS_REGION": region,
		"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
	})
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	o := &operator{cmd: cmd, metrics: "http://" + metrics + "/metrics", began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return o, eventually(ctx, "the operator to be ready", func() (bool, error) {
		_, errHealth := get(ctx, "http://"+health+"/readyz")
		_, errMetrics := get(ctx, o.metrics)
		return errHealth == nil && errMetrics == nil, nil
	})
}

// stop ends the operator as Kubernetes does, and waits until it has ended.
func (o *operator) stop() { o.end(syscall.SIGTERM) }

// kill ends the operator without a chance to finish its work.
func (o *operator) kill() { o.end(syscall.SIGKILL) }

func (o *operator) end(signal syscall.Signal) {
	if o == nil || o.cmd.ProcessState != nil {
		return
	}
	_ = o.cmd.Process.Signal(signal) // fails only if it has ended
	_ = o.cmd.Wait()
}

// metric returns the sum of the samples of a metric, of a histogram the sum of its
// observations; zero if there are none.
func (o *operator) metric(ctx context.Context, name string) (float64, error) {
	body, err := get(ctx, o.metrics)
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
	}
	return sum, nil
}

// memory returns the resident memory of the process, in bytes.
// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
func (o *operator) memory() (float64, error) {
	file, err := os.Open(o.proc("status"))
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // read only
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("the kernel does not report VmRSS")
}

// cpu returns the processor time that the process has used.
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func (o *operator) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(o.proc("stat"))
	if err != nil {
		return 0, err
	}
	// The first field here is the third of the file, after the name in parentheses. Fields
	// 14 and 15 of the file are user and system time, in ticks of 10 ms.
	_, after, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("%[2]s has %[1]d fields, want at least 13", len(fields), o.proc("stat"))
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(errUser, errSystem)
}

func (o *operator) proc(file string) string {
	return filepath.Join("/proc", strconv.Itoa(o.cmd.Process.Pid), file)
}
