package lock

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/state/store"
)

// Info is one lock that is held.
type Info struct {
	What  string // "migrations of citydrive in default"
	Owner string
	Age   time.Duration // since it was last heard of
	Dead  bool          // its owner is gone
	Why   string        // how that is known

	name, run string
	tables    []table
}

// List lists the held locks of this project's migrations in this database, and of loads into tables of this database: one
// request.
func List(ctx context.Context, db *store.DB) ([]Info, error) {
	v, err := Look(ctx, db)
	if err != nil {
		return nil, err
	}
	byName := map[string]*Info{}
	add := func(c Claim, dead bool) {
		i := byName[c.Lock]
		if i == nil {
			i = &Info{name: c.Lock, What: c.What, Dead: true}
			byName[c.Lock] = i
		}
		i.tables = append(i.tables, c.table)
		if c.Run != "" && (i.Owner == "" || i.Dead && !dead) {
			i.Owner, i.Age, i.run = c.who(), c.age(v.Now), c.Run
		}
		i.Dead = i.Dead && dead
		if i.Dead && c.Run != "" {
			i.Why = c.reason(v.Now)
		}
	}
	own := migrationLock(db.Scope())
	for _, t := range v.tables {
		c, ok := parseClaim(t)
		switch {
		case !ok || c.fenced() || strings.HasPrefix(t.name, stalePrefix) || strings.HasSuffix(t.name, freeSuffix):
		case c.Lock == own && t.name == own:
			add(c, true) // whether it is alive, the run's claim says
		case c.Lock == own:
			add(c, c.Dead(v.Now))
		case t.name == c.Lock && strings.HasPrefix(c.What, "loads into "+db.Scope().Database+"."):
			add(c, tableHeld(v, &t) == nil)
		}
	}
	out := make([]Info, 0, len(byName))
	for _, i := range byName {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b Info) int { return strings.Compare(a.What, b.What) })
	return out, nil
}

// Unlock releases the locks whose owners are gone; with force the others too, whose owners then send nothing more. It returns
// what it released and what it left.
func Unlock(ctx context.Context, db *store.DB, force bool) (released, left []Info, err error) {
	if err := db.CheckSchema(ctx); err != nil { // of a newer dbctl's locks nothing is known
		return nil, nil, err
	}
	locks, err := List(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range locks {
		if !i.Dead && !force {
			left = append(left, i)
			continue
		}
		for _, t := range i.tables {
			var err error
			if t.name == i.name {
				_, _, err = putAside(ctx, db, t)
			} else {
				err = fence(ctx, db, strings.TrimPrefix(t.name, runPrefix)) // it may have left a mark that its recovery needs
			}
			if err != nil {
				return released, left, fmt.Errorf("release lock of %s: %w", i.What, err)
			}
		}
		released = append(released, i)
	}
	return released, left, nil
}
