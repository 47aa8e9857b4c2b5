package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The budgets of the binary as `make build` makes it.
const (
	maxStart = 20 * time.Millisecond
	maxSize  = 32_000_000 // bytes
)

// BenchmarkStart measures how long the binary takes from nothing to a finished `dbctl version`, and how large it is. It fails
// above the budgets: 20 ms (the best of the runs, so that a loaded machine does not count) and 32 MB.
func BenchmarkStart(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "dbctl")
	if out, err := exec.Command("make", "-C", "../..", "build", "BIN="+binary).CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	best := time.Hour
	for b.Loop() {
		for range 20 {
			start := time.Now()
			if err := exec.Command(binary, "version").Run(); err != nil {
				b.Fatal(err)
			}
			best = min(best, time.Since(start))
		}
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "ms/start")
	b.ReportMetric(float64(info.Size())/1e6, "MB")
	b.ReportMetric(0, "ns/op") // the build and the repeats mean nothing
	if best > maxStart {
		b.Errorf("the start takes %v, want at most %v", best, maxStart)
	}
	if info.Size() > maxSize {
		b.Errorf("the binary has %d bytes, want at most %d", info.Size(), maxSize)
	}
}
