// Package inspect looks into the files of a load: what is wrong with one that the engine refused, what it would let through in silence
// (the rules), which files have one schema, and what their rows look like. It loads nothing: what it tries is rolled back.
package inspect

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/secret"
)

// Warm asks for what the rules need to know of the table, ahead of them, and looks at the header of the first file. What cannot be had now
// is asked for again, or said by the COPY.
func (r *Inspector) Warm(ctx context.Context, files []plan.File) {
	_, _ = r.cells(ctx)
	if first := files[:min(1, len(files))]; levelOf(header, r.Load, false) == "warn" {
		found, _ := r.headers(ctx, first)
		r.judged(first, found, "warn")
	}
}

// format gives the load's format a name, where queries must be told its options: without them they read a text otherwise than the COPY.
// Who may not make one is told less. It is made beside the COPY's transaction, which it would end.
func (r *Inspector) format(ctx context.Context) error {
	if r.Load.Untold() == "" || r.unnamed {
		return nil
	}
	sql, drop := r.Load.MakeFormat()
	var looking errgroup.Group
	looking.Go(crash.Caught(func() error {
		_, err := r.Words.Each(ctx, databend.Statement{SQL: "SHOW FILE FORMATS"}, func(row databend.Row) error {
			if r.Load.OtherFormat(row[0].String) {
				r.Made(source.DropFormat(row[0].String))
			}
			return nil
		})
		return err
	}))
	_, err := r.Look.Exec(ctx, databend.Statement{SQL: sql})
	_ = looking.Wait() // what is left is seen by the next
	switch {
	case err == nil:
		r.Made(drop)
		r.Load.FormatMade()
	case databend.IsAnswered(err):
		r.unnamed = true
		r.once(fmt.Sprintf("load %s: its files are looked at less closely: no format can be made for it: %s", r.Load.Name, fault.InWords(err)))
		err = nil
	}
	return err
}

// An Inspector looks into the files of one load, and holds what it has found so far.
type Inspector struct {
	*session.Sessions
	Load    *source.Load
	Options plan.Options
	Secrets secret.Set
	Sink    event.Sink
	Phases  *session.Phases

	Bad     []BadFile
	made    []cell            // see cells
	unnamed bool              // the server makes no format for the load
	warned  map[string]bool   // texts that were said
	schemas map[string]string // of files, as far as a 1303 has told
}

// New is an Inspector that has found nothing.
func New(s *session.Sessions, j *source.Load, o plan.Options, sink event.Sink) *Inspector {
	return &Inspector{
		Sessions: s, Load: j, Options: o, Sink: sink, Phases: session.NewPhases(j.Name, sink), warned: map[string]bool{},
		schemas: map[string]string{},
	}
}
