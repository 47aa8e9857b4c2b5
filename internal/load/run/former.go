package run

import (
	"context"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// former is what the ledger knows of a table that stood under the name before: somebody rebuilt it past dbctl. A person who says
// that "the files are in the table" means those, and not one that came meanwhile.
type former struct {
	states  map[string]ledger.Former // by path; nil: there is none, or the table of now has a ledger of its own
	named   bool                     // --path names one file, without a pattern
	left    []string                 // not marked: the former table's ledger does not have them for loaded
	lacking []string                 // marked, and not among the files of the tables that filled the one of now
}

func (r *run) former(ctx context.Context) (*former, error) {
	f := &former{named: source.OneFile(r.o.Path)}
	if r.plan.Known {
		return f, nil
	}
	var err error
	f.states, err = r.Store.Former(ctx, r.plan.Table, r.plan.TableID, r.plan.StageURL)
	return f, err
}

// word is what a mark says of a file, "" for nothing: a file that the former table did not hold is left new, and one that is quarantined
// stays so, unless it is named.
func (f *former) word(file plan.File, word string) string {
	if word != ledger.FileLoaded || f.named {
		return word
	}
	was, known := f.states[file.Path]
	switch {
	case file.State == event.Quarantined:
		return ""
	case f.states == nil:
		return word
	case known && was.State == ledger.FileQuarantined:
		return was.State
	case known && was.State == ledger.FileLoaded:
		if was.Lacks {
			f.lacking = append(f.lacking, file.Path)
		}
		return word
	}
	f.left = append(f.left, file.Path)
	return ""
}

// tell says which files were left, and which a load would have to take again where the person erred.
func (f *former) tell(load string, sink event.Sink) {
	if n := len(f.lacking); n > 0 {
		sink.Note(event.Warn, "load %s: a migration filled the table from others, and by the ledger %s not loaded into those: %s",
			load, event.Number(n, "file is", "files are"), event.Some(f.lacking, 5))
		sink.Note(event.Hint, "%s lets the next load take this one",
			fault.Again(load, "--mark", "new", "--path", fault.Exactly(f.lacking[0]), "--reason", "why"))
	}
	if n := len(f.left); n > 0 {
		sink.Note(event.Warn, "load %s: %s not marked: the former table did not hold them by its ledger, and the next load takes them: %s",
			load, event.Number(n, "file is", "files are"), event.Some(f.left, 5))
		sink.Note(event.Hint, "%s says that this one is in the table",
			fault.Again(load, "--mark", "loaded", "--path", fault.Exactly(f.left[0]), "--reason", "why"))
	}
}
