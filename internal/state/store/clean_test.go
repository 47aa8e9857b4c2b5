package store

import (
	"context"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/secret"
)

type knowing struct{ *secret.Scrubber }

func (k knowing) Clean(s string) string { return k.String(s) }

func (k knowing) CleanLong(s string) string { return k.Long(s) }

func (knowing) Query(context.Context, databend.Statement) (databend.Result, error) {
	return databend.Result{}, nil
}

func (knowing) Exec(context.Context, databend.Statement) (databend.Result, error) {
	return databend.Result{}, nil
}

// TestClean: a secret is taken out of texts and of the values of JSON, and breaks neither JSON nor its keys.
func TestClean(t *testing.T) {
	t.Parallel()
	scrub := secret.NewScrubber()
	for _, v := range []string{"Tr0ub4dor&3-and-more", "default", "two\nlines of it", "ünï-çode-x", "customer_orders"} {
		scrub.Add(secret.New(v))
	}
	db := Open(knowing{scrub}, Scope{})
	for text, want := range map[string]string{
		`{"name":"t","comment":"key Tr0ub4dor&3-and-more!"}`:  `{"comment":"key [redacted]!","name":"t"}`,
		`{"database":"default","sql":"DROP TABLE default.t"}`: `{"database":"default","sql":"DROP TABLE default.t"}`,
		`{"c":"\u00fcn\u00ef-\u00e7ode-x"}`:                   `{"c":"[redacted]"}`,
		`{"name":"customer_orders","note":"customer_orders"}`: `{"name":"customer_orders","note":"[redacted]"}`,
		`{"c":"two\nlines of it"}`:                            `{"c":"[redacted]"}`,
		`{"big":12345678901234567890,"untouched":"<a & b>"}`:  `{"big":12345678901234567890,"untouched":"<a & b>"}`,
		`{"key":"Tr0ub4dor\u00263-and-more","n":1.50}`:        `{"key":"[redacted]","n":1.50}`,
		"no JSON: Tr0ub4dor&3-and-more":                       "no JSON: [redacted]",
		"":                                                    "",
	} {
		if got := db.CleanJSON(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if got := db.Clean("because of default"); strings.Contains(got, "default") {
		t.Errorf("got %s", got)
	}
}
