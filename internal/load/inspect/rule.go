package inspect

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// rule is something that the engine lets through in silence, and that is wrong all the same.
type rule struct {
	Name    string
	Run     string         // what it does in a normal run unless the load's header says otherwise: off, warn, fail
	applies []string       // names of the types that a column becomes
	of      things         // what it is about
	from    *regexp.Regexp // the file's types that it is about; nil all
	bad     string         // SQL, true for a bad row; {} is the column, [] the type that it is cast to
	value   string
	reason  string // behind "row N: column = value"
	Finds   string // for docs/loads.md
}

// things are what a rule is about: columns of files that have some, expressions (such as the fields of a text file), or both.
type things int

const (
	inBoth things = iota
	inColumns
	inExpressions
)

var (
	wholeNumbers = []string{"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
	times        = []string{"TIMESTAMP", "DATE"}
	variants     = []string{"VARIANT"}
	vectors      = []string{"VECTOR"}
	geometries   = []string{"GEOMETRY"}
	decimals     = []string{"DECIMAL"}
	// The file's types, as a query's result names them.
	numbers   = regexp.MustCompile(`^(Nullable\()?U?Int`)
	fractions = regexp.MustCompile(`^(Nullable\()?(Float|Decimal|String)`)
	floats    = regexp.MustCompile(`^(Nullable\()?Float`)
	exact     = regexp.MustCompile(`^(Nullable\()?(Decimal|String|Variant)`)
	inexact   = regexp.MustCompile(`^(Nullable\()?(Float|Decimal|String|Variant)`)
	written   = regexp.MustCompile(`^(Nullable\()?(String|Variant|Binary)`)
	dates     = regexp.MustCompile(`^(Nullable\()?(Timestamp|Date|String|Variant)`)
	shapes    = regexp.MustCompile(`^(Nullable\()?Geometry`)
	keyed     = regexp.MustCompile(`^(Nullable\()?Variant`)
	binaries  = regexp.MustCompile(`^(Nullable\()?Binary`)
	structs   = regexp.MustCompile(`^(Nullable\()?Array\((Nullable\()?Tuple`)
	lists     = regexp.MustCompile(`^(Nullable\()?Array\((Nullable\()?(U?Int|Float|Decimal)`)
)

// is reports whether a type, as it is written, is one of these.
func is(typ string, names []string) bool {
	t, ok := define.ParseType(typ)
	return ok && slices.Contains(names, t.Name)
}

// outside is true for a time that Databend cannot show: it has no year before 1 or behind 9999, and queries over such a DATE panic.
// Of a text it is one in digits, which a COPY without a SELECT list takes.
const outside = "coalesce(coalesce(TRY_CAST({} AS []), TRY_CAST(TRY_CAST({} AS BIGINT) AS [])) " +
	"NOT BETWEEN '0001-01-02' AND '9999-12-30', false)"

// rounded is true for a number that becomes another whole number.
const rounded = "coalesce(TRY_CAST({} AS DOUBLE)<>TRY_CAST({} AS BIGINT), false)"

// Rules that read data look at nothing but the columns whose casts they are about, and only where the file's type can be wrong.
// Validate runs all but those that are off.
var Rules = []rule{
	{ // The engine puts a neighbour's number in the place of the NULL.
		Name: "vector-null", Run: "fail", applies: vectors, from: lists,
		Finds: "a NULL inside a vector (Databend puts a neighbour's number there)",
		bad:   "{} IS NOT NULL AND array_length({})<>array_count({})", value: "to_string({}::VARIANT)", reason: "has a NULL in the vector",
	},
	{ // A distance to it is no number.
		Name: "vector-nan", Run: "warn", applies: vectors, from: lists,
		Finds: "NaN or an infinity inside a vector (a distance to it is no number)",
		bad:   "coalesce(isnan(array_sum({})*0), false)", value: "to_string({}::VARIANT)", reason: "has NaN or an infinity in the vector",
	},
	// One row of another SRID makes ST_TRANSFORM, ST_CONTAINS and ST_DISTANCE over the table fail.
	sridZero(inBoth, nil, "TRY_TO_GEOMETRY({})"),
	sridZero(inExpressions, shapes, "{}"),
	// Latitude and longitude the wrong way round.
	swappedAxes(inBoth, nil, "TRY_TO_GEOMETRY({})"),
	swappedAxes(inExpressions, shapes, "{}"),
	{ // 0.5 becomes 1, 2.5 becomes 3.
		Name: "fraction", Run: "warn", applies: wholeNumbers, of: inColumns, from: fractions,
		Finds: "a fraction rounded into a whole number",
		bad:   rounded, value: "to_string({})", reason: "is rounded to a whole number",
	},
	{ // Off in a run, since it reads what is right nearly always.
		Name: "fraction", Run: "off", applies: wholeNumbers, of: inExpressions, from: inexact,
		Finds: "likewise in fields of a text file, and in what an expression makes of a column: `warn` in " +
			"`--validate` only, since it reads them all",
		bad: rounded, value: "to_string({})", reason: "is rounded to a whole number",
	},
	{ // 1.555 becomes 1.56. A DOUBLE is rounded always.
		Name: "decimal-digits", Run: "off", applies: decimals, from: exact,
		Finds: "a number with more decimal places than the DECIMAL, to which it is rounded: `warn` in `--validate` only",
		bad:   "coalesce(TRY_CAST(to_string({}) AS DECIMAL(38, 20))<>TRY_CAST(to_string({}) AS []), false)",
		value: "to_string({})", reason: "is rounded to a []",
	},
	{ // It becomes 0.
		Name: "decimal-nan", Run: "fail", applies: decimals, from: floats,
		Finds: "NaN in a file's DOUBLE that becomes a DECIMAL (Databend puts 0 there)",
		bad:   "coalesce(isnan({}), false)", value: "to_string({})", reason: "becomes 0",
	},
	{ // Of $1:v, where NaN is a DOUBLE that reads null. Off in a run, since it reads what is right nearly always.
		Name: "decimal-nan", Run: "off", applies: decimals, of: inExpressions, from: keyed,
		Finds: "likewise NaN and infinities by `$1:key`: `warn` in `--validate` only, since it reads them all",
		bad:   "coalesce(typeof({})='DOUBLE' AND to_string({})='null', false)", value: "'NaN'", reason: "becomes 0",
	},
	{ // Seconds are taken for milliseconds by their size, nanoseconds become the year 1.
		Name: "time-range", Run: "fail", applies: times, from: numbers,
		Finds: "a whole number that is no time between the years 1 and 9999: of another unit",
		bad:   outside, value: "to_string({})", reason: "is no time between the years 1 and 9999: of another unit?",
	},
	{ // Off in a run, since it reads what is right nearly always.
		Name: "time-range", Run: "off", applies: times, from: dates,
		Finds: "likewise for files that hold times themselves, or texts: `warn` in `--validate` only, since it reads them all",
		bad:   outside, value: "to_string(TRY_CAST({} AS BIGINT))", reason: "is no time between the years 1 and 9999",
	},
	{ // A list of structs becomes {"1":…}: its names are lost.
		Name: "struct-names", Run: "warn", applies: variants, from: structs,
		Finds: "a list of structs that loses its names as VARIANT",
		bad:   "{} IS NOT NULL", value: "typeof({})", reason: "loses the names of its fields",
	},
	{ // Even when they hold JSON.
		Name: "binary-json", Run: "warn", applies: variants, from: binaries,
		Finds: "bytes that become a text of hexadecimal digits as VARIANT",
		bad:   "{} IS NOT NULL", value: "hex({})", reason: "is bytes, and becomes a text of hexadecimal digits",
	},
	{ // Of no column: see objects.go.
		Name: object, Run: "fail",
		Finds: "a line of NDJSON that is no object, of which a SELECT list reads NULLs; a run looks into 100 files at most: those of one " +
			"row, which an array is, and small ones",
	},
	{ // Of no column: see header.go.
		Name: header, Run: "warn",
		Finds: "a CSV or TSV whose header names columns in other places than the COPY reads them from, is loaded as a row, or is none and " +
			"passed over; a run looks into the first file, with `fail` into each",
	},
	{ // Of no column: see ragged.go. Off in a run, since it reads the files a second time.
		Name: ragged, Run: "off",
		Finds: "rows of several widths in a CSV or TSV that is loaded with a SELECT list: `warn` in `--validate` only, since it reads them all",
	},
}

// sridZero is that rule, where geo is the geometry in SQL.
func sridZero(of things, from *regexp.Regexp, geo string) rule {
	return rule{
		Name: "srid-zero", Run: "warn", applies: geometries, of: of, from: from,
		Finds: "a geometry without SRID (one such row breaks `ST_TRANSFORM` over the table)",
		bad:   "coalesce(ST_SRID(" + geo + ")=0, false)", value: "ST_ASTEXT(" + geo + ")", reason: "has no SRID",
	}
}

// swappedAxes is that rule, where geo is the geometry in SQL.
func swappedAxes(of things, from *regexp.Regexp, geo string) rule {
	return rule{
		Name: "swapped-axes", Run: "warn", applies: geometries, of: of, from: from,
		Finds: "latitude and longitude the wrong way round",
		bad: strings.ReplaceAll("coalesce(ST_SRID(GEO)=4326 AND (greatest(abs(ST_YMAX(GEO)), abs(ST_YMIN(GEO)))>90 OR "+
			"greatest(abs(ST_XMAX(GEO)), abs(ST_XMIN(GEO)))>180), false)", "GEO", geo),
		value: "ST_ASTEXT(" + geo + ")", reason: "lies outside of the earth: latitude and longitude swapped?",
	}
}

const (
	header = "header"
	ragged = "ragged"
	object = "json-object"
)

// levelOf is what the rule of a name does.
func levelOf(name string, j *source.Load, validating bool) string {
	return Rules[slices.IndexFunc(Rules, func(one rule) bool { return one.Name == name })].level(j, validating)
}

// level is what a rule does: in a run what the header or the rule says, in a validation at least a warning unless it is off.
func (r rule) level(j *source.Load, validating bool) string {
	if v := j.Rules[r.Name]; v != "" {
		return v
	}
	if validating && r.Run == "off" {
		return "warn"
	}
	return r.Run
}

// rules are the checks of the rules at one level.
func (r *Inspector) rules(ctx context.Context, level string, validating bool) ([]check, error) {
	cells, err := r.cells(ctx)
	if err == nil && cells == nil && validating { // a run would wait for the table's columns
		cells, err = r.fields(ctx)
	}
	var out []check
	for _, it := range cells {
		of, typ := inColumns, it.typ
		if it.column == "" && it.array == "" {
			of, typ = inExpressions, it.cast
		}
		for _, rule := range Rules {
			if rule.of != inBoth && rule.of != of || !is(typ, rule.applies) || rule.level(r.Load, validating) != level {
				continue
			}
			c := check{column: it.column, from: rule.from, warns: level == "warn"}
			switch c.sql = r.inFile(it.column); {
			case it.array != "":
				c.column, c.sql, c.loose = it.target, it.array, true
			case of == inExpressions && it.expr == "":
				continue
			case of == inExpressions:
				c.column, c.sql = cmp.Or(it.target, it.expr), "("+it.expr+")"
				if c.from == nil {
					c.from = written
				}
				if field := r.Load.FieldType(it.expr); field != "" && !c.from.MatchString(field) {
					continue
				}
			}
			fill := strings.NewReplacer("{}", c.sql, "[]", typ).Replace
			c.bad, c.value, c.reason = fill(rule.bad), fill(rule.value), fill(rule.reason)+" (rule "+rule.Name+")"
			out = append(out, c)
		}
	}
	return out, err
}

// Obey runs the rules of a run over files of one schema, and returns those that fail none.
func (r *Inspector) Obey(ctx context.Context, files []plan.File, missing []string) (kept []plan.File, err error) {
	return r.obey(ctx, files, missing, false)
}

// obey runs the rules of a run, or of a validation. A rule that does not bind (a column is of another type, the files differ) says nothing:
// the COPY will, unless it takes files of any schema, which are looked at schema by schema.
func (r *Inspector) obey(ctx context.Context, files []plan.File, missing []string, validating bool) (kept []plan.File, err error) {
	if files, err = r.headed(ctx, r.unpacked(r.asked(files)), validating); err == nil {
		files, err = r.even(ctx, files, validating)
	}
	if err != nil {
		return nil, err
	}
	fail, err := r.rules(ctx, "fail", validating)
	if err != nil {
		return nil, err
	}
	warn, err := r.rules(ctx, "warn", validating)
	if err != nil || len(files) == 0 {
		return files, err
	}
	groups, checks := []Group{{files, missing}}, append(fail, warn...)
	if len(checks) > 0 {
		r.Phases.Enter("checking rules")
		defer r.Phases.Enter("")
	}
	if r.Load.FillsMissing() && len(checks) > 0 {
		if groups, err = r.Groups(ctx, files); err != nil {
			return nil, err
		}
	}
	for _, g := range groups {
		found, err := r.examine(ctx, g.Files, g.Missing, checks)
		if err != nil && !fault.IsRefusal(err) {
			return nil, err
		}
		good := len(kept)
		for _, f := range g.Files {
			if why := found[f.Path]; len(why) > 0 && !why[0].warns {
				r.Condemn(f, why[0])
				continue
			}
			kept = append(kept, f)
		}
		r.warn(kept[good:], found)
	}
	return kept, nil
}

// warned is how many files a rule names in a run: a feed that never sets an SRID says so in a line and not in thousands.
const warned = 3

// warn tells what is wrong with files that are loaded all the same: once, although a batch may be looked at again.
func (r *Inspector) warn(files []plan.File, found map[string][]Finding) {
	type kind struct{ column, rule string }
	more := map[kind]int{}
	for _, f := range files {
		for _, why := range found[f.Path] {
			text := fmt.Sprintf("load %s: %s: %s", r.Load.Name, f.Path, why.Why)
			if r.told(text) {
				continue
			}
			k := kind{why.Column, why.Why[strings.LastIndex(why.Why, "(rule "):]}
			if more[k]++; more[k] <= warned || r.Options.Verbose {
				r.Sink.Note(event.Warn, "%s", text)
			}
		}
	}
	for k, n := range more {
		if n > warned && !r.Options.Verbose {
			of := ""
			if k.column != "" {
				of = " of which column " + k.column
			}
			r.Sink.Note(event.Warn, "load %s: %s%s breaks the same %s; -v names them",
				r.Load.Name, event.Plural(n-warned, "more file"), of, strings.Trim(k.rule, "()"))
		}
	}
}
