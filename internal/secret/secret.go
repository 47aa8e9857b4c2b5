// Package secret keeps secret values out of everything that is printed or written.
package secret

import (
	"context"
	"io"
)

// Text is a secret value. It prints as [redacted] through fmt, slog, JSON and YAML.
type Text struct{ s *string }

// New makes a Text of s.
func New(s string) Text { return Text{&s} }

// Reveal returns the value. Only databend (at the moment of sending) and local call it.
func (t Text) Reveal() string { panic("not built yet") }

// IsZero reports whether no value was ever set.
func (t Text) IsZero() bool { return t.s == nil }

// Source says where the value of one secret comes from.
type Source struct {
	Env     string   // name of an environment variable
	File    string   // path of a file
	Command []string // program and arguments, run once, no shell
	JSON    string   // path into the JSON that File or Command gives: "data.key"
}

// Resolver finds secrets by name, each at most once, and tells the Scrubber every value.
type Resolver struct{}

// NewResolver makes a Resolver. sources are those of dbctl.yaml; a name without one comes from getenv.
// dir is what relative file paths are relative to.
func NewResolver(sources map[string]Source, getenv func(string) (string, bool), dir string, scrub *Scrubber) *Resolver {
	panic("not built yet")
}

// Override sets a value that wins over every source (the embedded engine's keys).
func (r *Resolver) Override(name string, value Text) { panic("not built yet") }

// Resolve returns the named secrets. All that are missing or empty are named in one *MissingError.
func (r *Resolver) Resolve(ctx context.Context, names []string) (Set, error) { panic("not built yet") }

// MissingError names every secret that has no value.
type MissingError struct {
	Names []string // as NAME (where it was looked for)
}

func (e *MissingError) Error() string { panic("not built yet") }

// Set is a set of resolved secrets by name.
type Set map[string]Text

// Scrubber replaces every known secret, in its raw, SQL-escaped, URL-escaped, JSON-escaped and base64 forms, by [redacted].
type Scrubber struct{}

// NewScrubber returns an empty Scrubber. It is safe for concurrent use.
func NewScrubber() *Scrubber { panic("not built yet") }

// Add makes the Scrubber know t.
func (s *Scrubber) Add(t Text) { panic("not built yet") }

// String returns text without any known secret. A nil Scrubber returns text as it is.
func (s *Scrubber) String(text string) string { panic("not built yet") }

// Writer returns a writer that scrubs, holding back what may be the start of a secret until Flush.
func (s *Scrubber) Writer(w io.Writer) *Writer { panic("not built yet") }

// Writer is a scrubbing writer.
type Writer struct{}

func (w *Writer) Write(p []byte) (int, error) { panic("not built yet") }

// Flush writes what was held back.
func (w *Writer) Flush() error { panic("not built yet") }
