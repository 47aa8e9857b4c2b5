package databendtest

import (
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Full reports whether the proofs are to run in full (DBCTL_PROOF=full, for hours) and not in their short form.
func Full() bool { return os.Getenv("DBCTL_PROOF") == "full" }

// Seed is where random tests begin: DBCTL_PROOF_SEED; else the same one each time in the short form, and another one in full. Who uses
// it prints it.
func Seed() uint64 {
	n, err := strconv.ParseUint(os.Getenv("DBCTL_PROOF_SEED"), 10, 64)
	switch {
	case err == nil:
		return n
	case Full():
		return rand.Uint64N(1_000_000)
	}
	return 1
}

// Step is how far apart the requests lie of which a test tries some: in short so many of n, in full each.
func Step(n, short int) int {
	if Full() {
		return 1
	}
	return n/short + 1
}

// Rounds are the rounds of a proof, from 0: as many as short says, whatever the machine; in full as many as that, or until the test's
// deadline is a minute away.
func Rounds(t *testing.T, short, full int) iter.Seq[int] {
	return func(yield func(int) bool) {
		n, end := short, time.Time{}
		if Full() {
			n = full
			if at, limited := t.Deadline(); limited {
				end = at.Add(-time.Minute)
			}
		}
		for i := range n {
			if !end.IsZero() && time.Now().After(end) || !yield(i) {
				return
			}
		}
	}
}
