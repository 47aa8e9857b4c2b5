package load

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
)

// atomic loads all of the plan in one transaction, or nothing. Files of several schemas still load, each schema by a COPY of its
// own; a bad file is named, and fails it all.
func (r *run) atomic(ctx context.Context) (left int, err error) {
	batches := r.plan.split(r.named)
	for i := range batches {
		if err := r.obey(ctx, &batches[i]); err != nil {
			return 0, err
		}
	}
	for {
		if len(r.bad) > 0 {
			return 0, r.refuseAll()
		}
		left, err = r.transaction(ctx, batches...)
		var refused *copyError
		if !errors.As(err, &refused) {
			return left, err
		}
		b := batches[refused.batch]
		m := missingColumn.FindStringSubmatch(refused.Error())
		var parts []batch // in the place of b; each is nearer to one that loads
		switch {
		case m != nil && slices.ContainsFunc(r.j.Optional, func(c string) bool { return strings.EqualFold(c, m[1]) }) && !slices.Contains(b.send.missing, m[1]):
			parts = []batch{{files: b.files, send: send{missing: append(slices.Clone(b.send.missing), m[1])}}}
		case databend.IsCode(refused, 1303) || unreadable.MatchString(refused.Error()):
			groups, err := r.groups(ctx, b.files)
			if err != nil {
				return 0, err
			}
			if len(groups) == 1 && len(r.bad) == 0 {
				return 0, refused.error
			}
			for _, g := range groups {
				parts = append(parts, batch{files: g.files, send: send{missing: b.send.missing}})
			}
		default:
			bad, err := r.culprits(ctx, b, refused)
			if err != nil {
				return 0, err
			}
			for _, f := range b.files {
				if why, ok := bad[f.Path]; ok {
					r.condemn(f, why)
				}
			}
		}
		for i := range parts {
			p := &parts[i]
			p.send.files, p.send.force, p.replace = paths(p.files), b.send.force, b.replace
			if err := r.obey(ctx, p); err != nil { // which bound nothing before
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
	for _, b := range r.bad {
		names = append(names, b.Path+" ("+b.reason+")")
		r.l.cfg.Sink(r.badEvent(b))
	}
	return errorf(r.j.Name, exitFailed, "mend the files, or load the others without --atomic",
		"%s, and nothing was loaded: %s", count(int64(len(r.bad)), "bad file", "bad files"), some(names, 3))
}
