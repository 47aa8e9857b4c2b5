package load

import (
	"context"

	"github.com/dbctl/dbctl/internal/databend"
)

// badFile is a file that cannot be loaded, and why.
type badFile struct {
	File
	reason string
}

// isRefusal reports whether err is the engine's word about the files or the text of a COPY, and not about the way to it.
func isRefusal(err error) bool {
	return databend.IsCode(err, 1001, 1006, 1010, 1046, 1065, 1090, 1303, 3001, 4000)
}

func (r *run) isolate(ctx context.Context, b batch, cause *copyError) (int, error) {
	return 0, cause.error
}
func (r *run) failed() error { return nil }
func (r *run) unplanBad()    {}
