// Package inspect looks into the files of a load: what is wrong with one that the engine refused, what it would let through in silence
// (the rules), which files have one schema, and what their rows look like. It loads nothing: what it tries is rolled back.
package inspect

import (
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/secret"
)

// An Inspector looks into the files of one load, and holds what it has found so far.
type Inspector struct {
	*session.Sessions
	Load    *source.Load
	Options plan.Options
	Secrets secret.Set
	Sink    event.Sink
	Phases  *session.Phases

	Bad     []BadFile
	made    []cell // see cells
	warned  map[string]bool
	schemas map[string]string // of files, as far as a 1303 has told
}
