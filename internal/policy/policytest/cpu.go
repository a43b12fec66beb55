package policytest

import (
	"syscall"
	"testing"
	"time"
)

// ReportCPU makes a benchmark report the processor time of an operation, which other
// processes on the machine do not change much. The caller runs the result at the end.
func ReportCPU(b *testing.B) (report func()) {
	b.Helper()
	before := cpu(b)
	return func() {
		b.ReportMetric(float64(cpu(b)-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
	}
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
