package plan

import (
	"context"
	"maps"
	"slices"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// Moved says of new files that they have the bytes of one that was loaded and is gone: by its URL such a file is another one. Beside a
// large ledger, of which a plan does not read what is no longer listed, it asks for files with their etags, of at most
// ledger.PerStatement.
func (l *Planner) Moved(ctx context.Context, p *Plan) error {
	q := p.scope.files()
	if !q.Joined() {
		return nil
	}
	etags := map[string]bool{}
	for _, f := range p.Files {
		if f.State == event.New && f.Rows == 0 && f.ETag != "" && len(etags) < ledger.PerStatement {
			etags[f.ETag] = true
		}
	}
	if len(etags) == 0 {
		return nil
	}
	gone, err := l.Store.WithETags(ctx, l.Words, q, slices.Sorted(maps.Keys(etags)))
	if err == nil && len(gone) > 0 {
		gone, err = l.unlisted(ctx, p, gone)
	}
	p.move(gone)
	return fault.Wrap(p.Load, "look for files that were moved", err)
}

// move says of new files that they have the bytes of files that are gone.
func (p *Plan) move(gone map[object]string) {
	for i := range p.Files {
		f := &p.Files[i]
		if was := gone[object{Size: f.Bytes, ETag: f.ETag}]; was != "" && f.State == event.New && f.Rows == 0 {
			f.Moved, f.Reason = was, "the bytes of "+was+", which was loaded and is gone"
		}
	}
}

// unlisted are those of the files that are no longer in the stage.
func (l *Planner) unlisted(ctx context.Context, p *Plan, files map[object]string) (map[object]string, error) {
	in := names(slices.Collect(maps.Values(files)))
	res, err := l.Look.Query(ctx, databend.Statement{SQL: "SELECT name FROM " + p.Job.Listing() + " WHERE name IN (" + in + ")"})
	there := map[string]bool{}
	for _, r := range res.Rows {
		there[r[0].String] = true
	}
	maps.DeleteFunc(files, func(_ object, path string) bool { return there[path] })
	return files, err
}
