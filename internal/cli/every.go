package cli

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load"
)

// every runs pass at once and then again and again, interval apart and up to a tenth more, so that many of them do not come to
// the server together. A pass reads the project and connects by itself: a server that is gone in one, or a file that is half saved, may
// be well in the next, so its errors are told and passed over. Only a mistake in the first pass ends it: nobody would see it later. It
// ends without an error when ctx ends between two passes, and with the pass's error when ctx ends during one.
func every(ctx context.Context, interval time.Duration, sink event.Sink, pass func(context.Context) error) error {
	for first := true; ; first = false {
		sink.Note(event.Info, "load at %s", clock(time.Now()))
		err := pass(ctx)
		if ctx.Err() != nil || first && exit.Of(err) == exit.Usage && !someWell(err) {
			return err
		}
		if err != nil {
			sink.Note(event.Warn, "%v", err)
		}
		wait := interval + rand.N(interval/10+1)
		sink.Note(event.Info, "next at %s", clock(time.Now().Add(wait)))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// clock is a time of day as a person reads it, with the day and the zone: the lines may stand in a log for weeks.
func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }

// someWell reports whether err is of some loads, and others ended well.
func someWell(err error) bool {
	some, ok := errors.AsType[*load.Errors](err)
	return ok && len(some.Errs) < some.Of
}
