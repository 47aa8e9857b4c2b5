package load

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// rule is something that the engine lets through in silence, and that is wrong all the same (facts/loads.md, section 0, 3).
type rule struct {
	name    string
	run     string // what it does in a normal run unless the load's header says otherwise: off, warn, fail
	applies *regexp.Regexp
	bad     string // SQL, true for a bad row; {} is the column
	value   string
	reason  string // behind "row N: column = value"
}

// Rules that read data look at nothing but the columns whose casts they are about. Validate runs all but those that are off.
var rules = []rule{
	{ // The engine puts a neighbour's number in the place of the NULL.
		name: "vector-null", run: "fail", applies: regexp.MustCompile(`(?i)^VECTOR`),
		bad: "{} IS NOT NULL AND array_length({})<>array_count({})", value: "to_string(array_length({})-array_count({}))", reason: "NULL in the vector",
	},
	{ // One row of another SRID makes ST_TRANSFORM, ST_CONTAINS and ST_DISTANCE over the table fail.
		name: "srid-zero", run: "warn", applies: regexp.MustCompile(`(?i)^GEOMETRY`),
		bad: "coalesce(ST_SRID(TRY_TO_GEOMETRY({}))=0, false)", value: "ST_ASTEXT(TRY_TO_GEOMETRY({}))", reason: "has no SRID",
	},
	{ // Latitude and longitude the wrong way round.
		name: "swapped-axes", run: "warn", applies: regexp.MustCompile(`(?i)^GEOMETRY`),
		bad:   "coalesce(ST_SRID(TRY_TO_GEOMETRY({}))=4326 AND (greatest(abs(ST_YMAX(TRY_TO_GEOMETRY({}))), abs(ST_YMIN(TRY_TO_GEOMETRY({}))))>90 OR greatest(abs(ST_XMAX(TRY_TO_GEOMETRY({}))), abs(ST_XMIN(TRY_TO_GEOMETRY({}))))>180), false)",
		value: "ST_ASTEXT(TRY_TO_GEOMETRY({}))", reason: "lies outside of the earth: latitude and longitude swapped?",
	},
	{ // 0.5 becomes 1, 2.5 becomes 3. Off in a run, since it reads whole numbers too.
		name: "fraction", run: "off", applies: regexp.MustCompile(`(?i)^U?(TINYINT|SMALLINT|INT|INTEGER|BIGINT|INT8|INT16|INT32|INT64)( UNSIGNED)?$`),
		bad: "coalesce(TRY_CAST({} AS DOUBLE)<>TRY_CAST({} AS BIGINT), false)", value: "to_string({})", reason: "is rounded to a whole number",
	},
	{ // A list of structs becomes {"1":…}: its names are lost.
		name: "struct-names", run: "warn", applies: regexp.MustCompile(`(?i)^(VARIANT|JSON)$`),
		bad: "typeof({}) LIKE 'ARRAY(TUPLE%'", value: "typeof({})", reason: "loses the names of its fields",
	},
}

// level is what a rule does: in a run what the header or the rule says, in a validation at least a warning unless it is off.
func (j *job) level(r rule, validating bool) string {
	if v := j.Rules[r.name]; v != "" {
		return v
	}
	if validating && r.run == "off" {
		return "warn"
	}
	return r.run
}

// rules are the checks of the rules at one level.
func (j *job) rules(level string, validating bool) []check {
	var out []check
	for _, it := range j.Copy.Select {
		for _, r := range rules {
			if it.Column == "" || !r.applies.MatchString(strings.TrimSpace(it.Type)) || j.level(r, validating) != level {
				continue
			}
			fill := func(s string) string { return strings.ReplaceAll(s, "{}", sqltext.Ident(it.Column)) }
			out = append(out, check{column: it.Column, bad: fill(r.bad), value: fill(r.value), reason: r.reason + " (rule " + r.name + ")"})
		}
	}
	return out
}

// obey runs the rules of a normal run over a batch whose files have one schema, and takes out the files that fail one. A rule that
// does not bind (a column is of another type, the files differ) says nothing: the COPY will.
func (r *run) obey(ctx context.Context, b *batch) error {
	for _, level := range []string{"warn", "fail"} {
		checks := r.j.rules(level, false)
		if len(checks) == 0 || len(b.files) == 0 {
			continue
		}
		found, err := r.examine(ctx, b.files, b.send.missing, checks)
		if err != nil && !isRefusal(err) {
			return err
		}
		var kept []File
		for _, f := range b.files {
			why, bad := found[f.Path]
			switch {
			case bad && level == "fail":
				r.condemn(f, why)
				continue
			case bad:
				r.l.cfg.Sink(event.Note{Level: "warn", Text: fmt.Sprintf("load %s: %s: %s", r.j.Name, f.Path, why.reason)})
			}
			kept = append(kept, f)
		}
		if len(kept) < len(b.files) {
			b.files, b.send.files, b.send.max = kept, paths(kept), 0
		}
	}
	return nil
}
