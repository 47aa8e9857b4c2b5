package savepoint

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/google/go-cmp/cmp"
)

// licensed is a server with the kinds for which the embedded engine has no licence: it takes their statements and shows their text.
type licensed struct {
	Conn
	db   string
	have map[string]string // "MASKING POLICY m" → what follows its name
	made int64             // when the stream was, in microseconds
}

var ofALicensedKind = regexp.MustCompile("(?is)^(CREATE|CREATE OR REPLACE|DROP|DESC)\\s+" +
	"(MASKING POLICY|ROW ACCESS POLICY|NOTIFICATION INTEGRATION|TASK|STREAM)\\s+(?:IF (?:NOT )?EXISTS\\s+)?(?:`\\w+`\\.)?`?(\\w+)`?\\s*(.*)$")

func (l *licensed) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	m := ofALicensedKind.FindStringSubmatch(st.SQL)
	switch from, to, renames := strings.Cut(st.SQL, " RENAME TO "); {
	case m == nil && renames && l.have["STREAM "+last(from)] != "":
		l.have["STREAM "+last(to)] = l.have["STREAM "+last(from)]
		delete(l.have, "STREAM "+last(from))
		return databend.Result{}, nil
	case m == nil:
		return l.Conn.Exec(ctx, st)
	case m[1] == "DROP":
		delete(l.have, m[2]+" "+m[3])
	default:
		l.have[m[2]+" "+m[3]], l.made = m[4], time.Now().UnixMicro()
	}
	return databend.Result{}, nil
}

// last is the last name in a text.
func last(text string) string {
	names := strings.Split(strings.Trim(text, "`"), "`")
	return names[len(names)-1]
}

func (l *licensed) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	row := func(values ...string) databend.Row {
		out := make(databend.Row, len(values))
		for i, v := range values {
			out[i] = sql.NullString{String: v, Valid: true}
		}
		return out
	}
	if m := ofALicensedKind.FindStringSubmatch(st.SQL); m != nil {
		text, ok := l.have[m[2]+" "+m[3]]
		if !ok {
			return databend.Result{}, nil
		}
		return databend.Result{Columns: []string{"Name", "Created On", "Body"}, Rows: []databend.Row{row(m[3], "now", text)}}, nil
	}
	if name, ok := strings.CutPrefix(st.SQL, "SHOW TASKS LIKE "); ok {
		res := databend.Result{Columns: []string{"created_on", "name", "definition", "state"}}
		if text, ok := l.have["TASK "+strings.Trim(name, "'")]; ok {
			res.Rows = append(res.Rows, row("now", strings.Trim(name, "'"), text, "Started"))
		}
		return res, nil
	}
	res, err := l.Conn.Query(ctx, st)
	if err == nil && strings.Contains(st.SQL, " from system.streams ") {
		for k, text := range l.have {
			if name, ok := strings.CutPrefix(k, "STREAM "); ok {
				_, at, _ := strings.Cut(text, "SNAPSHOT => '")
				at, _, _ = strings.Cut(at, "'")
				res.Rows = append(res.Rows, row("stream", l.db, name, "77", l.db+".t", "append_only", "", "x/_ss/"+at+"_v4.mpk", "account_admin", fmt.Sprint(l.made), "", ""))
			}
		}
	}
	return res, err
}

// What a migration does to objects of the licensed kinds goes back, by dbctl's own earlier definition; what another session made of them
// stays. Here a server of our own stands in for the licence.
func TestLicensedKinds(t *testing.T) {
	t.Parallel()
	const (
		mask = "CREATE MASKING POLICY m AS (v STRING) RETURNS STRING -> '*'"
		rows = "CREATE ROW ACCESS POLICY r AS (v INT) RETURNS BOOLEAN -> v > 1"
		note = "CREATE NOTIFICATION INTEGRATION n TYPE = WEBHOOK ENABLED = true WEBHOOK = (URL = 'http://127.0.0.1:1')"
		task = "CREATE TASK k WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1"
	)
	other := func(create string) string {
		return strings.Replace(create, "CREATE ", "CREATE OR REPLACE ", 1) + " COMMENT = 'other'"
	}
	tests := map[string]struct{ before, ours, theirs string }{}
	for _, create := range []string{mask, rows, note, task} {
		words := strings.Fields(create)
		name := strings.Join(words[1:slices.IndexFunc(words, func(w string) bool { return len(w) == 1 })+1], " ")
		tests[name+" made"] = struct{ before, ours, theirs string }{"", create, ""}
		tests[name+" replaced"] = struct{ before, ours, theirs string }{create, other(create), ""}
		tests[name+" dropped"] = struct{ before, ours, theirs string }{create, "DROP " + name, ""}
		tests[name+" made, and another's since"] = struct{ before, ours, theirs string }{"", create, other(create)}
		tests[name+" dropped, and another's since"] = struct{ before, ours, theirs string }{create, "DROP " + name, other(create)}
	}
	const stream = "CREATE STREAM st ON TABLE {db}.t AT (SNAPSHOT => '%s') APPEND_ONLY = true"
	at := func(id string) string { return strings.Replace(stream, "%s", strings.Repeat(id, 32), 1) }
	tests["stream made"] = struct{ before, ours, theirs string }{"", at("a"), ""}
	tests["stream read on"] = struct{ before, ours, theirs string }{at("a"), "SELECT * FROM st WITH CONSUME", ""}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tt.before, tt.ours = strings.ReplaceAll(tt.before, "{db}", r.db()), strings.ReplaceAll(tt.ours, "{db}", r.db())
			l := &licensed{Conn: r.conn, db: r.db(), have: map[string]string{}}
			exec := func(statement string) {
				if _, err := l.Exec(t.Context(), databend.Statement{SQL: statement}); statement != "" && err != nil {
					t.Fatal(err)
				}
			}
			exec(tt.before)
			exec("CREATE TABLE " + r.db() + ".t (a INT)")
			was := maps.Clone(l.have)
			e := effect.Analyze(tt.ours, r.db())
			capture := func() catalog.State {
				s, err := catalog.Capture(t.Context(), l, Objects([]effect.Effect{e}))
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			before := capture()
			if strings.HasPrefix(tt.ours, "SELECT") {
				exec(strings.ReplaceAll(tt.before, strings.Repeat("a", 32), strings.Repeat("b", 32))) // what the server does to a stream that is read
			} else {
				exec(tt.ours)
			}
			left := capture()
			exec(tt.theirs)
			theirs := maps.Clone(l.have)
			reached := []blame.Reached{{Effect: e, At: before.At, Left: left, Done: left.At}}
			rep, err := Restore(t.Context(), l, before, reached, Options{Redefine: func(sqltext.Object) ([]databend.Statement, error) {
				return []databend.Statement{{SQL: strings.Replace(tt.before, "CREATE ", "CREATE OR REPLACE ", 1)}}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			want := was
			if tt.theirs != "" {
				want = theirs
			}
			if d := cmp.Diff(want, l.have); d != "" || rep.Clean() != (tt.theirs == "") {
				t.Errorf("%+v\n(-want +got):\n%s", rep.Outcomes, d)
			}
		})
	}
}
