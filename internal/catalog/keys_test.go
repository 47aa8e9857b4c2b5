package catalog

import (
	"slices"
	"testing"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// A key may end in what stands between keys.
func TestKeyEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                   nil,
		"region=eu access_key_id=******aaa":  {"aaa"},
		"account_key=******Q== k=******i a":  {"Q==", "i a"},
		`{"key":"******x\"y","root":"/***"}`: {`x"y`},
	} {
		o := ObjectState{Object: sqltext.Object{Kind: sqltext.Connection}, masked: text}
		if text != "" && text[0] == '{' {
			o.Kind = sqltext.Stage
		}
		got := o.KeyEnds()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
