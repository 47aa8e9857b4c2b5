package source

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Formats asks the server for the formats of those loads whose text leaves them to a name or to the stage, and returns the loads with
// them. Where the server knows neither, the load itself will say so. Of loads that name a TYPE nothing is asked.
func Formats(ctx context.Context, session *databend.Session, loads []project.Load) ([]project.Load, error) {
	byName, byStage := map[string]string{}, map[string]string{} // options
	for _, ld := range loads {
		if name := ld.Copy.Format()["FORMAT_NAME"]; name != "" {
			byName[name] = "TYPE = " + name // of the engine's own, unless somebody has made one
		} else if ld.FileType() == "" {
			byStage[ld.Copy.Stage] = ""
		}
	}
	ask := func(sql string, into map[string]string) error {
		_, err := session.Each(ctx, databend.Statement{SQL: sql}, func(r databend.Row) error {
			if _, ok := into[r[0].String]; ok {
				into[r[0].String] = r[1].String
			}
			return nil
		})
		return err
	}
	if len(byName) > 0 {
		if err := ask("SHOW FILE FORMATS", byName); err != nil {
			return nil, err
		}
	}
	if len(byStage) > 0 {
		names := slices.Sorted(maps.Keys(byStage))
		sql := "SELECT name, to_string(file_format_options) FROM system.stages WHERE name IN (" + sqltext.Literals(names) + ")"
		if err := ask(sql, byStage); err != nil {
			return nil, err
		}
	}
	loads = slices.Clone(loads)
	for i := range loads {
		if name := loads[i].Copy.Format()["FORMAT_NAME"]; name != "" {
			loads[i].Format = byName[name]
		} else if loads[i].FileType() == "" {
			loads[i].Format = optionsOf(byStage[loads[i].Copy.Stage])
		}
	}
	return loads, nil
}

// format is the FILE_FORMAT parameter of a SELECT over a stage: a name only, options of a format cannot be given there.
func (j *Load) format() string {
	own := j.Copy.Format()
	if own == nil && j.named == "" {
		return ""
	}
	name := cmp.Or(j.named, own["FORMAT_NAME"], j.FileType())
	return ", FILE_FORMAT=>" + sqltext.Quote(name)
}

// Untold names an option without which a query reads the files of a text format otherwise than the COPY does; "" when there is none.
func (j *Load) Untold() string {
	if j.named != "" || slices.Contains(selfNamed, j.FileType()) {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(j.Copy.Format())) {
		if name != "TYPE" && name != "FORMAT_NAME" {
			return name
		}
	}
	return ""
}

// MakeFormat is the statement that gives the format of the COPY a name, so that queries can be told its options, and the one that drops it.
func (j *Load) MakeFormat() (sql, drop string) {
	return makeFormat(j.madeOf(j.formatText()), j.formatText())
}

func makeFormat(name, text string) (sql, drop string) {
	return "CREATE OR REPLACE FILE FORMAT " + name + " " + text, DropFormat(name)
}

// DropFormat is the statement that drops a format which was made for a load.
func DropFormat(name string) string { return "DROP FILE FORMAT IF EXISTS " + name }

// OtherFormat reports whether a format was made for another text of this load. One that is in use is made again: see Dropped.
func (j *Load) OtherFormat(name string) bool {
	return strings.HasPrefix(name, j.own+"_") && name != j.madeOf(j.formatText())
}

// FormatMade tells the load that its format has its name, which it returns.
func (j *Load) FormatMade() string {
	j.named = j.madeOf(j.formatText())
	return j.named
}

// OtherwiseFormat is the load with a format of its own that has these options in the place of the COPY's; and the statements that make and
// drop it.
func (j *Load) OtherwiseFormat(options string) (with *Load, sql, drop string) {
	text := j.Format
	if j.Copy.Format()["TYPE"] != "" {
		text = j.formatText()
	}
	text += " " + options
	out := *j
	out.named = j.madeOf(text)
	sql, drop = makeFormat(out.named, text)
	return &out, sql, drop
}

// formatText is the COPY's FILE_FORMAT without its brackets.
func (j *Load) formatText() string {
	o, _ := j.Copy.Option("FILE_FORMAT")
	return strings.TrimSuffix(strings.TrimPrefix(o.Value, "("), ")")
}

// selfNamed are the types of files that name their columns, and that a query takes them from.
var selfNamed = []string{"PARQUET", "ORC", "AVRO"}

// Unpacked is a file's name without the ending of a compressed one, and the COMPRESSION that reads it: AUTO goes by endings in lower case.
func Unpacked(name string) (plain, compression string) {
	for _, c := range [][2]string{{".gz", "GZIP"}, {".zst", "ZSTD"}, {".bz2", "BZ2"}, {".xz", "XZ"}} {
		plain := name[:max(0, len(name)-len(c[0]))]
		switch ending := name[len(plain):]; {
		case ending == c[0]:
			return plain, "AUTO"
		case strings.EqualFold(ending, c[0]):
			return plain, c[1]
		}
	}
	return name, ""
}

// LeftPacked is the COMPRESSION that a text file needs by its name, where the load reads it as if it were not compressed. meant is whether
// it says so.
func (j *Load) LeftPacked(name string) (need string, meant bool) {
	if !slices.Contains(textTypes, j.FileType()) {
		return "", false
	}
	_, need = Unpacked(name)
	if how := strings.ToUpper(j.FormatOptions()["COMPRESSION"]); how == "" || how == "NONE" || how == "AUTO" && need != "AUTO" {
		return need, how == "NONE"
	}
	return "", false
}

// textTypes are those of which a file may be compressed as a whole, and has no types of its own.
var textTypes = []string{"CSV", "TSV", "TEXT", "NDJSON", "JSON"}

// optionsOf writes a stage's format, which the server tells as JSON, as a COPY has it.
func optionsOf(told string) string {
	var options map[string]any
	if json.Unmarshal([]byte(told), &options) != nil {
		return told
	}
	var out []string
	for name, value := range options {
		out = append(out, name+" = "+sqltext.Quote(fmt.Sprint(value)))
	}
	return strings.Join(out, " ")
}

// IsRefusal reports whether err is the engine's word about the files of the load, or may be. The fields of a text file, and the rows of an
// Avro file, have the same types in each: what does not fit those is a mistake of the load's text.
func (j *Load) IsRefusal(err error) bool {
	return fault.IsRefusal(err) && !(fault.IsBinding(err) && (slices.Contains(textTypes, j.FileType()) || j.FileType() == "AVRO"))
}

// Misread is an error of a statement over the load's files, with what to write where it names a column and they have none.
func (j *Load) Misread(err error) error {
	m := fault.MissingColumn.FindStringSubmatch(databend.Message(err))
	if m == nil || !databend.IsCode(err, databend.CodeSemantic) || j.Unnamed(m[1]) == "" {
		return err
	}
	out := &fault.Error{
		Load: j.Name, Exit: exit.Failed, Advice: "write " + j.Unnamed(m[1]), Err: err,
		Msg: "files of " + j.FileType() + " have no columns that a SELECT list could name",
	}
	if strings.HasPrefix(m[1], "position ") { // $2 of what has $1 alone
		out.Msg, out.Advice = "in files of "+j.FileType()+" a row is $1 as a whole", "write $1:name for a field of it"
	}
	return out
}

// LastField is the highest position that the select list of a load of CSV or TSV reads; 0 when it reads none.
func (j *Load) LastField() (last int) {
	if !j.ByPosition() {
		return 0
	}
	for _, it := range j.Copy.Select {
		last = max(last, lastField(it.Value))
	}
	return last
}

// lastField is the highest position that an expression reads.
func lastField(expr string) (last int) {
	tokens, _ := sqltext.Scan(expr) // it was read with the rest
	for _, t := range tokens {
		if n, err := strconv.Atoi(strings.TrimPrefix(expr[t.Start:t.End], "$")); err == nil && t.Kind == sqltext.Variable {
			last = max(last, n)
		}
	}
	return last
}

// FieldType is the type that a query has for a field of a text file as it is, $1 or $1:key; "" where expr is no such field.
func (j *Load) FieldType(expr string) string {
	words, _ := sqltext.ReadWords(expr) // it was read with the rest
	switch t := words.Tokens; {
	case len(t) == 0 || t[0].Kind != sqltext.Variable:
		return ""
	case j.FileType() == "NDJSON" && (len(t) == 1 || len(t) == 3 && words.Symbol(1, ":")):
		return "Variant"
	case j.LastField() > 0 && len(t) == 1:
		return "String"
	}
	return ""
}

// Besides is what a query that groups, and reads an expression of a TSV, has to read besides: the server panics where a field is left out
// ahead of the last that is read (1104, on 1.2.895).
func (j *Load) Besides(expr string) (list string) {
	if j.FileType() != "TSV" && j.FileType() != "TEXT" {
		return ""
	}
	for n := range lastField(expr) {
		list += ", count($" + strconv.Itoa(n+1) + ")"
	}
	return list
}

// ReadsKeys reports whether the select list of a load of NDJSON reads keys of its rows, and never a whole row.
func (j *Load) ReadsKeys() (keys bool) {
	for _, it := range j.Copy.Select {
		words, _ := sqltext.ReadWords(it.Value) // it was read with the rest
		for i, t := range words.Tokens {
			if t.Kind != sqltext.Variable {
				continue
			}
			if p := (sqltext.Reader{Words: words, I: i + 1}); !p.TakeSymbol(":") && !p.TakeSymbol("[") {
				return false
			}
			keys = true
		}
	}
	return keys && j.FileType() == "NDJSON"
}
