package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load"
)

// every runs pass at once and then again and again, interval apart and up to a tenth more, so that many of them do not come to
// the server together. A pass connects by itself: a server that is gone in one may be back in the next, so its errors are told and
// passed over, but for those of usage or configuration, which no repeat mends. It ends without an error when ctx ends between two
// passes, and with the pass's error when ctx ends during one.
func every(ctx context.Context, interval time.Duration, sink event.Sink, pass func(context.Context) error) error {
	for {
		err := pass(ctx)
		if ctx.Err() != nil || exitCode(err) == exitUsage && !someWell(err) {
			return err
		}
		if err != nil {
			sink(event.Note{Level: "warn", Text: err.Error()})
		}
		wait := interval + rand.N(interval/10+1)
		sink(event.Note{Level: "detail", Text: fmt.Sprintf("next in %s", wait.Round(time.Second))})
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// someWell reports whether err is of some loads, and others ended well.
func someWell(err error) bool {
	some, ok := errors.AsType[*load.Errors](err)
	return ok && len(some.Errs) < some.Of
}
