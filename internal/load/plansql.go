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

// planQuery is the one query of a plan. The server lays what is there, what the engine remembers and what the ledger knows end to
// end and groups it by path (joins would take it ten times as long to plan as to run). Files with nothing to do come as one row per
// kind, so that an answer's size is that of the work; the others come with what is known of them, for classify.
type planQuery struct {
	job      *job
	ledger   string   // qualified name; "" when there is none yet
	scope    string   // condition on the ledger's rows
	prefixes []string // of the names to look at, below the stage root
	glob     string   // regular expression of --path over whole names; "" all
	verbose  bool     // a row per file, whatever its kind
	force    bool     // none is boring
	vanished bool     // ask for all that the ledger knows, too: what is not listed has vanished
}

// The columns of the query's rows, in order.
const (
	colKind       = iota // see below
	colRemembered        // "1": the engine remembers the file
	colWord              // the ledger's last word
	colNothing           // "1": it brought no rows
	colAge               // full hours since dbctl loaded what the engine forgot; else ageUnknown
	colPath
	colFiles
	colBytes
	colRows
	colAt        // of the ledger's last word, microseconds
	colListed    // ␟size␟etag␟mtime
	colHistory   // the same, as the engine remembers it
	colLedger    // at␟event␟state␟size␟etag␟mtime␟rows␟checksum␟source␟error
	colElsewhere // the same, of another stage with this path
	colKnown     // "1": the ledger knows one of them
	planColumns
)

// The kinds of rows.
const (
	kindHeader  = "header"
	kindIgnored = "ignored"
	kindGone    = "gone"   // not in the stage, and known to the engine and the ledger
	kindKnown   = "known"  // all that the ledger has for loaded or failed, listed or not
	kindSame    = "same"   // loaded, and the very object that was
	kindOther   = "decide" // for classify
	sep         = "\x1f"   // between fields: no character of a name
	ageUnknown  = 1000     // an age that no expiry reaches
	headerPath  = "\x1e"   // begins the paths of the header: 1 table id, rows, server's clock; 2 stage URL; 3 hours that the engine remembers
)

func (q planQuery) sql() string {
	s, id := sqltext.Quote, sqltext.Ident
	j := q.job
	url := "coalesce((SELECT url FROM system.stages WHERE name=" + s(j.Copy.Stage) + "), " + s("@"+j.Copy.Stage+"/") + ")" // internal stages have none
	target := " FROM system.tables WHERE database=" + s(j.database) + " AND name=" + s(j.table)
	fields := func(exprs ...string) string { return "concat_ws(" + s(sep) + ", " + strings.Join(exprs, ", ") + ")" }

	var parts []string
	for _, p := range q.prefixes { // 1: what is there
		parts = append(parts, "SELECT name AS path, 1 AS src, "+fields("''", "to_string(size)", "coalesce(md5, '')", "last_modified")+" AS x FROM LIST_STAGE(location=>"+s("@"+j.Copy.Stage+"/"+p)+")"+q.where("name", nil))
	}
	// 2: what the engine remembers. Of a table with copy_dedup_full_path the names are whole URLs.
	parts = append(parts, "SELECT name, 2, x FROM (SELECT if(file_name LIKE '%://%', substr(file_name, length("+url+")+1), file_name) AS name, "+
		fields("''", "to_string(content_length)", "coalesce(etag, '')", "coalesce(to_string(last_modified), '')")+" AS x FROM copy_history("+s(j.target)+"))"+q.where("name", q.prefixes))
	parts = append(parts, // the header: three values, each under a path of its own
		"SELECT "+s(headerPath+"1")+", 1, "+fields("to_string(table_id)", "to_string(coalesce(num_rows, 0))", "to_string(now())")+target,
		"SELECT "+s(headerPath+"2")+", 1, "+url,
		"SELECT "+s(headerPath+"3")+", 1, value FROM system.settings WHERE name='load_file_metadata_expire_hours'")

	field := func(x string, n int) string { return "split_part(" + x + ", " + s(sep) + ", " + strconv.Itoa(n) + ")" }
	kind := "CASE WHEN left(path, 1)=" + s(headerPath) + " THEN " + s(kindHeader) +
		" WHEN l IS NULL THEN if(g IS NULL AND h IS NOT NULL, " + s(kindOther) + ", " + s(kindGone) + ")" +
		" WHEN NOT (" + j.matches("path") + ") THEN " + s(kindIgnored) +
		" WHEN " + strconv.FormatBool(!q.force) + " AND position(concat(" + s(sep+state.FileLoaded) + ", l) IN g)>0 THEN " + s(kindSame) + " ELSE " + s(kindOther) + " END"
	shown := "if(kind IN (" + s(kindOther) + ", " + s(kindHeader) + "), path, '')"
	if q.verbose {
		shown = "path"
	}
	// What the ledger knows, of this stage and of others, is joined to that: it may hold a hundred times as much.
	texts := func(cond string) string { return "NULL::STRING" }
	join, known := "", ""
	if q.ledger != "" {
		word := fields("to_string(to_int64("+id(state.ColAt)+"))", id(state.ColEventID), id(state.ColState), "to_string("+id(state.ColSize)+")", id(state.ColETag), id(state.ColMtime), "to_string("+id(state.ColRows)+")",
			"if("+id(state.ColState)+"="+s(state.FileFailed)+", "+id(state.ColChecksum)+", '')", id(state.ColSource),
			"if("+id(state.ColState)+"="+s(state.FileLoaded)+", '', if("+id(state.ColError)+"='', "+id(state.ColReason)+", "+id(state.ColError)+"))")
		texts = func(cond string) string { return "max_if(" + word + ", " + cond + ")" }
		columns := []string{
			id(state.ColAt), id(state.ColEventID), id(state.ColState), id(state.ColSize), id(state.ColETag), id(state.ColMtime), id(state.ColRows),
			id(state.ColChecksum), id(state.ColSource), id(state.ColError), id(state.ColReason),
		}
		from := " FROM " + q.ledger + q.where(id(state.ColPath), q.prefixes, q.scope, id(state.ColState)+"<>"+s(state.FileBegin), id(state.ColTableID)+"=(SELECT to_string(table_id)"+target+")")
		join = " LEFT JOIN (SELECT " + id(state.ColPath) + " AS gpath, " + strings.Join(columns, ", ") + ", " + id(state.ColStageURL) + "=" + url + " AS mine" + from + ") ON path=gpath"
		if q.vanished {
			p := "''"
			if q.verbose {
				p = "path"
			}
			known = "\nUNION ALL SELECT " + s(kindKnown) + ", '', '', '', 0, p, count(*), 0, sum(greatest(n, 0)), max(a), NULL, NULL, NULL, NULL, '1' FROM (SELECT " + p + " AS p, n, a FROM (SELECT " + id(state.ColPath) + " AS path, " +
				"arg_max(" + id(state.ColState) + ", " + id(state.ColAt) + ") AS w, arg_max(" + id(state.ColRows) + ", " + id(state.ColAt) + ") AS n, max(to_int64(" + id(state.ColAt) + ")) AS a" +
				from + " AND " + id(state.ColStageURL) + "=" + url + " GROUP BY 1) WHERE w IN (" + s(state.FileLoaded) + ", " + s(state.FileFailed) + ")) GROUP BY p"
		}
	}

	// What is counted brings no texts along.
	shownText := func(x string) string { return "if(p='', NULL, " + x + ")" }
	return "WITH u AS (\n" + strings.Join(parts, "\nUNION ALL ") + "),\n" +
		"m AS (SELECT path, max_if(x, src=1) AS l, max_if(x, src=2) AS h, " + texts("mine") + " AS g, " + texts("NOT mine") + " AS o FROM u" + join + " GROUP BY path),\n" +
		"k AS (SELECT *, " + kind + " AS kind, " + field("g", 3) + " AS word, to_int64(" + field("g", 7) + ") AS nrows, to_int64(" + field("g", 1) + ") AS word_at FROM m),\n" +
		"f AS (SELECT *, if(kind=" + s(kindSame) + " AND h IS NULL AND " + field("g", 9) + "=" + s(state.SourceDBCTL) + ", least((to_int64(now())-word_at) DIV 3600000000, " + strconv.Itoa(ageUnknown) + "), " + strconv.Itoa(ageUnknown) + ") AS age, " +
		"if(kind IN (" + s(kindGone) + ", " + s(kindHeader) + "), 0, to_int64(" + field("l", 2) + ")) AS size, " + shown + " AS p FROM k)\n" +
		"SELECT kind, if(h IS NULL, '', '1') AS remembered, coalesce(word, '') AS word, if(nrows=0, '1', '') AS nothing, age, p, count(*), coalesce(sum(size), 0), coalesce(sum(greatest(nrows, 0)), 0), max(word_at), " +
		"max(" + shownText("l") + "), max(" + shownText("h") + "), max(" + shownText("g") + "), max(" + shownText("o") + "), if(count(g)=0, '', '1') FROM f GROUP BY kind, remembered, word, nothing, age, p" + known
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

// below is the condition that column begins with prefix: as a range, which prunes blocks, and exactly.
func below(column, prefix string) string {
	if prefix == "" {
		return "true"
	}
	s := sqltext.Quote
	cond := column + ">=" + s(prefix) + " AND left(" + column + ", " + strconv.Itoa(utf8.RuneCountInString(prefix)) + ")=" + s(prefix)
	if last := prefix[len(prefix)-1]; last < 0x7e {
		cond += " AND " + column + "<" + s(prefix[:len(prefix)-1]+string(rune(last+1)))
	}
	return "(" + cond + ")"
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
