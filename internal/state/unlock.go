package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// LockInfo is one lock that is held.
type LockInfo struct {
	What  string // "migrations of citydrive in default"
	Owner string
	Age   time.Duration // since it was last heard of
	Dead  bool          // its owner is gone
	Why   string        // how that is known

	name, run string
	tables    []table
}

// Locks lists the held locks of this project's migrations in this database, and of loads into tables of this database: one
// request.
func (s *Store) Locks(ctx context.Context) ([]LockInfo, error) {
	v, err := s.view(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]*LockInfo{}
	add := func(c Claim, dead bool) {
		i := byName[c.Lock]
		if i == nil {
			i = &LockInfo{name: c.Lock, What: c.What, Dead: true}
			byName[c.Lock] = i
		}
		i.tables = append(i.tables, c.table)
		if c.Run != "" && (i.Owner == "" || i.Dead && !dead) {
			i.Owner, i.Age, i.run = c.who(), c.age(v.now), c.Run
		}
		i.Dead = i.Dead && dead
		if i.Dead && c.Run != "" {
			i.Why = c.reason(v.now)
		}
	}
	own := s.migrationLock()
	for _, t := range v.tables {
		c, ok := parseClaim(t)
		switch {
		case !ok || strings.HasPrefix(t.name, stalePrefix) || strings.HasSuffix(t.name, freeSuffix):
		case c.Lock == own && t.name == own:
			add(c, true) // whether it is alive, the run's claim says
		case c.Lock == own:
			add(c, c.dead(v.now))
		case t.name == c.Lock && strings.HasPrefix(c.What, "loads into "+s.scope.Database+"."):
			add(c, tableHeld(v, &t) == nil)
		}
	}
	out := make([]LockInfo, 0, len(byName))
	for _, i := range byName {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b LockInfo) int { return strings.Compare(a.What, b.What) })
	return out, nil
}

// Unlock releases the locks whose owners are gone; with force the others too, whose owners then send nothing more. It returns
// what it released and what it left.
func (s *Store) Unlock(ctx context.Context, force bool) (released, left []LockInfo, err error) {
	if _, err := s.History(ctx); err != nil { // of a newer dbctl's locks nothing is known
		return nil, nil, err
	}
	locks, err := s.Locks(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range locks {
		if !i.Dead && !force {
			left = append(left, i)
			continue
		}
		for _, t := range i.tables {
			text := "DROP TABLE IF EXISTS " + s.name(t.name)
			if t.name == i.name {
				text = "ALTER TABLE " + s.name(t.name) + " RENAME TO " + sqltext.Ident(stalePrefix+t.id)
			}
			if _, err := s.db.Exec(ctx, databend.Statement{SQL: text}); err != nil && !databend.IsCode(err, databend.CodeUnknownTable, databend.CodeTableExists) {
				return released, left, fmt.Errorf("release lock of %s: %w", i.What, err)
			}
		}
		released = append(released, i)
	}
	return released, left, nil
}
