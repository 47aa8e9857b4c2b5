package store

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// cleaner is a session that knows the run's secrets.
type cleaner interface {
	Clean(text string) string
	CleanLong(text string) string
}

// Clean takes secrets out of a text that people or others wrote: a reason, a label, a comment that was captured. The state tables are
// read by more people than the secrets are for.
func (d *DB) Clean(text string) string {
	if c, ok := d.conn.s.(cleaner); ok {
		return c.Clean(text)
	}
	return text
}

// CleanText is Clean for a text that is read again, as SQL is: without what is so short that it may be a name there.
func (d *DB) CleanText(text string) string {
	if c, ok := d.conn.s.(cleaner); ok {
		return c.CleanLong(text)
	}
	return text
}

// CleanJSON is CleanText for a JSON text, whose values it takes one by one, as they are: in the text itself they are escaped.
func (d *DB) CleanJSON(text string) string {
	if d.CleanText(text) == text && !strings.Contains(text, `\u`) {
		return text
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.Decode(new(any)) != io.EOF {
		return d.CleanText(text)
	}
	changed := false
	v = d.cleanValue(v, &changed)
	if !changed {
		return text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return d.CleanText(text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (d *DB) cleanValue(v any, changed *bool) any {
	switch v := v.(type) {
	case string:
		clean := d.CleanText(v)
		*changed = *changed || clean != v
		return clean
	case []any:
		for i := range v {
			v[i] = d.cleanValue(v[i], changed)
		}
	case map[string]any:
		for k := range v {
			if k != "database" && k != "name" { // what an object is found by: everybody sees it, and without it nothing is found
				v[k] = d.cleanValue(v[k], changed)
			}
		}
	}
	return v
}
