package load

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// planQuery is the query of a plan about files. The server joins what is there with what the engine remembers, and that with what the
// ledger knows of it: the ledger may hold a hundred times as much, so it is the side that is passed by. Files with nothing to do come
// as one row per kind, so that an answer's size is that of the work; the others come with what is known of them, for classify.
type planQuery struct {
	job      *job
	place    place
	ledger   string   // qualified name
	scope    string   // condition on the ledger's rows
	prefixes []string // of the names to look at, below the stage root
	glob     string   // regular expression of --path over whole names; "" all
	verbose  bool     // a row per file, whatever its kind
	force    bool     // none is boring
	vanished bool     // ask for all that the ledger knows, too: what is not listed has vanished
	rows     bool     // and how many rows those files brought
}

// The columns of the query's rows, in order.
const (
	colKind       = iota // see below
	colRemembered        // "1": the engine remembers the file
	colNothing           // "1": the file brought no rows
	colAge               // full hours since dbctl loaded what the engine forgot; else ageUnknown
	colPath
	colFiles
	colBytes
	colWords // of the listed files: those that the ledger's last word has for loaded or failed
	colKnown // files of which the ledger knows something
	colRows
	colAt        // of the ledger's last word, microseconds
	colListed    // size␟etag␟mtime
	colHistory   // the same, as the engine remembers it
	colLedger    // at␟event␟state␟size␟etag␟mtime␟rows␟checksum␟source␟error; NULL for what is the very object that was loaded
	colElsewhere // the same, of another stage with this path
	planColumns
)

// The kinds of rows.
const (
	kindIgnored = "ignored"
	kindGone    = "gone"   // not in the stage, and known to the engine and the ledger
	kindKnown   = "known"  // all that the ledger has for loaded or failed, listed or not
	kindSame    = "same"   // loaded, and the very object that was
	kindOther   = "decide" // for classify
	sep         = "\x1f"   // between fields: no character of a name
	ageUnknown  = 1000     // an age that no expiry reaches
)

// A row of the ledger about a listed file is first of all a number, its time and these bits: the greatest is the last word, and the
// texts of what is boring need not be put together.
const (
	wordNothing = 1  // no rows came of it
	wordOurs    = 2  // dbctl loaded it
	wordKeeps   = 4  // loaded or failed
	wordOther   = 8  // not loaded, or another object than the one listed
	wordBits    = 16 // what the time is multiplied by
)

func (q planQuery) sql() string {
	s, id := sqltext.Quote, sqltext.Ident
	j, url := q.job, q.place.url
	fields := func(exprs ...string) string { return "concat_ws(" + s(sep) + ", " + strings.Join(exprs, ", ") + ")" }

	var lists []string
	for _, p := range q.prefixes { // what is there
		lists = append(lists, "SELECT name, size, coalesce(md5, '') AS etag, last_modified AS mtime FROM LIST_STAGE(location=>"+s("@"+j.Copy.Stage+"/"+p)+")"+q.where("name", nil))
	}
	// What the engine remembers. Of a table with copy_dedup_full_path the names are whole URLs, and those of other stages are not ours.
	n := strconv.Itoa(utf8.RuneCountInString(url))
	history := "SELECT name, text FROM (SELECT if(file_name LIKE '%://%', if(left(file_name, " + n + ")=" + s(url) + ", substr(file_name, " + n + "+1), NULL), file_name) AS name, " +
		fields("to_string(content_length)", "coalesce(etag, '')", "coalesce(to_string(last_modified), '')") + " AS text FROM copy_history(" + s(j.target) + "))" + q.where("name", q.prefixes, "name IS NOT NULL")
	f := "SELECT coalesce(l.name, h.name) AS path, l.name IS NOT NULL AS here, h.name IS NOT NULL AS remembered, size, etag, mtime, h.text AS h FROM (\n" +
		strings.Join(lists, "\nUNION ALL ") + ") AS l FULL JOIN (" + history + ") AS h ON l.name=h.name"
	files := func(w, g, o, from string) string {
		return "m AS (SELECT f.path, any_value(here) AS here, any_value(remembered) AS remembered, any_value(f.size) AS size, any_value(f.etag) AS etag, any_value(f.mtime) AS mtime, any_value(h) AS h, " +
			w + " AS w, " + g + " AS g, " + o + " AS o FROM " + from + " GROUP BY f.path)"
	}
	m, known := files("NULL::BIGINT", "NULL::STRING", "NULL::STRING", "f"), ""
	if q.place.ledger {
		g := func(column string) string { return "g." + id(column) }
		var columns []string
		for _, c := range []string{
			state.ColPath, state.ColStageURL, state.ColAt, state.ColEventID, state.ColState, state.ColSize, state.ColETag, state.ColMtime, state.ColRows, state.ColChecksum, state.ColSource, state.ColError, state.ColReason,
		} {
			columns = append(columns, id(c))
		}
		from := " FROM " + q.ledger + q.where(id(state.ColPath), q.prefixes, q.scope, id(state.ColState)+"<>"+s(state.FileBegin), id(state.ColTableID)+"="+s(q.place.tableID))
		mine := g(state.ColStageURL) + "=" + s(url)
		same := "coalesce(" + g(state.ColState) + "=" + s(state.FileLoaded) + " AND " + g(state.ColSize) + "=f.size AND " + g(state.ColETag) + "=f.etag AND " + g(state.ColMtime) + "=f.mtime, false)"
		if q.force {
			same = "false"
		}
		word := wordNumber(g(state.ColAt), "NOT "+same, kept(g(state.ColState)), g(state.ColSource)+"="+s(state.SourceDBCTL), g(state.ColRows)+"=0")
		text := fields("to_string(to_int64("+g(state.ColAt)+"))", g(state.ColEventID), g(state.ColState), "to_string("+g(state.ColSize)+")", g(state.ColETag), g(state.ColMtime), "to_string("+g(state.ColRows)+")",
			"if("+g(state.ColState)+"="+s(state.FileFailed)+", "+g(state.ColChecksum)+", '')", g(state.ColSource),
			"if("+g(state.ColState)+"="+s(state.FileLoaded)+", '', if("+g(state.ColError)+"='', "+g(state.ColReason)+", "+g(state.ColError)+"))")
		m = files("max_if("+word+", "+mine+")", "max_if("+text+", "+mine+" AND NOT "+same+")", "max_if("+text+", NOT "+mine+")",
			"f LEFT JOIN (SELECT "+strings.Join(columns, ", ")+from+") AS g ON f.path="+g(state.ColPath))
		if q.vanished {
			known = q.known(from + " AND " + id(state.ColStageURL) + "=" + s(url))
		}
	}

	kind := "CASE WHEN NOT here THEN if(w IS NULL, " + s(kindOther) + ", " + s(kindGone) + ")" +
		" WHEN NOT (" + j.matches("path") + ") THEN " + s(kindIgnored) +
		" WHEN w IS NOT NULL AND NOT " + has(wordOther) + " THEN " + s(kindSame) + " ELSE " + s(kindOther) + " END"
	shown := "if(kind=" + s(kindOther) + ", path, '')"
	if q.verbose {
		shown = "path"
	}
	same := "kind=" + s(kindSame)
	shownText := func(x string) string { return "any_value(if(p='', NULL, " + x + "))" } // what is counted brings no texts along
	return "WITH f AS (" + f + "),\n" + m + ",\n" +
		"k AS (SELECT *, " + kind + " AS kind FROM m),\n" +
		"x AS (SELECT *, if(" + same + " AND NOT remembered AND " + has(wordOurs) + ", least((to_int64(now())-w DIV " + itoa(wordBits) + ") DIV 3600000000, " + itoa(ageUnknown) + "), " + itoa(ageUnknown) + ") AS age, " +
		same + " AND " + has(wordNothing) + " AS nothing, " + shown + " AS p FROM k)\n" +
		"SELECT kind, if(remembered, '1', '') AS r, if(nothing, '1', '') AS z, age, p, count(*), coalesce(sum(size), 0), count_if(here AND " + has(wordKeeps) + "), count(w), 0, 0, " +
		shownText("if(here, "+fields("to_string(size)", "etag", "mtime")+", NULL)") + ", " + shownText("h") + ", " + shownText("g") + ", " + shownText("o") + " FROM x GROUP BY kind, r, z, age, p" + known
}

// known is the part of the query that counts, of all that the ledger has about the load's names, what its last word has for loaded or
// failed. That may be a hundred times what is listed: it groups numbers.
func (q planQuery) known(from string) string {
	s, id := sqltext.Quote, sqltext.Ident
	path, rows := "''", "0"
	if q.verbose {
		path = "path"
	}
	if q.rows {
		rows = "arg_max(" + id(state.ColRows) + ", " + id(state.ColAt) + ")"
	}
	return "\nUNION ALL SELECT " + s(kindKnown) + ", '', '', 0, p, count(*), 0, 0, 1, sum(greatest(n, 0)), max(w) DIV " + itoa(wordBits) + ", NULL, NULL, NULL, NULL FROM (SELECT " + path + " AS p, n, w FROM (" +
		"SELECT " + id(state.ColPath) + " AS path, max(" + wordNumber(id(state.ColAt), "", kept(id(state.ColState)), "", "") + ") AS w, " + rows + " AS n" + from + " GROUP BY 1) WHERE " + has(wordKeeps) + ") GROUP BY p"
}

// wordNumber is a row of the ledger as a number.
func wordNumber(at, other, keeps, ours, nothing string) string {
	sum := "to_int64(" + at + ")*" + itoa(wordBits)
	for i, cond := range []string{nothing, ours, keeps, other} {
		if cond != "" {
			sum += "+if(" + cond + ", " + itoa(1<<i) + ", 0)"
		}
	}
	return sum
}

func has(bit int) string { return "bit_and(w, " + itoa(bit) + ")>0" }

func kept(st string) string {
	return "(" + st + "=" + sqltext.Quote(state.FileLoaded) + " OR " + st + "=" + sqltext.Quote(state.FileFailed) + ")"
}

// where restricts a list of names to prefixes, to --path and to further conditions.
func (q planQuery) where(column string, prefixes []string, more ...string) string {
	var conds []string
	if len(prefixes) > 0 && (len(prefixes) > 1 || prefixes[0] != "") {
		var any []string
		for _, p := range prefixes {
			any = append(any, below(column, p))
		}
		conds = append(conds, "("+strings.Join(any, " OR ")+")")
	}
	if q.glob != "" {
		conds = append(conds, "regexp_like("+column+", "+sqltext.Quote(q.glob)+", 'c')")
	}
	conds = append(conds, more...)
	if len(conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conds, " AND ")
}

// below is the condition that column begins with prefix, as a range of bytes: that prunes blocks.
func below(column, prefix string) string {
	if prefix == "" {
		return "true"
	}
	s := sqltext.Quote
	if last := prefix[len(prefix)-1]; last < 0x7e {
		return "(" + column + ">=" + s(prefix) + " AND " + column + "<" + s(prefix[:len(prefix)-1]+string(rune(last+1))) + ")"
	}
	return "(" + column + ">=" + s(prefix) + " AND left(" + column + ", " + strconv.Itoa(utf8.RuneCountInString(prefix)) + ")=" + s(prefix) + ")"
}

// matches is the condition that a path below the stage root is one of the load's.
func (j *job) matches(path string) string {
	rest := "substr(" + path + ", " + strconv.Itoa(utf8.RuneCountInString(j.prefix)+1) + ")"
	cond := "(" + rest + "='' OR regexp_like(" + rest + ", " + sqltext.Quote("^(?:"+j.pattern+")$") + ", 'c'))"
	if j.files != nil {
		cond += " AND " + path + " IN (" + quoted(slices.Sorted(maps.Keys(j.files))) + ")"
	}
	return cond
}

// list is the load's files that hold something, without what is known of them.
func (q planQuery) list() string {
	return "SELECT name, last_modified FROM LIST_STAGE(location=>" + q.job.location() + ")" + q.where("name", nil, "size>0", q.job.matches("name"))
}
