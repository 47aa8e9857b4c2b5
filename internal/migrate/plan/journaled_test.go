package plan

import (
	"testing"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// TestPlaceOfJournaled: a statement of the journal's text stands there, not in the file, which was edited since.
func TestPlaceOfJournaled(t *testing.T) {
	t.Parallel()
	p := &project.Project{Migrations: []project.Migration{{Version: 1, Path: "migrations/1_a.sql"}}}
	s, err := Journaled(p, state.Row{Version: 1, Direction: event.Up, UpText: "\nCREATE TABLE a (x INT);\n  DROP TABLE b"})
	if err != nil {
		t.Fatal(err)
	}
	if at := s.Statements[1].Place; at != (sqltext.Place{File: "journal", Line: 3, Column: 3}) {
		t.Errorf("got %v", at)
	}
}
