// Package secret keeps secret values out of everything that is printed or written.
//
// A Text holds a value and never prints it. A Source says where a value comes from; a Resolver finds values by name, each
// once, and tells a Scrubber every value that it found. The Scrubber takes the values out of any text that leaves the
// process: it is the net below the wire, for what others print (a server's error that quotes the statement, a driver's
// URL), not a licence to format a secret.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what stands where a secret was.
const Redacted = "[redacted]"

// Text is a secret value. It prints as [redacted] through fmt, slog, JSON, YAML and text marshalers. The value stands
// behind a pointer, so that fmt shows at most an address when a Text is an unexported field, where it cannot call methods.
type Text struct{ s *string }

// New makes a Text of s.
func New(s string) Text { return Text{&s} }

// Reveal returns the value, "" for the zero Text. Only databend (at the moment of sending) and local call it.
func (t Text) Reveal() string {
	if t.s == nil {
		return ""
	}
	return *t.s
}

// IsZero reports whether no value was ever set.
func (t Text) IsZero() bool { return t.s == nil }

// String returns [redacted].
func (t Text) String() string { return Redacted }

// GoString returns [redacted].
func (t Text) GoString() string { return Redacted }

// Format writes [redacted] whatever the verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue hides t from slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText hides t from everything that marshals text: map keys, XML, flags.
func (t Text) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON hides t from encoding/json.
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalYAML hides t from YAML encoders.
func (t Text) MarshalYAML() (any, error) { return Redacted, nil }

// Set is a set of resolved secrets by name.
type Set map[string]Text
