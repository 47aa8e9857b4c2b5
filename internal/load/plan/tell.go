package plan

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
)

// Left says which files a run leaves alone although they need a look.
func (p *Plan) Left(sink event.Sink) {
	for _, f := range p.Files {
		switch f.State {
		case event.Changed, event.Failed, event.Unfinished:
			if !f.Planned {
				sink(p.event(f))
			}
		}
	}
	p.Notes(sink)
}

// Emit says the plan: each file a run touches or names, and the sums.
func (p *Plan) Emit(sink event.Sink, verb string) {
	for _, f := range p.Files {
		sink(p.event(f))
	}
	p.Notes(sink)
	if len(p.Job.After) > 0 && len(p.Planned()) > 0 {
		sink.Note(event.Info, "load %s: then, in the same transaction, when rows came: %s", p.Load, p.Job.Behind())
	}
	sink(event.Summary{Command: "load", Load: p.Load, Text: p.Load + ": " + p.Text(verb), Counts: p.Sums()})
}

// event is f as planned.
func (p *Plan) event(f File) event.File {
	outcome := event.FileSkipped
	if f.Planned {
		outcome = event.FilePlanned
	}
	return event.File{Load: p.Load, Table: p.Table, Path: f.Path, Before: f.State, Outcome: outcome, Bytes: f.Bytes, Reason: f.Reason}
}

// Notes says what must not pass in silence.
func (p *Plan) Notes(sink event.Sink) {
	if n := p.Counts[event.Emptied].Files; n > 0 {
		sink.Note(event.Warn, "load %s: the rows of %s are gone from %s, and the files are not loaded again",
			p.Load, event.Plural(n, "loaded file"), p.Table)
		anew := []string{"--mark", "new", "--reason", "why"}
		hint := fault.Again(p.Load, anew...) + " makes them new again"
		switch other := p.TableRows - p.otherRows; {
		case other > 0:
			hint = fmt.Sprintf("%s in %s are of no other loaded file: %s names the files; %s if those rows are theirs; --mark new instead if "+
				"not, which doubles them otherwise", event.Plural(other, "row"), p.Table, fault.Again(p.Load, "--plan", "-v"),
				fault.Again(p.Load, "--mark", "loaded", "--path", "GLOB", "--reason", "why"))
		case p.Counts[event.Loaded].Files+p.Counts[event.Expired].Files > 0:
			hint = fmt.Sprintf("%s names them; %s makes those of GLOB new again", fault.Again(p.Load, "--plan", "-v"),
				fault.Again(p.Load, append(anew, "--path", "GLOB")...))
		}
		sink.Note(event.Hint, "%s", hint)
	}
	if n := p.Counts[event.Unfinished].Files; n > 0 {
		sink.Note(event.Warn, "load %s: %s of 0 bytes left alone until the upload is done", p.Load, event.Plural(n, "file"))
	}
	if n := len(p.mended); n > 0 {
		sink.Note(event.Warn, "load %s: %s overwritten since, and still left alone: %s", p.Load,
			event.Number(n, "quarantined file was", "quarantined files were"), event.Some(p.mended, 3))
		sink.Note(event.Hint, "%s lets the next load take it",
			fault.Again(p.Load, "--mark", "new", "--path", fault.Exactly(p.mended[0]), "--reason", "why"))
	}
	var moved []string
	for _, f := range p.Files {
		if f.Planned && f.Moved != "" {
			moved = append(moved, f.Path+" (as "+f.Moved+")")
		}
	}
	if n := len(moved); n > 0 {
		sink.Note(event.Warn, "load %s: %s the bytes of a loaded one that is gone from its place (moved, "+
			"renamed?), and is loaded beside the rows of that: %s", p.Load, event.Number(n, "new file has", "new files have"),
			event.Some(moved, 3))
		sink.Note(event.Hint, "DELETE the rows of the one that is gone; or, before it is loaded, %s lets its new name stand for them",
			fault.Again(p.Load, "--mark", "loaded", "--path", "GLOB", "--reason", "why"))
	}
	if n := len(p.Past); n > 0 {
		sink.Note(event.Info, "load %s: %s loaded by a task or a person", p.Load, event.Number(n, "file was", "files were"))
	}
}

// Text is the sums in words: "3 new (2.1 MB), 40 loaded".
func (p *Plan) Text(verb string) string {
	planned := p.Planned()
	parts := []string{fmt.Sprintf("%s %s (%s)", event.Count(len(planned)), verb, event.Bytes(p.Bytes()))}
	for _, s := range []event.FileState{
		event.Loaded, event.Expired, event.Changed, event.Emptied, event.Failed, event.Quarantined, event.Unfinished, event.Vanished,
		event.Ignored,
	} {
		if n := p.Counts[s].Files; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", event.Count(n), s))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *Plan) Sums() map[string]int64 {
	out := map[string]int64{"planned": int64(len(p.Planned())), "planned_bytes": p.Bytes()}
	for s, c := range p.Counts {
		out[string(s)] = c.Files
	}
	return out
}
