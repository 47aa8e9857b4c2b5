package catalog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// tagging is a server on which some functions are another role's and have a tag, and the last one may not be looked at. It counts.
type tagging struct{ functions, requests int }

func (s *tagging) Query(_ context.Context, st databend.Statement) (databend.Result, error) {
	s.requests++
	var res databend.Result
	add := func(values ...string) {
		row := make(databend.Row, width)
		for i, v := range values {
			row[i].String = v
		}
		res.Rows = append(res.Rows, row)
	}
	if strings.Contains(st.SQL, "system.user_functions") {
		add("tags", "yes")
		for i := range s.functions {
			add(string(sqltext.Function), fmt.Sprint("f", i))
		}
		return res, nil
	}
	if strings.Contains(st.SQL, fmt.Sprintf("'f%d'", s.functions-1)) {
		return res, &databend.Error{Code: databend.CodePermissionDenied, Message: "the server's word"}
	}
	for i, part := range strings.Split(st.SQL, " union all ") {
		if strings.Contains(part, "show_grants") {
			add(fmt.Sprint(i), "OWNERSHIP", "theirs")
		} else {
			add(fmt.Sprint(i), "a_tag", "")
		}
	}
	return res, nil
}

// What no table lists is asked of many objects in one request, and of one that may not be looked at nothing else is lost.
func TestManyAreAskedAtATime(t *testing.T) {
	t.Parallel()
	const n = 200
	s := &tagging{functions: n}
	var objects []sqltext.Object
	for i := range n {
		objects = append(objects, sqltext.Object{Kind: sqltext.Function, Name: fmt.Sprint("f", i)})
	}
	got, err := Capture(t.Context(), s, append(objects, objects[0]))
	if err != nil || len(got.Objects) != n {
		t.Fatalf("%d objects, %v", len(got.Objects), err)
	}
	for i, o := range got.Objects {
		if seen := i < n-1; !o.Exists || o.Tagged() != seen || (o.Owner == "theirs") != seen {
			t.Errorf("%+v, want it known as far as may be", o)
		}
	}
	if most := 1 + 2*n/atOnce + atOnce; s.requests > most {
		t.Errorf("%d requests for %d functions, want at most %d", s.requests, n, most)
	}
}
