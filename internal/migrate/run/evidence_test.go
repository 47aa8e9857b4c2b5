package run

import (
	"slices"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// What came to a name before the mark, or so late that the run that was killed cannot have sent it, is another session's.
func TestEvidenceOfWhatWasMade(t *testing.T) {
	t.Parallel()
	e := effect.Analyze("CREATE TABLE n (x INT)", "d")
	mark := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	for created, want := range map[time.Duration]bool{-time.Second: false, 0: true, time.Second: true, time.Minute: true, time.Hour: false} {
		now := catalog.State{Objects: []catalog.ObjectState{{Object: e.Writes[0].Object, Exists: true, ID: "7", Created: mark.Add(created)}}}
		if got := evidenceOf(e).shows(e, "", now, mark, mark.Add(3*time.Minute)); got != want {
			t.Errorf("made %s after the mark: got %t, want %t", created, got, want)
		}
		if got, want := evidenceOf(e).shows(e, "", now, mark, time.Time{}), created >= 0; got != want {
			t.Errorf("made %s after the mark, its end unknown: got %t, want %t", created, got, want)
		}
	}
}

// Loads keep off what a run writes or copies, and off nothing else: another team's database has nothing to do with it.
func TestWhatLoadsKeepOff(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][]string{
		"INSERT INTO t VALUES (1)":          {"d.t"},
		"CREATE DATABASE e":                 {"e.*"},
		"DROP DATABASE e":                   {"e.*"},
		"ALTER DATABASE e RENAME TO f":      {"e.*", "f.*"},
		"CREATE TABLE e.t AS SELECT 1 AS a": {"e.t"},
		"CALL p()":                          {"*"},
		"CREATE FUNCTION f AS (x) -> x + 1": nil,
	} {
		got := loadsOff([]plan.Step{{Statements: []plan.Statement{{Effect: effect.Analyze(sql, "d")}}}}, LedgerMoves{})
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}
