package databendtest

import (
	"math/rand/v2"
	"os"
	"strconv"
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
