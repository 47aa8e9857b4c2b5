package cli

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load"
	"github.com/dbctl/dbctl/internal/secret"
)

func TestEvery(t *testing.T) {
	t.Parallel()
	missing := &secret.MissingError{Names: []string{"KEY"}}
	half := usageError("loads/a.sql:3:1: the statement has no end", "")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Time
		var notes, times []string
		sink := func(e event.Event) {
			switch n, _ := e.(event.Note); n.Level {
			case "warn":
				notes = append(notes, n.Text)
			case "info":
				times = append(times, n.Text)
			}
		}
		err := every(ctx, 10*time.Minute, sink, func(context.Context) error {
			at = append(at, time.Now())
			switch len(at) {
			case 2:
				return errors.New("no server")
			case 3: // one load has no secret; the other goes on
				return &load.Errors{Of: 2, Errs: []error{missing}}
			case 4: // a file is being saved
				return half
			case 5:
				go cancel() // between two passes
			}
			return nil
		})
		want := []string{"no server", "1 of 2 loads did not end well:\n  no value for the secret KEY", half.Error()}
		if err != nil || len(at) != 5 || !slices.Equal(notes, want) {
			t.Errorf("got %v after %d passes, notes %q, want 5 passes and a word about the second, the third and the fourth", err, len(at), notes)
		}
		if len(times) != 10 || times[0] != "load at 2000-01-01 00:00:00 UTC" || times[1][:len("next at 2000-01-01 00:1")] != "next at 2000-01-01 00:1" {
			t.Errorf("times: got %q, want when each pass begins and when the next does", times)
		}
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d < 10*time.Minute || d > 11*time.Minute {
				t.Errorf("pass %d came %v after the one before, want 10 to 11 minutes", i+1, d)
			}
		}
	})
	for _, useless := range []error{usageError("wrong", ""), missing, &load.Errors{Of: 2, Errs: []error{missing, usageError("wrong", "")}}} {
		passes := 0
		err := every(t.Context(), time.Hour, func(event.Event) {}, func(context.Context) error { passes++; return useless })
		if !errors.Is(err, useless) || passes != 1 {
			t.Errorf("got %v after %d passes, want %v at once", err, passes, useless)
		}
	}
}
