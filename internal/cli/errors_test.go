package cli

import (
	"fmt"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// TestFailureTellsThePlaceOnce: the place of a statement stands first, whatever was put before its error.
func TestFailureTellsThePlaceOnce(t *testing.T) {
	t.Parallel()
	err := &databend.Error{Place: sqltext.Place{File: "loads/t.sql", Line: 2, Column: 1}, Message: "no such file", Code: 3001, Name: "StorageNotFound"}
	f := failure(fmt.Errorf("load t: preview x.csv: %w", err))
	if want := "load t: preview x.csv: no such file (3001 StorageNotFound)"; f.Message != want || f.File != "loads/t.sql" || f.Line != 2 {
		t.Errorf("got %q at %s:%d, want %q", f.Message, f.File, f.Line, want)
	}
	if own := failure(err); own.Message != err.Error() {
		t.Errorf("got %q, want %q", own.Message, err.Error())
	}
}
