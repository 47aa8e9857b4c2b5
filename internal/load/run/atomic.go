package run

import (
	"context"
	"errors"
	"slices"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
)

// atomic loads all of the plan in one transaction, or nothing. Files of several schemas still load, each schema by a COPY of its
// own; a bad file is named, and fails it all.
func (r *run) atomic(ctx context.Context) (left int, err error) {
	batches := split(r.plan, r.named)
	for i := range batches {
		if batches[i], err = r.obeyed(ctx, batches[i]); err != nil {
			return 0, err
		}
	}
	for {
		if len(r.inspect.Bad) > 0 {
			return 0, r.refuseAll()
		}
		left, err = r.transaction(ctx, batches...)
		var refused *copyError
		if !errors.As(err, &refused) {
			return left, err
		}
		b := batches[refused.batch]
		m := fault.MissingColumn.FindStringSubmatch(refused.Error())
		var parts []batch // in the place of b; each is nearer to one that loads
		switch {
		case m != nil && r.j.MayLack(m[1]) && !slices.Contains(b.Send.Missing, m[1]):
			lack, have, err := r.inspect.Lacking(ctx, b.files, m[1])
			if err != nil {
				return 0, err
			}
			parts = []batch{{files: lack, Send: source.Send{Missing: append(slices.Clone(b.Send.Missing), m[1])}}}
			if len(have) > 0 {
				parts = append(parts, batch{files: have, Send: source.Send{Missing: b.Send.Missing}})
			}
		case fault.OtherSchemas(refused):
			groups, err := r.inspect.Groups(ctx, b.files)
			if err != nil {
				return 0, err
			}
			if len(groups) == 1 && len(r.inspect.Bad) == 0 {
				return 0, refused.error
			}
			for _, g := range groups {
				parts = append(parts, batch{files: g.Files, Send: source.Send{Missing: b.Send.Missing}})
			}
		default:
			bad, err := r.inspect.Culprits(ctx, b.files, b.Send.Missing, refused.error)
			if err != nil {
				return 0, err
			}
			for _, f := range b.files {
				if why, ok := bad[f.Path]; ok {
					r.inspect.Condemn(f, why)
				}
			}
		}
		for i := range parts {
			p := parts[i]
			p.Send.Files, p.Send.Force, p.replace = plan.Paths(p.files), b.Send.Force, b.replace
			if parts[i], err = r.obeyed(ctx, p); err != nil { // which bound nothing before
				return 0, err
			}
		}
		if parts != nil {
			batches = slices.Replace(slices.Clone(batches), refused.batch, refused.batch+1, parts...)
		}
	}
}

// refuseAll is the error of an atomic load with bad files: nothing is loaded, and nothing is recorded, so that all is tried again.
func (r *run) refuseAll() error {
	var names []string
	for _, b := range r.inspect.Bad {
		names = append(names, b.Path+" ("+b.Why+")")
		r.cfg.Sink(r.badEvent(b))
	}
	return fault.Errorf(r.j.Name, exit.Failed, "mend the files, or load the others without --atomic",
		"%s, and nothing was loaded: %s", event.Plural(len(r.inspect.Bad), "bad file"), event.Some(names, 3))
}
