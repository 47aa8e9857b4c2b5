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
	// What the ledger has about that, by path: w the last word as a number, g and o the words of this stage and of others.
	words, known := "j AS (SELECT *, NULL::BIGINT AS w, NULL::STRING AS word, true AS mine, false AS same FROM f)", ""
	if q.place.ledger {
		ledger := " FROM " + q.ledger + q.where(id(state.ColPath), q.prefixes, q.scope, id(state.ColState)+"<>"+s(state.FileBegin), id(state.ColTableID)+"="+s(q.place.tableID))
		here := " AND " + id(state.ColStageURL) + "=" + s(url)
		same := "st=" + s(state.FileLoaded) + " AND gsize=size AND getag=etag AND gmtime=mtime"
		if q.force {
			same = "false"
		}
		words = "g AS (SELECT " + id(state.ColPath) + " AS gpath, " + id(state.ColStageURL) + "=" + s(url) + " AS mine, " + id(state.ColAt) + " AS said, " + id(state.ColEventID) + " AS event, " + id(state.ColState) + " AS st, " +
			id(state.ColSize) + " AS gsize, " + id(state.ColETag) + " AS getag, " + id(state.ColMtime) + " AS gmtime, " + id(state.ColRows) + " AS n, " + id(state.ColChecksum) + " AS basis, " + id(state.ColSource) + " AS source, " +
			id(state.ColError) + " AS error, " + id(state.ColReason) + " AS reason" + ledger + "),\n" +
			"b AS (SELECT *, coalesce(" + same + ", false) AS same FROM f LEFT JOIN g ON path=gpath),\n" +
			"j AS (SELECT *, " + wordNumber("said", "NOT same", kept("st"), "source="+s(state.SourceDBCTL), "n=0") + " AS w, " +
			fields("to_string(to_int64(said))", "event", "st", "to_string(gsize)", "getag", "gmtime", "to_string(n)", "if(st="+s(state.FileFailed)+", basis, '')", "source", "if(st="+s(state.FileLoaded)+", '', if(error='', reason, error))") +
			" AS word FROM b)"
		if q.vanished {
			known = q.known(ledger + here)
		}
	}

	kind := "CASE WHEN NOT here THEN if(w IS NULL, " + s(kindOther) + ", " + s(kindGone) + ") WHEN NOT (" + j.matches("path") + ") THEN " + s(kindIgnored) +
		" WHEN NOT " + has(wordOther) + " THEN " + s(kindSame) + " ELSE " + s(kindOther) + " END"
	is := func(kind string) string { return "kind=" + s(kind) }
	shown, named := is(kindOther), "if("+is(kindOther)+", path, '')"
	if q.verbose {
		shown, named = "true", "path"
	}
	text := func(x string) string { return "any_value(if(" + shown + ", " + x + ", NULL))" } // what is counted brings none along
	return "WITH f AS (" + f + "),\n" + words + ",\n" +
		"m AS (SELECT path, any_value(here) AS here, any_value(remembered) AS remembered, any_value(size) AS size, any_value(etag) AS etag, any_value(mtime) AS mtime, any_value(h) AS h, " +
		"max_if(w, mine) AS w, max_if(word, mine AND NOT same) AS g, max_if(word, NOT mine) AS o FROM j GROUP BY path),\n" +
		"k AS (SELECT *, " + kind + " AS kind FROM m)\n" +
		"SELECT kind, if(remembered, '1', '') AS r, if(" + is(kindSame) + " AND " + has(wordNothing) + ", '1', '') AS z, " +
		"if(" + is(kindSame) + " AND NOT remembered AND " + has(wordOurs) + ", least((to_int64(now())-" + wordTime("w") + ") DIV 3600000000, " + itoa(ageUnknown) + "), " + itoa(ageUnknown) + ") AS age, " +
		named + " AS p, count(*), coalesce(sum(size), 0), count_if(here AND " + has(wordKeeps) + "), count(w), 0, 0, " +
		text("if(here, "+fields("to_string(size)", "etag", "mtime")+", NULL)") + ", " + text("h") + ", " + text("g") + ", " + text("o") + " FROM k GROUP BY kind, r, z, age, p" + known
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
	return "\nUNION ALL SELECT " + s(kindKnown) + ", '', '', 0, p, count(*), 0, 0, 1, sum(greatest(n, 0)), " + wordTime("max(w)") + ", NULL, NULL, NULL, NULL FROM (SELECT " + path + " AS p, n, w FROM (" +
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

// wordTime is when a word was said, in microseconds.
func wordTime(w string) string { return "bit_shift_right(" + w + ", 4)" }

// has is the condition that the number w has a bit; NULL without a word. (DIV would go through a float, which has too few bits.)
func has(bit int) string { return "bit_and(w, " + itoa(bit) + ")>0" }

// kept is the condition that a state says that the file was tried: its word stays when the file has vanished.
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
		conds = append(conds, "regexp_like("+column+", "+literal(q.glob)+", 'c')")
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
