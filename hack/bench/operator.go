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

// operator is the operator's process.
type operator struct {
	cmd     *exec.Cmd
	metrics string // its URL
	began   time.Time
}

// hasty lets the operator call AWS as fast as it can, to fill an account.
var hasty = []string{"--aws-reads-per-second=0", "--aws-writes-per-second=0"}

// bounded gives the operator the rate that the account's bucket has.
var bounded = []string{
	fmt.Sprintf("--aws-reads-per-second=%d", bucketRate),
	fmt.Sprintf("--aws-writes-per-second=%d", bucketRate),
}

// restart starts the operator, after it has stopped the one that ran, and returns
// when it is ready.
func (w *world) restart(ctx context.Context, flags ...string) error {
	w.operator.stop()
	var err error
	w.operator, err = w.launch(ctx, append([]string{"--leader-elect=false"}, flags...)...)
	return err
}

// launch starts an operator, and returns when it is ready.
func (w *world) launch(ctx context.Context, flags ...string) (*operator, error) {
	free, err := controlplane.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	health, metrics := free[0], free[1]
	log, err := os.OpenFile(w.log("operator"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	args := append([]string{
		"--cluster-name=bench", "--iam-propagation-delay=0s",
		"--health-probe-bind-address=" + health, "--metrics-bind-address=" + metrics, "--metrics-secure=false",
	}, flags...)
	cmd := exec.CommandContext(ctx, w.scale.manager, args...)
	cmd.Env = controlplane.Environ(map[string]string{
		"KUBECONFIG": w.cluster.KubeconfigPath, "AWS_ENDPOINT_URL": w.endpoint, "AWS_REGION": region,
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

// stop ends the operator as Kubernetes does, and waits for its end.
func (o *operator) stop() { o.end(syscall.SIGTERM) }

// kill ends the operator without a word.
func (o *operator) kill() { o.end(syscall.SIGKILL) }

func (o *operator) end(signal syscall.Signal) {
	if o == nil || o.cmd.ProcessState != nil {
		return
	}
	_ = o.cmd.Process.Signal(signal) // fails only if it has ended
	_ = o.cmd.Wait()
}

// metric returns the sum of a metric's samples; of a histogram the sum of what
// was observed. A metric that has no sample yet is zero.
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
	return 0, errors.New("the kernel does not tell VmRSS")
}

// cpu returns the processor time that the process has used.
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func (o *operator) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(o.proc("stat"))
	if err != nil {
		return 0, err
	}
	// The fields count from the third, after the name in parentheses: 14 and 15
	// are user and system time, in ticks of 10 ms.
	_, after, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("the kernel tells %d fields of %s", len(fields), o.proc("stat"))
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(errUser, errSystem)
}

func (o *operator) proc(file string) string {
	return filepath.Join("/proc", strconv.Itoa(o.cmd.Process.Pid), file)
}
