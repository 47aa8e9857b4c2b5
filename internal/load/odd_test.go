package load

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/inspect"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// Files of other types than the load expects: what the engine says of them names neither file nor row.
type (
	binaryGeo struct {
		ID  int32  `parquet:"id"`
		Geo []byte `parquet:"geo"`
	}
	nullID struct {
		ID  *int32 `parquet:"id,optional"`
		Geo string `parquet:"geo"`
	}
	binaryID struct {
		ID  []byte `parquet:"id"`
		Geo string `parquet:"geo"`
	}
	twiceID struct {
		ID    int32  `parquet:"id"`
		Other int32  `parquet:"ID"`
		Geo   string `parquet:"geo"`
	}
	textID struct {
		ID  string `parquet:"id"`
		Geo string `parquet:"geo"`
	}
)

func TestFilesOfOtherTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE geo (id INT NOT NULL, geo GEOMETRY)")
	const point = "SRID=4326;POINT(1 2)"
	one := int32(1)
	w.Put(t, "p/binary.parquet", file([]binaryGeo{{1, []byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}}})) // cut off, and no text
	w.Put(t, "p/good.parquet", file([]textID{{"1", point}}))
	w.Put(t, "p/int.parquet", file([]binaryID{{[]byte{0xff}, point}}))
	w.Put(t, "p/null.parquet", file([]nullID{{&one, point}, {nil, point}}))
	w.Put(t, "p/text.parquet", file([]textID{{"1", point}, {"2", point}, {"", point}}))
	w.Put(t, "p/twice.parquet", file([]twiceID{{1, 2, point}}))
	want := []string{
		`binary.parquet "geo" 1 "0101000000000000000000f03f"`,
		`int.parquet "id" - ""`,
		`null.parquet "id" 2 "NULL"`,
		`text.parquet "id" 3 ""`,
		`twice.parquet "id" - ""`,
	}
	casts := func(location string) string {
		return "COPY INTO geo (id, geo) FROM (SELECT id::INT, geo::GEOMETRY FROM " + location + ") FILE_FORMAT = (TYPE = 'PARQUET')"
	}
	plain := func(location string) string {
		return "COPY INTO geo FROM " + location + " FILE_FORMAT = (TYPE = 'PARQUET')"
	}
	for _, ld := range []project.Load{w.load(casts("@st/p/")), w.load(plain("@st/p/")), w.fromURI("p/", casts), w.fromURI("p/", plain)} {
		w.SQL(t, "CREATE OR REPLACE TABLE geo (id INT NOT NULL, geo GEOMETRY)")
		sql := ld.Statement.SQL
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check)
		if diff := cmp.Diff(w.badEvents("invalid"), want); diff != "" {
			t.Errorf("%s: invalid (-got +want):\n%s", sql, diff)
		}
		res, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Partly)
		if res.Rows != 1 {
			t.Errorf("got %d rows, want 1", res.Rows)
		}
		if diff := cmp.Diff(w.badEvents("failed"), want); diff != "" {
			t.Errorf("%s: failed (-got +want):\n%s", sql, diff)
		}
	}
}

func TestRulesAboutTypes(t *testing.T) {
	t.Parallel()
	type odd struct {
		ID  int32     `parquet:"id"`
		At  int64     `parquet:"at"`
		JS  []byte    `parquet:"js"`
		Vec []float32 `parquet:"vec,list"`
	}
	fromEach(t, func(w *world, below string) {
		nan := float32(0)
		nan /= nan
		for _, sql := range []string{
			"COPY INTO odd (id, at, js, vec) FROM (SELECT id::INT, at::TIMESTAMP, js::VARIANT, vec::VECTOR(2) FROM @st/p/) FILE_FORMAT = " +
				"(TYPE = 'PARQUET')",
			"COPY INTO odd FROM @st/p/ FILE_FORMAT = (TYPE = 'PARQUET')",
		} {
			w.SQL(w.t, "CREATE OR REPLACE TABLE odd (id INT, at TIMESTAMP, js VARIANT, vec VECTOR(2))")
			ld := w.load(sql)
			w.Put(w.t, "p/a.parquet", file([]odd{{1, 1735689600, []byte("{}"), []float32{1, 2}}, {2, 1735689600, []byte("{}"), []float32{1, nan}}}))
			w.Put(w.t, "p/b.parquet", file([]odd{
				{1, 1735689600, []byte("{}"), []float32{1, 2}},
				{2, 1735689600000000000, []byte("{}"), []float32{1, 2}},
			}))
			res, err := w.run(ld, plan.Options{})
			w.wantExit(err, exit.Partly, below+"b.parquet (row 2: at = '1735689600000000000' is no time between the years 1 and 9999: of "+
				"another unit? (rule time-range))")
			if res.Files != 1 {
				w.t.Errorf("got %+v, want one file loaded", res)
			}
			for _, want := range []string{
				below + "a.parquet: row 2: vec = '[1.0,null]' has NaN or an infinity in the vector (rule vector-nan)",
				below + "a.parquet: row 1: js = '7b7d' is bytes",
			} {
				if !strings.Contains(w.notes(), want) {
					w.t.Errorf("got %s\nwant %s", w.notes(), want)
				}
			}
		}
	})
}

// A COPY matches the columns of Parquet files in whatever case those have them, and so do the rules and the checks of a validation.
func TestColumnsInAnyCase(t *testing.T) {
	t.Parallel()
	type upper struct {
		ID  string     `parquet:"Id"`
		Vec []*float32 `parquet:"VEC,list"`
	}
	one := float32(1)
	fromEach(t, func(w *world, below string) {
		w.Put(w.t, "p/good.parquet", file([]upper{{"1", []*float32{&one, &one}}}))
		w.Put(w.t, "p/null.parquet", file([]upper{{"2", []*float32{&one, nil}}}))
		w.Put(w.t, "p/text.parquet", file([]upper{{"x", []*float32{&one, &one}}}))
		for _, sql := range []string{
			"COPY INTO v FROM @st/p/ FILE_FORMAT = (TYPE = PARQUET)",
			"COPY INTO v (id, vec) FROM (SELECT id::INT, vec::VECTOR(2) FROM @st/p/) FILE_FORMAT = (TYPE = PARQUET)",
		} {
			w.SQL(w.t, "CREATE OR REPLACE TABLE v (id INT, vec VECTOR(2))")
			ld := w.load(sql)
			null, text := below+"null.parquet (row 1: vec = '[1.0,null]' has a NULL in the vector", below+"text.parquet (row 1: id = 'x' is no INT"
			w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "2 invalid files", null, text)
			res, err := w.run(ld, plan.Options{})
			w.wantExit(err, exit.Partly, "2 bad files", null, text)
			if res.Files != 1 {
				w.t.Errorf("got %+v, want one file loaded", res)
			}
		}
		type numbers struct {
			ID string `parquet:"id"`
		}
		w.Put(w.t, "n/a.parquet", file([]numbers{{"1"}, {"N"}})) // NULL by the format
		ld := w.load("COPY INTO t (id) FROM @st/n/ FILE_FORMAT = (TYPE = PARQUET NULL_IF = ('N'))")
		if err := w.validate(ld, plan.Options{}); err != nil {
			w.t.Error(err)
		}
		w.mustRun(ld, plan.Options{}, 1, 2)
		for _, options := range []string{"FILE_FORMAT = (TYPE = JSON)", "FILE_FORMAT = (TYPE = CSV) COLUMN_MATCH_MODE = CASE_SENSITIVE"} {
			_, err := w.run(w.load("COPY INTO t FROM @st/p/ PATTERN = '.*' "+options), plan.Options{})
			w.wantExit(err, exit.Failed)
			if got := w.outcomes(); got != nil {
				w.t.Errorf("files are blamed for what the engine does not read with %s: %q", options, got)
			}
		}
	})
}

// A header may name every rule, and no other.
func TestRuleNames(t *testing.T) {
	t.Parallel()
	var names []string
	for _, r := range inspect.Rules {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	if diff := cmp.Diff(names, project.RuleNames); diff != "" {
		t.Errorf("rules (-here +in headers):\n%s", diff)
	}
}
