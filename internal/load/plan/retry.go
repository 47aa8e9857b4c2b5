package plan

import (
	"context"
	"fmt"
	"hash/crc32"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/source"
)

// retries turns failed files into new ones, or changed ones again, where what they failed on has changed: the load's text or the
// table's columns; with --retry-failed anyway. (A file that changed is new already.)
func (l *Planner) retries(ctx context.Context, p *Plan, o Options) error {
	basis := ""
	for i := range p.Files {
		f := &p.Files[i]
		if f.State != event.Failed {
			continue
		}
		if basis == "" && !o.RetryFailed {
			var err error
			if basis, err = l.Basis(ctx, p.Job); err != nil {
				return err
			}
		}
		if !o.RetryFailed && f.checksum == basis {
			continue
		}
		f.Reason = "failed before: " + f.Reason
		if f.Rows != 0 {
			p.recount(f, event.Changed)
		} else {
			p.recount(f, event.New)
		}
	}
	return nil
}

// Basis is what a file fails on: the load's text and the table's columns. It is the checksum in the ledger row of a failure.
func (l *Planner) Basis(ctx context.Context, j *source.Load) (string, error) {
	columns, err := Columns(ctx, l.Work, j)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %x", j.Checksum, crc32.ChecksumIEEE(fmt.Append(nil, columns))), nil
}
