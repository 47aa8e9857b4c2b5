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

// planQuery is the one query of a plan. The server joins what is there, what the engine remembers and what the ledger knows, and
// gives each file its State; files with nothing to do come as one row per state, so that a plan's size is that of its work.
type planQuery struct {
	job      *job
	ledger   string   // qualified name; "" when there is none yet
	scope    string   // condition on the ledger's rows
	prefixes []string // of the names to look at, below the stage root
	glob     string   // regular expression of --path over whole names; "" all
	force    bool     // every file of glob is to be loaded
	verbose  bool     // a row per file, whatever its state
	brief    bool     // a row per state, whatever it is
}

// The columns of the query's rows, in order.
const (
	colState  = iota
	colForce  // "1": the engine remembers the file, only FORCE loads it
	colEngine // "1": loaded past us
	colPath
	colFiles
	colBytes
	colETag
	colMtime
	colOldSize
	colOldETag
	colOldAt
	colRows
	colChecksum
	colError
	colURL // of the header row only, as the following
	colTableID
	colTableRows
	colLedger // "1": the ledger knows something of this table
	planColumns
)

func (q planQuery) sql() string { return q.with() + q.grouped() }

// with is the query's CTEs; f has one row per file.
func (q planQuery) with() string {
	var b strings.Builder
	s, id := sqltext.Quote, sqltext.Ident
	j := q.job
	b.WriteString("WITH t AS (SELECT to_string(table_id) AS id, coalesce(num_rows, 0) AS n FROM system.tables WHERE database=" + s(j.database) + " AND name=" + s(j.table) + "),\n")
	b.WriteString("s AS (SELECT coalesce(max(url), " + s("@"+j.Copy.Stage+"/") + ") AS url FROM system.stages WHERE name=" + s(j.Copy.Stage) + "),\n")

	// What is there.
	lists := make([]string, len(q.prefixes))
	for i, p := range q.prefixes {
		lists[i] = "SELECT name, size, coalesce(md5, '') AS etag, last_modified AS mtime FROM LIST_STAGE(location=>" + s("@"+j.Copy.Stage+"/"+p) + ")" +
			q.where("name", nil)
	}
	b.WriteString("l AS (" + strings.Join(lists, " UNION ALL ") + "),\n")

	// What the engine remembers. Of a table with copy_dedup_full_path the names are whole URLs.
	b.WriteString("h AS (SELECT name, size, etag, mtime FROM (SELECT if(left(file_name, length(url))=url, substr(file_name, length(url)+1), file_name) AS name, " +
		"content_length AS size, coalesce(etag, '') AS etag, to_string(last_modified) AS mtime FROM copy_history(" + s(j.target) + "), s)" +
		q.where("name", q.prefixes) + "),\n")

	// What the ledger knows: its last word on each path, of this stage and of others.
	if q.ledger == "" {
		b.WriteString("g AS (SELECT '' AS path, ('', 0, '', '', 0, now(), '', '', '', '') AS v, 0 AS other, ('', '') AS theirs FROM t WHERE false),\nk AS (SELECT 0 AS n),\n")
	} else {
		scope := q.scope + " AND " + id(state.ColTableID) + "=(SELECT id FROM t) AND " + id(state.ColState) + "<>" + s(state.FileBegin)
		b.WriteString("g AS (SELECT " + id(state.ColPath) + " AS path, arg_max_if((" + strings.Join([]string{
			id(state.ColState), id(state.ColSize), id(state.ColETag), id(state.ColMtime), id(state.ColRows), id(state.ColAt), id(state.ColChecksum), id(state.ColError), id(state.ColReason), id(state.ColSource),
		}, ", ") + "), (" + id(state.ColAt) + ", " + id(state.ColEventID) + "), " + id(state.ColStageURL) + "=url) AS v, " +
			"count_if(" + id(state.ColStageURL) + "=url) AS mine, count_if(" + id(state.ColStageURL) + "<>url AND " + id(state.ColState) + "=" + s(state.FileLoaded) + ") AS other, " +
			"arg_max_if((to_string(" + id(state.ColSize) + "), " + id(state.ColETag) + "), " + id(state.ColAt) + ", " + id(state.ColStageURL) + "<>url AND " + id(state.ColState) + "=" + s(state.FileLoaded) + ") AS theirs " +
			"FROM " + q.ledger + ", s" + q.where(id(state.ColPath), q.prefixes, scope) + " GROUP BY 1 HAVING mine + other > 0),\n")
		b.WriteString("k AS (SELECT count(*) AS n FROM (SELECT 1 FROM " + q.ledger + " WHERE " + scope + " LIMIT 1)),\n")
	}

	matches := j.matches("path")
	b.WriteString("m AS (SELECT coalesce(l.name, h.name, g.path) AS path, l.name IS NOT NULL AS here, h.name IS NOT NULL AS remembered, coalesce(g.v.1, '') AS word, " +
		"coalesce(l.size, h.size, g.v.2) AS size, coalesce(l.etag, h.etag, g.v.3) AS etag, coalesce(l.mtime, h.mtime, g.v.4) AS mtime, " +
		"h.size AS hsize, h.etag AS hetag, g.v.2 AS gsize, g.v.3 AS getag, coalesce(g.v.5, 0) AS grows, g.v.6 AS gat, g.v.7 AS gsum, g.v.8 AS gerror, g.v.9 AS greason, g.v.10 AS gsource, " +
		"coalesce(" + same("l", "h.size", "h.etag", "h.mtime") + ", false) AS as_remembered, coalesce(" + same("l", "g.v.2", "g.v.3", "g.v.4") + ", false) AS as_known, " +
		"coalesce(g.other, 0)>0 AND coalesce(g.theirs.1=to_string(h.size) AND left(g.theirs.2, length(h.etag))=h.etag, false) AS theirs " +
		"FROM l FULL OUTER JOIN h ON h.name=l.name FULL OUTER JOIN g ON g.path=coalesce(l.name, h.name)),\n")

	gone := "(SELECT n FROM t)=0"
	b.WriteString("c AS (SELECT *, CASE\n" +
		"WHEN NOT here THEN if(word IN ('loaded', 'failed') OR (word='' AND remembered AND NOT theirs), 'vanished', '')\n" +
		"WHEN NOT (" + matches + ") THEN 'ignored'\n" +
		"WHEN word='quarantined' AND " + boolean(!q.force) + " THEN 'quarantined'\n" +
		"WHEN size=0 THEN 'unfinished'\n" +
		"WHEN " + boolean(q.force) + " THEN 'new'\n" +
		"WHEN word IN ('new', 'undone') THEN 'new'\n" +
		"WHEN word='failed' THEN if(remembered AND as_remembered AND NOT theirs, 'loaded', if(as_known, 'failed', 'new'))\n" +
		"WHEN word='loaded' AND NOT as_known THEN if(remembered AND as_remembered AND NOT theirs, 'loaded', 'changed')\n" +
		"WHEN word='loaded' AND grows=0 THEN if(remembered, 'loaded', 'expired')\n" + // nothing of it could be missing from the table
		"WHEN word='loaded' AND (" + gone + " OR (NOT remembered AND gsource='dbctl' AND gat > date_sub(hour, (SELECT to_int64(value) FROM system.settings WHERE name='load_file_metadata_expire_hours'), now()))) THEN 'emptied'\n" +
		"WHEN word='loaded' THEN if(remembered, 'loaded', 'expired')\n" +
		"WHEN remembered AND (hsize=0 OR theirs) THEN 'new'\n" +
		"WHEN remembered AND as_remembered THEN if(" + gone + ", 'emptied', 'loaded')\n" +
		"WHEN remembered THEN 'changed'\n" +
		"ELSE 'new' END AS st,\n" +
		// Loaded past us: the engine's record is newer than the ledger's word, or there is no word.
		"remembered AND NOT theirs AND hsize>0 AND (word='' OR (word IN ('failed', 'loaded') AND here AND as_remembered AND NOT as_known) OR (word='failed' AND here AND as_remembered)) AS past_us FROM m),\n")
	b.WriteString("f AS (SELECT st, remembered AND st IN ('new', 'changed') AS force, past_us AND st IN ('loaded', 'emptied', 'changed', 'vanished') AS engine, " +
		"path, size, etag, mtime, coalesce(if(word='', hsize, gsize), 0) AS old_size, coalesce(if(word='', hetag, getag), '') AS old_etag, gat, grows, " +
		"coalesce(gsum, '') AS gsum, coalesce(if(gerror='', greason, gerror), '') AS gerror, hsize, hetag FROM c WHERE st<>'')\n")
	return b.String()
}

// detailed are the states whose files a run touches or names.
const detailed = "'new', 'changed', 'failed', 'unfinished'"

func (q planQuery) grouped() string {
	shown := "if(st IN (" + detailed + "), path, '')"
	switch {
	case q.verbose:
		shown = "path"
	case q.brief:
		shown = "''"
	}
	return "SELECT 'header' AS st, '' AS force, '' AS engine, '' AS p, 0 AS n, 0 AS bytes, '' AS etag, to_string(now()) AS mtime, 0 AS old_size, '' AS old_etag, '' AS old_at, 0 AS nrows, '' AS gsum, '' AS gerror, " +
		"(SELECT url FROM s) AS url, id, to_string(t.n) AS table_rows, to_string((SELECT n FROM k)) AS known FROM t\n" +
		"UNION ALL SELECT st, if(force, '1', ''), if(engine, '1', ''), p, count(*), coalesce(sum(size), 0), any_value(etag), any_value(mtime), any_value(old_size), any_value(old_etag), " +
		"coalesce(to_string(max(gat)), ''), coalesce(sum(greatest(grows, 0)), 0), any_value(gsum), any_value(gerror), '', '', '', '' FROM (SELECT *, " + shown + " AS p FROM f) GROUP BY st, force, engine, p"
}

// insert writes rows about files of the plan into the ledger without bringing them here: the server reads its own query. row has
// what is common to all; where chooses files of f.
func (q planQuery) insert(row state.LedgerRow, project, database, where string) string {
	s := sqltext.Quote
	size, etag, mtime := "size", "etag", "mtime"
	if row.Source == state.SourceEngine { // of a file overwritten since, what was loaded is what the engine recorded
		size, etag, mtime = "hsize", "if(st IN ('loaded', 'emptied'), etag, hetag)", "if(st IN ('loaded', 'emptied'), mtime, '')"
	}
	cols := []struct{ name, value string }{
		{state.ColEventID, "md5(concat(" + s(row.Run+" "+row.State+" ") + ", path))"},
		{state.ColProject, s(project)},
		{state.ColDatabase, s(database)},
		{state.ColRun, s(row.Run)},
		{state.ColAt, "now()"},
		{state.ColTookMS, "0"},
		{state.ColTable, s(row.Table)},
		{state.ColTableID, s(row.TableID)},
		{state.ColStage, s(row.Stage)},
		{state.ColStageURL, s(row.StageURL)},
		{state.ColPath, "path"},
		{state.ColSize, size},
		{state.ColETag, etag},
		{state.ColMtime, mtime},
		{state.ColRows, strconv.FormatInt(row.Rows, 10)},
		{state.ColState, s(row.State)},
		{state.ColSource, s(row.Source)},
		{state.ColLoad, s(row.Load)},
		{state.ColChecksum, s(row.Checksum)},
		{state.ColQueryID, "''"},
		{state.ColError, "''"},
		{state.ColReason, s(row.Reason)},
	}
	names, values := make([]string, len(cols)), make([]string, len(cols))
	for i, c := range cols {
		names[i], values[i] = sqltext.Ident(c.name), c.value
	}
	return "INSERT INTO " + q.ledger + " (" + strings.Join(names, ", ") + ")\n" + q.with() + "SELECT " + strings.Join(values, ", ") + " FROM f WHERE " + where
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

// same is the condition that the listed object is the one with this size, etag and time. The engine keeps 7 characters of an etag;
// a store without etags is compared by time, to the second (a HEAD gives no more).
func same(l, size, etag, mtime string) string {
	return "(" + l + ".size=" + size + " AND if(" + l + ".etag<>'' AND " + etag + "<>'', left(" + l + ".etag, length(" + etag + "))=" + etag + ", left(" + l + ".mtime, 19)=left(" + mtime + ", 19)))"
}

func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
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
