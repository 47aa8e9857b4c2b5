package load

import (
	"context"

	"github.com/dbctl/dbctl/internal/databend"
)

// retries turns failed files into new ones where what they failed on has changed: the load's text, or with --retry-failed anyway.
func (l *Loader) retries(ctx context.Context, p *Plan, o Options) error {
	for i := range p.Files {
		f := &p.Files[i]
		if f.State != Failed || !o.RetryFailed && f.checksum == p.job.Checksum {
			continue
		}
		f.State, f.Reason = New, "failed before: "+f.Reason
		p.Counts[Failed] = Count{p.Counts[Failed].Files - 1, p.Counts[Failed].Bytes - f.Bytes}
		p.Counts[New] = Count{p.Counts[New].Files + 1, p.Counts[New].Bytes + f.Bytes}
	}
	return nil
}

// placed turns the engine's word about a missing table or stage into one that says what to do.
func (l *Loader) placed(err error, j *job) error {
	switch {
	case databend.IsCode(err, 1025, 1003, 1119):
		return errorf(j.Name, exitFailed, "dbctl migrate up", "the table %s does not exist", j.target)
	case databend.IsCode(err, 2501):
		return errorf(j.Name, exitFailed, "dbctl migrate up", "the stage %s does not exist", j.Copy.Stage)
	}
	return err
}
