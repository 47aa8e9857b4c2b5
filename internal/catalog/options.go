package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Unsettable options can be taken away again; Databend knows only SET for the others.
var Unsettable = []string{
	"BLOCK_PER_SEGMENT", "ROW_PER_BLOCK", "BLOCK_SIZE_THRESHOLD", "ROW_AVG_DEPTH_THRESHOLD", "FILE_SIZE",
	"DATA_RETENTION_PERIOD_IN_HOURS", "DATA_RETENTION_NUM_SNAPSHOTS_TO_KEEP", "COPY_DEDUP_FULL_PATH",
}

// Chosen reports whether somebody chose an option of a table: ALTER TABLE … SET OPTIONS takes it, and the engine gives it to no table
// by itself.
func Chosen(k, v string) bool {
	neutral, can := Neutral[k]
	return k != "COMPRESSION" && (can && v != neutral || slices.Contains(Unsettable, k) || slices.Contains(lasting, k))
}

// lasting are options that SET OPTIONS takes, and that nothing takes away again.
var lasting = []string{"BLOOM_INDEX_COLUMNS", "BLOOM_INDEX_TYPE", "APPROX_DISTINCT_COLUMNS", "SEGMENT_FORMAT", "ENABLE_AUTO_VACUUM"}

// ColumnLists are the options that name columns of their table, with commas between. The engine writes them anew when one of these columns
// is renamed or dropped, and FLASHBACK takes an option away that names a column which is not there then.
var ColumnLists = []string{"BLOOM_INDEX_COLUMNS", "APPROX_DISTINCT_COLUMNS", "ANALYZE_FREQUENCY_COLUMNS"}

// ListedColumns are the names of columns in one of the ColumnLists, without quotes.
func ListedColumns(value string) []string {
	var out []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.Trim(name, " `\""); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Neutral are the values that mean the same as no value, for options that cannot be taken away.
var Neutral = map[string]string{
	"CHANGE_TRACKING": "false", "ENABLE_SCHEMA_EVOLUTION": "false", "ENABLE_AUTO_ANALYZE": "1",
	"COMPRESSION": "lz4",
}

// Residue reports whether an option is there now only because Databend cannot take it away.
func Residue(k, now string, was map[string]string) bool {
	_, had := was[k]
	return !had && !slices.Contains(Unsettable, k) && now != ""
}

// IndexSQL is what follows the table's name in a statement that makes the index: (cols) k = 'v'. The engine shows names of columns as
// they are, without quotes, and some values in quotes of their own, which it does not take back: index_record='"basic"'.
func IndexSQL(i Index, columns []Column) string {
	listed, options, ok := indexColumns(i.Definition[min(1, len(i.Definition)):], columns)
	if !ok {
		return i.Definition
	}
	words, err := sqltext.ReadWords(options)
	if err != nil {
		return i.Definition
	}
	var edits []sqltext.Edit
	for k, t := range words.Tokens {
		if t.Kind != sqltext.String {
			continue
		}
		value, err := sqltext.Unquote(words.Text(k))
		if err == nil && len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			edits = append(edits, sqltext.Edit{Start: t.Start, End: t.End, Text: sqltext.Quote(value[1 : len(value)-1])})
		}
	}
	for i := range listed {
		listed[i] = sqltext.Ident(listed[i])
	}
	return "(" + strings.Join(listed, ", ") + ")" + sqltext.Apply(options, edits)
}

// Renamed is the index of columns that have other names now.
func (i Index) Renamed(columns []Column, name func(string) string) Index {
	if listed, options, ok := indexColumns(i.Definition[min(1, len(i.Definition)):], columns); ok {
		for k := range listed {
			listed[k] = name(listed[k])
		}
		i.Definition = "(" + strings.Join(listed, ", ") + ")" + options
	}
	return i
}

// indexColumns reads "a, b)k='v'", with the names of the table's columns: a comma or bracket may be part of one.
func indexColumns(text string, columns []Column) (listed []string, options string, ok bool) {
	for _, c := range columns {
		rest, named := strings.CutPrefix(text, c.Name)
		if options, last := strings.CutPrefix(rest, ")"); named && last {
			if _, _, more := cutName(options); more || options == "" {
				return []string{c.Name}, options, true
			}
		}
		if rest, more := strings.CutPrefix(rest, ", "); named && more {
			if listed, options, ok = indexColumns(rest, columns); ok {
				return append([]string{c.Name}, listed...), options, true
			}
		}
	}
	return nil, "", false
}

// readOptions reads a table_option text, " K='v' K2='v2'". Values are not escaped there: one ends where another option, or nothing,
// follows its quote.
func readOptions(text string) map[string]string {
	out := map[string]string{}
	for {
		name, rest, ok := cutName(text)
		if !ok {
			return out
		}
		end := len(rest)
		for i := range len(rest) {
			if rest[i] != '\'' {
				continue
			}
			after := rest[i+1:]
			if _, _, ok := cutName(after); ok && strings.HasPrefix(after, " ") || strings.TrimSpace(after) == "" {
				end = i
				break
			}
		}
		out[strings.ToUpper(name)] = rest[:end]
		text = rest[min(end+1, len(rest)):]
	}
}

// cutName cuts NAME=' off the text.
func cutName(text string) (name, rest string, ok bool) {
	name, rest, ok = strings.Cut(strings.TrimLeft(text, " "), "='")
	for _, c := range name {
		ok = ok && (c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z')
	}
	return name, rest, ok && name != ""
}

// engineOptions are those that the engine keeps for itself: where the newest snapshot is, since when changes are tracked, the kind of
// cluster key, and what ALTER VIEW leaves on a table.
var engineOptions = []string{"SNAPSHOT_LOCATION", "CHANGE_TRACKING_BEGIN_VER", "CLUSTER_TYPE", "QUERY"}

// tableOptions are the options of a table_option text that somebody chose, nil for none.
func tableOptions(text string) map[string]string {
	out := readOptions(text)
	maps.DeleteFunc(out, func(k, _ string) bool { return slices.Contains(engineOptions, k) })
	if len(out) == 0 {
		return nil
	}
	return out
}

// Head is the newest snapshot's id in a table_option text, "" for a table that was never written.
func Head(text string) string { return SnapshotID(readOptions(text)["SNAPSHOT_LOCATION"]) }

// SnapshotID is the id of the snapshot that is stored at a place: …/_ss/h<id>_v4.mpk.
func SnapshotID(location string) string {
	id, _, _ := strings.Cut(location[strings.LastIndexByte(location, '/')+1:], "_v")
	if len(id) == 33 {
		id = strings.TrimPrefix(id, "h")
	}
	if len(id) != 32 {
		return ""
	}
	return id
}
