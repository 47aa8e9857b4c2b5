package databendtest

import (
	"os"
	"strconv"
)

// Full reports whether the proofs are to run in full (DBCTL_PROOF=full, for hours) and not in their short form.
func Full() bool { return os.Getenv("DBCTL_PROOF") == "full" }

// Seed is where random proofs begin: DBCTL_PROOF_SEED, or otherwise.
func Seed(otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv("DBCTL_PROOF_SEED"), 10, 64); err == nil {
		return n
	}
	return otherwise
}
