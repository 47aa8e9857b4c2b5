package savepoint

import (
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

var id = "([`\"\\w.]+)"

var forms = []struct {
	re   *regexp.Regexp
	kind string
	verb []sqltext.Verb
	set  func(*sqltext.Effect)
}{
	{rx(`create or replace (?:transient )?table ID`), "CREATE TABLE", v(sqltext.Replace), as},
	{rx(`create (?:transient )?table if not exists ID`), "CREATE TABLE", v(sqltext.CreateNew), as},
	{rx(`create (?:transient )?table ID`), "CREATE TABLE", v(sqltext.Create), as},
	{rx(`create or replace view ID`), "CREATE VIEW", v(sqltext.Replace), nil},
	{rx(`create view ID`), "CREATE VIEW", v(sqltext.Create), nil},
	{rx(`drop table ID all`), "DROP TABLE ALL", v(sqltext.Drop), data},
	{rx(`drop (?:table|view)(?: if exists)? ID`), "DROP TABLE", v(sqltext.Drop), nil},
	{rx(`undrop table ID`), "UNDROP TABLE", v(sqltext.Undrop), nil},
	{rx(`alter table ID rename to ID`), "ALTER TABLE RENAME", v(sqltext.RenameOut, sqltext.RenameIn), nil},
	{rx(`alter table ID swap with ID`), "ALTER TABLE SWAP", v(sqltext.Swap, sqltext.Swap), nil},
	{rx(`alter table ID (?:un)?set options`), "ALTER TABLE SET OPTIONS", v(sqltext.Alter), def},
	{rx(`alter table ID comment`), "ALTER TABLE COMMENT", v(sqltext.Alter), def},
	{rx(`alter table ID (?:cluster by|drop cluster key)`), "ALTER TABLE CLUSTER BY", v(sqltext.Alter), def},
	{rx(`alter table ID (?:add|drop) constraint`), "ALTER TABLE ADD CONSTRAINT", v(sqltext.Alter), def},
	{rx(`alter table ID (?:add|drop|rename|modify) `), "ALTER TABLE ADD COLUMN", v(sqltext.Alter), cols},
	{rx(`alter view ID`), "ALTER VIEW", v(sqltext.Alter), def},
	{rx(`(?:create|drop) (?:inverted|ngram|vector) index (?:if exists )?\S+ on ID`), "CREATE INVERTED INDEX", v(sqltext.Alter), def},
	{rx(`create aggregating index \S+ as select .* from ID`), "CREATE AGGREGATING INDEX", v(sqltext.Alter), def},
	{rx(`truncate table ID`), "TRUNCATE TABLE", v(sqltext.WriteData), data},
	{rx(`analyze table ID`), "ANALYZE TABLE", v(sqltext.WriteData), nil},
	{rx(`optimize table ID`), "OPTIMIZE TABLE COMPACT", v(sqltext.WriteData), nil},
	{rx(`insert (?:into|overwrite) ID`), "INSERT", v(sqltext.WriteData), dml},
	{rx(`replace into ID`), "REPLACE", v(sqltext.WriteData), dml},
	{rx(`update ID`), "UPDATE", v(sqltext.WriteData), dml},
	{rx(`delete from ID`), "DELETE", v(sqltext.WriteData), dml},
	{rx(`merge into ID`), "MERGE", v(sqltext.WriteData), dml},
	{rx(`copy into ID`), "COPY INTO", v(sqltext.WriteData), dml},
}

func rx(s string) *regexp.Regexp {
	return regexp.MustCompile(`(?is)^` + strings.ReplaceAll(s, "ID", id))
}

func v(vs ...sqltext.Verb) []sqltext.Verb { return vs }

func as(e *sqltext.Effect)   {}
func def(e *sqltext.Effect)  { e.Writes[0].Definition = true }
func cols(e *sqltext.Effect) { e.Writes[0].Columns = true }
func data(e *sqltext.Effect) { e.Writes[0].Data = true }
func dml(e *sqltext.Effect)  { e.Writes[0].Data, e.DML = true, true }

func analyze(s, db string) sqltext.Effect {
	for _, f := range forms {
		m := f.re.FindStringSubmatch(s)
		if m == nil {
			continue
		}
		e := sqltext.Effect{Kind: f.kind}
		for i, verb := range f.verb {
			d, n := db, strings.Trim(m[i+1], "`\"")
			if p, q, ok := strings.Cut(n, "."); ok {
				d, n = p, q
			}
			w := sqltext.Write{Object: sqltext.Object{Kind: sqltext.Table, Database: d, Name: n}, Verb: verb}
			if f.kind == "CREATE TABLE" && regexp.MustCompile(`(?is)\bas\s+select\b`).MatchString(s) {
				w.Data = true
			}
			e.Writes = append(e.Writes, w)
		}
		if f.set != nil {
			f.set(&e)
		}
		return e
	}
	return sqltext.Effect{Kind: "SELECT"}
}
