package lock

import (
	"context"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// beaten reports whether a change of a lock's table failed because another was quicker, or may have been.
func beaten(err error) bool {
	return databend.IsCode(err, databend.CodeUnknownTable, databend.CodeTableExists, databend.CodeVersionMismatch) ||
		databend.IsUnknownOutcome(err)
}

func rename(ctx context.Context, db *store.DB, from, to string) error {
	return db.Exec(ctx, renaming(db, from, to))
}

func renaming(db *store.DB, from, to string) string {
	return "ALTER TABLE " + db.Name(from) + " RENAME TO " + sqltext.Ident(to)
}

// putAside renames a held lock, so that its name is free: the name that it gets has the table's id, so of two who try only one succeeds.
// It reports whether we did.
func putAside(ctx context.Context, db *store.DB, held table) (aside string, ours bool, err error) {
	aside = stalePrefix + held.id
	err = rename(ctx, db, held.name, aside)
	if beaten(err) {
		return "", false, nil
	}
	return aside, err == nil, err
}

// takeOver puts aside the lock of an owner who is gone, tells about whom, and drops what was put aside before. Between the look and the
// rename the owner may have come back, given the lock back, and another may have taken it: alive says whether it is somebody's now, under
// whatever name, and it is given back then. It reports whether the lock's name is free for us, and what there is now.
func (l *Lock) takeOver(
	ctx context.Context, o Options, v View, held table, claims []Claim, alive func(now View, aside string) bool,
) (free bool, now View, aside string, err error) {
	for _, c := range claims {
		if c.Run != l.run && !c.fenced() {
			o.note("%s: taking over from %s: %s", l.what, c.who(), c.reason(v.Now))
		}
	}
	aside, ours, err := putAside(ctx, l.db, held)
	if err != nil {
		return false, now, aside, fmt.Errorf("take lock over: %w", err)
	}
	if !ours {
		return false, now, aside, nil
	}
	if now, err = Look(ctx, l.db); err != nil {
		return false, now, aside, err
	}
	if alive(now, aside) {
		if err := rename(ctx, l.db, aside, l.name); err != nil && !beaten(err) {
			return false, now, aside, err
		}
		return false, now, aside, nil
	}
	return true, now, aside, l.sweep(ctx, now, aside)
}

// sweep drops the tables of this lock that were put aside, but for one: it stops whoever wants to put that aside later.
func (l *Lock) sweep(ctx context.Context, v View, keep string) error {
	for _, t := range v.tables {
		if strings.HasPrefix(t.name, stalePrefix) && t.name != keep && strings.Contains(t.comment, claimOf(l.name)) {
			if err := l.db.Exec(ctx, "DROP TABLE IF EXISTS "+l.db.Name(t.name)); err != nil {
				return err
			}
		}
	}
	return nil
}
