package local_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// conn speaks /v1/query itself, to see what a driver hides.
type conn struct {
	t       *testing.T
	e       *databendtest.Env
	session json.RawMessage
	cookie  string
	page    int // max_rows_per_page
}

type column struct{ Name, Type string }

type answer struct {
	ID      string
	State   string
	Session *struct {
		Database string
		Settings map[string]string
		TxnState string `json:"txn_state"`
	}
	Error *struct {
		Code    int
		Message string
	}
	Schema   []column
	Data     [][]*string
	Settings map[string]string
	NextURI  string `json:"next_uri"`
	KillURI  string `json:"kill_uri"`
}

func connect(t *testing.T, e *databendtest.Env) *conn {
	session, _ := json.Marshal(map[string]any{"database": e.Database})
	return &conn{t: t, e: e, session: session, cookie: uuid.NewString()}
}

// send does one HTTP request; the status is 0 when the connection was cut.
func (c *conn) send(method, path, id string, body any) (int, []byte) {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequest(method, fmt.Sprintf("http://%s:%d%s", c.e.Config.Host, c.e.Config.Port, path), bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.e.Config.User, c.e.Config.Password.Reveal())
	r.Header.Set("Cookie", "session_id="+c.cookie)
	if id != "" {
		r.Header.Set("X-DATABEND-QUERY-ID", id)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, text
}

// post sends a statement and returns the first answer, waiting at most wait seconds for it.
func (c *conn) post(id, sql string, wait float64) (answer, error) {
	c.t.Helper()
	pagination := map[string]any{"wait_time_secs": wait}
	if c.page > 0 {
		pagination["max_rows_per_page"] = c.page
	}
	status, text := c.send(http.MethodPost, "/v1/query", id, map[string]any{"sql": sql, "session": c.session, "pagination": pagination})
	return c.read(status, text)
}

func (c *conn) read(status int, text []byte) (answer, error) {
	var a answer
	if status != http.StatusOK {
		return a, fmt.Errorf("HTTP %d %s", status, text)
	}
	var raw struct{ Session json.RawMessage }
	if err := errors.Join(json.Unmarshal(text, &a), json.Unmarshal(text, &raw)); err != nil {
		return a, err
	}
	if a.Session != nil {
		c.session = raw.Session
	}
	return a, nil
}

// run runs a statement to its end and returns the last answer with the rows of all pages.
func (c *conn) run(sql string) answer {
	c.t.Helper()
	a, err := c.post("", sql, 10)
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	return c.rest(a)
}

// rest follows the pages of an answer.
func (c *conn) rest(a answer) answer {
	c.t.Helper()
	for !strings.HasSuffix(a.NextURI, "/final") && a.NextURI != "" {
		next, err := c.read(c.send(http.MethodGet, a.NextURI, "", nil))
		if err != nil {
			c.t.Fatal(err)
		}
		next.Data = append(a.Data, next.Data...)
		a = next
	}
	return a
}

func (a answer) code() int {
	if a.Error == nil {
		return 0
	}
	return a.Error.Code
}

// cell is the first cell.
func (a answer) cell() string {
	switch {
	case a.Error != nil:
		return fmt.Sprintf("error %d", a.Error.Code)
	case len(a.Data) == 0:
		return "no row"
	case a.Data[0][0] == nil:
		return "NULL"
	}
	return *a.Data[0][0]
}

// script runs statements and compares each one's outcome: "" is success, "error N" that code, anything else its first cell.
func (c *conn) script(steps ...[2]string) {
	c.t.Helper()
	for _, s := range steps {
		got := c.run(s[0])
		switch {
		case s[1] == "":
			if got.Error != nil {
				c.t.Errorf("%s: %d %s", s[0], got.Error.Code, got.Error.Message)
			}
		case got.cell() != s[1]:
			c.t.Errorf("%s: %s, want %s", s[0], got.cell(), s[1])
		}
	}
}

// embedded skips what only the front of the embedded engine can show.
func embedded(t *testing.T) *databendtest.Env {
	t.Helper()
	e := databendtest.New(t)
	if !e.Embedded {
		t.Skip("needs the embedded engine")
	}
	return e
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	c, other := connect(t, e), connect(t, e)
	c.script(
		[2]string{"CREATE TABLE t (a INT)", ""},
		[2]string{"BEGIN", ""},
		[2]string{"INSERT INTO t VALUES (1)", "1"},
		[2]string{"SELECT count(*) FROM t", "1"},
	)
	other.script([2]string{"SELECT count(*) FROM t", "0"})
	c.script([2]string{"ROLLBACK", ""}, [2]string{"SELECT count(*) FROM t", "0"})

	// DDL and TRUNCATE commit first.
	c.script(
		[2]string{"BEGIN", ""}, [2]string{"INSERT INTO t VALUES (2)", "1"}, [2]string{"CREATE TABLE t2 (a INT)", ""},
		[2]string{"ROLLBACK", ""}, [2]string{"SELECT count(*) FROM t", "1"},
		[2]string{"BEGIN", ""}, [2]string{"INSERT INTO t2 VALUES (1)", "1"}, [2]string{"TRUNCATE TABLE t", ""},
		[2]string{"ROLLBACK", ""}, [2]string{"SELECT count(*) FROM t2", "1"}, [2]string{"SELECT count(*) FROM t", "0"},
	)
	// DDL that fails by its names has committed, by its syntax it has not; either way the statement failed.
	c.script(
		[2]string{"BEGIN", ""}, [2]string{"INSERT INTO t VALUES (3)", "1"}, [2]string{"DROP TABLE nowhere", "error 1025"},
		[2]string{"ROLLBACK", ""}, [2]string{"SELECT count(*) FROM t", "1"},
		[2]string{"BEGIN", ""}, [2]string{"INSERT INTO t VALUES (4)", "1"}, [2]string{"CREATE TABLE", "error 1005"},
		[2]string{"COMMIT", ""}, [2]string{"SELECT count(*) FROM t", "1"},
	)
	// A failed statement fails the transaction; COMMIT then succeeds and stores nothing.
	c.script(
		[2]string{"BEGIN", ""}, [2]string{"INSERT INTO t VALUES (5)", "1"}, [2]string{"SELECT * FROM nowhere", "error 1025"},
		[2]string{"SELECT 1", "error 4002"}, [2]string{"BEGIN", ""}, [2]string{"SELECT 1", "error 4002"},
		[2]string{"COMMIT", ""}, [2]string{"SELECT count(*) FROM t", "1"},
	)
	// What the answers say of it is what drivers go by.
	for _, s := range [][2]string{{"BEGIN", "Active"}, {"SELEC", "Fail"}, {"ROLLBACK", "AutoCommit"}, {"BEGIN", "Active"}, {"COMMIT", "AutoCommit"}} {
		if a := c.run(s[0]); a.Session == nil || a.Session.TxnState != s[1] {
			t.Errorf("after %s the session is %+v, want %s", s[0], a.Session, s[1])
		}
	}
	// Two that change one table: the later COMMIT loses.
	c.script([2]string{"CREATE TABLE u (a INT)", ""}, [2]string{"INSERT INTO u VALUES (1)", "1"})
	c.script([2]string{"BEGIN", ""}, [2]string{"UPDATE u SET a = 2", "1"})
	other.script([2]string{"BEGIN", ""}, [2]string{"UPDATE u SET a = 3", "1"}, [2]string{"COMMIT", ""})
	c.script([2]string{"COMMIT", "error 4001"}, [2]string{"SELECT a FROM u", "3"})
}

func TestSessionsAreApart(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	a, b := connect(t, e), connect(t, e)
	a.script(
		[2]string{"CREATE DATABASE " + e.StateDB, ""}, [2]string{"USE " + e.StateDB, ""}, [2]string{"SET timezone = 'Asia/Tokyo'", ""},
		[2]string{"SELECT current_database()", e.StateDB}, [2]string{"SELECT to_timestamp(0)", "1970-01-01 09:00:00.000000"},
	)
	b.script([2]string{"SELECT current_database()", e.Database}, [2]string{"SELECT to_timestamp(0)", "1970-01-01 00:00:00.000000"})
	if got := a.run("SELECT 1").Settings["timezone"]; got != "Asia/Tokyo" {
		t.Errorf("timezone of an answer = %q", got)
	}
	// The client's JSON is the session: another session that sends it stands where the first stood.
	twin := &conn{t: t, e: e, session: a.session, cookie: uuid.NewString()}
	twin.script([2]string{"SELECT current_database()", e.StateDB}, [2]string{"SELECT to_timestamp(0)", "1970-01-01 09:00:00.000000"})
	a.script([2]string{"UNSET timezone", ""}, [2]string{"SELECT to_timestamp(0)", "1970-01-01 00:00:00.000000"})
	a.script([2]string{"SET no_such_setting = 1", "error 2801"}, [2]string{"USE nowhere", "error 1003"}, [2]string{"SELECT current_database()", e.StateDB})

	// A session may name a database that does not exist yet, whatever its name holds.
	for _, later := range []string{e.Database + "_later", e.Database + " `b` \"q\""} {
		session, _ := json.Marshal(map[string]any{"database": later})
		c := &conn{t: t, e: e, session: session, cookie: uuid.NewString()}
		name := sqltext.Ident(later)
		c.script(
			[2]string{"SELECT 1", "1"}, [2]string{"CREATE TABLE t (a INT)", "error 1003"}, [2]string{"CREATE DATABASE " + name, ""},
			[2]string{"CREATE TABLE t (a INT)", ""}, [2]string{"SELECT current_database()", later}, [2]string{"DROP DATABASE " + name, ""},
		)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	c := connect(t, e)
	for _, tt := range []struct {
		body   map[string]any
		status int
		code   string
	}{
		{map[string]any{"database": e.Database}, 200, ""},
		{map[string]any{"database": "nowhere"}, 400, `"code":1003`},
		{map[string]any{"settings": map[string]string{"no_such_setting": "1"}}, 400, `"code":2801`},
	} {
		status, text := c.send(http.MethodPost, "/v1/session/login", "", tt.body)
		if status != tt.status || !strings.Contains(string(text), tt.code) {
			t.Errorf("login %v: HTTP %d %s", tt.body, status, text)
		}
	}
	for _, path := range []string{"/v1/session/login", "/v1/query", "/v1/verify", "/local/log", "/local/fault"} {
		r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://%s:%d%s", e.Config.Host, e.Config.Port, path), strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("root", "wrong")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 401 || !strings.Contains(string(text), `"code":5100`) {
			t.Errorf("%s with a wrong password: HTTP %d %s", path, resp.StatusCode, text)
		}
	}
}

func TestErrorsAreClean(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	c := connect(t, e)
	for sql, code := range map[string]int{
		"SELEC 1":                              1005,
		"SELECT 1; SELECT 2":                   1005,
		"SELECT * FROM nowhere":                1025,
		"SELECT 1 / 0":                         1006,
		"SET max_threads = -5":                 2803,
		"CREATE STREAM s ON TABLE nowhere":     1402,
		"SHOW TASKS":                           1702,
		"CREATE PIPE p AS COPY INTO t FROM @~": 1104, // the engine panics
		"KILL QUERY 'no-such-session'":         1053,
		"CREATE TEMP TABLE tt (a INT)":         1006,
	} {
		a := c.run(sql)
		if a.Error == nil || a.Error.Code != code {
			t.Errorf("%s: %+v, want code %d", sql, a.Error, code)
			continue
		}
		for _, bad := range []string{"Backtrace", "<unknown>", "Code:", "\n   0:"} {
			if strings.Contains(a.Error.Message, bad) {
				t.Errorf("%s: the message has %q: %s", sql, bad, a.Error.Message)
			}
		}
	}
	c.script([2]string{"SELECT 1;", "1"}) // and the engine is well
}

func TestPages(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	c := connect(t, e)
	a := c.run("SELECT number, to_string(number) FROM numbers(25000) ORDER BY number")
	if len(a.Data) != 25000 || *a.Data[24999][1] != "24999" {
		t.Fatalf("%d rows", len(a.Data))
	}
	c.page = 7
	first, err := c.post("", "SELECT number FROM numbers(20) ORDER BY number", 10)
	if err != nil || len(first.Data) != 7 || !strings.HasSuffix(first.NextURI, "/page/1") {
		t.Fatalf("first page: %d rows, next %s (%v)", len(first.Data), first.NextURI, err)
	}
	for range 2 { // a page may be asked for again
		status, text := c.send(http.MethodGet, first.NextURI, "", nil)
		page, err := c.read(status, text)
		if err != nil || len(page.Data) != 7 || *page.Data[0][0] != "7" {
			t.Fatalf("second page: %+v (%v)", page, err)
		}
	}
	if all := c.rest(first); len(all.Data) != 20 || *all.Data[19][0] != "19" {
		t.Errorf("%d rows in all", len(all.Data))
	}
}

func TestLongStatementTicks(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	c := connect(t, e)
	a, err := c.post("", "SELECT sleep(1.5)", 0.2)
	if err != nil || a.State != "Running" || !strings.Contains(a.NextURI, "/page/") || len(a.Data) != 0 {
		t.Fatalf("first answer: %+v (%v)", a, err)
	}
	if a = c.rest(a); a.State != "Succeeded" || len(a.Data) != 1 {
		t.Errorf("last answer: %+v", a)
	}
}

// One query id runs once, whoever asks and how often.
func TestQueryIDRunsOnce(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	c := connect(t, e)
	c.script([2]string{"CREATE TABLE t (a INT)", ""})
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	answers := make(chan string)
	for range 8 {
		go func() {
			own := &conn{t: t, e: e, session: c.session, cookie: c.cookie}
			a, err := own.post(id, "INSERT INTO t SELECT 1", 10)
			answers <- fmt.Sprintln(a.ID == id, a.cell(), err)
		}()
	}
	for range 8 {
		if got := <-answers; got != "true 1 <nil>\n" {
			t.Errorf("answer: %s", got)
		}
	}
	c.script([2]string{"SELECT count(*) FROM t", "1"})
	executed := 0
	for _, r := range e.Log(t) {
		if r.ID == id && r.Executed {
			executed++
		}
	}
	if executed != 1 {
		t.Errorf("executed %d times", executed)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	c := connect(t, e)
	c.script([2]string{"CREATE TABLE t (a INT)", ""})
	rows := 0
	for _, tt := range []struct {
		fault  databendtest.Fault
		status int // of the first POST; 0 is a cut connection
		body   string
		ran    bool
	}{
		{databendtest.Fault{Action: "drop_before"}, 0, "", false},
		{databendtest.Fault{Action: "drop_after"}, 0, "", true},
		{databendtest.Fault{Action: "status"}, 502, "upstream", false},
		{databendtest.Fault{Action: "status", Status: 429}, 429, "upstream", false},
		{databendtest.Fault{Action: "html"}, 200, "<html>", false},
		{databendtest.Fault{Action: "empty"}, 200, "{}", false},
	} {
		tt.fault.Match = "INSERT INTO " + e.Database
		e.Fault(t, tt.fault)
		id := uuid.NewString()
		body := map[string]any{"sql": "INSERT INTO " + e.Database + ".t VALUES (1)", "session": c.session}
		status, text := c.send(http.MethodPost, "/v1/query", id, body)
		if status != tt.status || !strings.HasPrefix(string(text), tt.body) {
			t.Errorf("%s: HTTP %d %q", tt.fault.Action, status, text)
		}
		if tt.ran {
			rows++
		}
		c.script([2]string{"SELECT count(*) FROM t", fmt.Sprint(rows)})
		// It struck once: the same id again runs what has not run, and answers what has.
		if !tt.ran {
			rows++
		}
		if a, err := c.post(id, body["sql"].(string), 10); err != nil || a.cell() != "1" {
			t.Errorf("%s, again: %s (%v)", tt.fault.Action, a.cell(), err)
		}
		c.script([2]string{"SELECT count(*) FROM t", fmt.Sprint(rows)})
	}
	e.Fault(t, databendtest.Fault{Action: "status", Match: "DELETE FROM " + e.Database, Skip: 1, Times: 2})
	var got []int
	for range 4 {
		status, _ := c.send(http.MethodPost, "/v1/query", "", map[string]any{"sql": "DELETE FROM " + e.Database + ".t WHERE a = 9"})
		got = append(got, status)
	}
	if fmt.Sprint(got) != "[200 502 502 200]" {
		t.Errorf("skip 1, times 2: %v", got)
	}
	// Disarmed with the test that armed it.
	t.Run("armed", func(t *testing.T) { e.Fault(t, databendtest.Fault{Action: "status", Match: "SELECT " + e.Database}) })
	c.script([2]string{"SELECT '" + e.Database + "'", e.Database})
}

// kill finds the statement of a query id in system.processes and kills it, as dbctl does.
func kill(t *testing.T, e *databendtest.Env, id string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		rows := e.SQL(t, "SELECT id FROM system.processes WHERE current_query_id = '"+id+"'")
		if len(rows) == 1 {
			e.SQL(t, "KILL QUERY '"+rows[0][0]+"'")
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not in system.processes", id)
		}
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	c := connect(t, e)
	c.script([2]string{"CREATE TABLE t (a INT)", ""})
	start := func(sql string) (id string, done chan answer) {
		id, done = strings.ReplaceAll(uuid.NewString(), "-", ""), make(chan answer, 1)
		go func() {
			a, err := c.post(id, sql, 10)
			if err != nil {
				t.Error(err)
			}
			done <- c.rest(a)
		}()
		return id, done
	}

	// A read ends at once, and its session goes on. It would end by itself after 3 s: a busy machine has more than one try.
	for try := 1; ; try++ {
		id, done := start("SELECT sleep(3), 1 FROM numbers(1)")
		begin := time.Now()
		kill(t, e, id)
		a := <-done
		c.script([2]string{"SELECT current_database()", e.Database})
		took := time.Since(begin)
		if a.code() == 1043 && took < 2900*time.Millisecond {
			break
		}
		if try == 10 {
			t.Fatalf("killed read: %s; it and the session's next statement took %s", a.cell(), took)
		}
	}

	// A statement that has not started never runs.
	e.Fault(t, databendtest.Fault{Action: "hold", Hold: 600, Match: "INSERT INTO " + e.Database})
	id, done := start("INSERT INTO " + e.Database + ".t VALUES (1)")
	kill(t, e, id)
	if a := <-done; a.code() != 1043 {
		t.Errorf("killed before its start: %s", a.cell())
	}
	c.script([2]string{"SELECT count(*) FROM t", "0"})

	// A running write goes on and says so.
	id, done = start("INSERT INTO t SELECT 1 FROM numbers(1) WHERE sleep(3) = 0")
	kill(t, e, id)
	if a := <-done; a.cell() != "1" {
		t.Errorf("killed write: %s", a.cell())
	}
	c.script([2]string{"SELECT count(*) FROM t", "1"})
	if rows := e.SQL(t, "SELECT 1 FROM system.processes WHERE current_query_id = '"+id+"'"); len(rows) != 0 {
		t.Error("an ended statement is in system.processes")
	}

	// A killed read fails its transaction.
	c.script([2]string{"BEGIN", ""}, [2]string{"INSERT INTO t VALUES (2)", "1"})
	id, done = start("SELECT sleep(3), 1 FROM numbers(1)")
	kill(t, e, id)
	if a := <-done; a.code() != 1043 || a.Session == nil || a.Session.TxnState != "Fail" {
		t.Errorf("killed read in a transaction: %+v", a)
	}
	c.script([2]string{"SELECT 1", "error 4002"}, [2]string{"COMMIT", ""}, [2]string{"SELECT count(*) FROM t", "1"})
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	c := connect(t, e)
	for _, sql := range []string{
		"SELECT extra_info FROM system.processes WHERE extra_info LIKE '%" + e.Database + "%'",
		"SELECT p.extra_info /* " + e.Database + " */ FROM system.processes AS p WHERE p.extra_info LIKE '%" + e.Database + "%'",
		"SELECT processes.extra_info, '" + e.Database + "' FROM `system`.processes WHERE current_query_id <> '' AND extra_info LIKE '%" + e.Database + "%'",
	} {
		a := c.run(sql)
		if a.cell() != sql {
			t.Errorf("%s: %s", sql, a.cell())
		}
	}
	c.script([2]string{"SELECT 'system.processes'", "system.processes"})
	if a := c.run("SHOW PROCESSLIST"); a.Error != nil || len(a.Data) == 0 {
		t.Errorf("SHOW PROCESSLIST: %s", a.cell())
	}
}

func TestDeduplicateLabel(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	c := connect(t, e)
	insert := "INSERT /*+ SET_VAR(deduplicate_label='" + e.Database + "') */ INTO t VALUES (1)"
	c.script(
		[2]string{"CREATE TABLE t (a INT)", ""},
		[2]string{"BEGIN", ""}, [2]string{insert, ""}, [2]string{"ROLLBACK", ""}, [2]string{"SELECT count(*) FROM t", "0"},
		[2]string{insert, ""}, [2]string{insert, ""}, [2]string{"SELECT count(*) FROM t", "1"},
	)
	connect(t, e).script([2]string{insert, ""}, [2]string{"SELECT count(*) FROM t", "1"})
	c.script(
		[2]string{"SET deduplicate_label = 'b" + e.Database + "'", ""}, [2]string{"INSERT INTO t VALUES (2)", ""}, [2]string{"INSERT INTO t VALUES (3)", ""},
		[2]string{"UNSET deduplicate_label", ""}, [2]string{"SELECT sum(a) FROM t", "3"},
	)
}

// An upload keeps the folders of its name, and stays within the stage.
func TestUpload(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	c := connect(t, e)
	stage := "up_" + e.Database
	c.script([2]string{"CREATE STAGE " + stage, ""}, [2]string{"CREATE TABLE t (a INT)", ""})
	upload := func(stage, path string) (int, string) {
		t.Helper()
		var body bytes.Buffer
		fmt.Fprintf(&body, "--X\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"%s\"\r\n\r\n1\n2\n\r\n--X--\r\n", path)
		r, err := http.NewRequest(http.MethodPut, fmt.Sprintf("http://%s:%d/v1/upload_to_stage", e.Config.Host, e.Config.Port), &body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1 // chunked, as some clients send it
		r.SetBasicAuth(e.Config.User, e.Config.Password.Reveal())
		r.Header.Set("Content-Type", "multipart/form-data; boundary=X")
		r.Header.Set("stage_name", stage)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	for _, tt := range []struct {
		stage, path string
		status      int
		text        string
	}{
		{stage, "client/load/1.csv", 200, "SUCCESS"},
		{stage, "../../x", 400, "1006"},
		{"no_such_stage", "1.csv", 400, "2501"},
	} {
		if status, text := upload(tt.stage, tt.path); status != tt.status || !strings.Contains(text, tt.text) {
			t.Errorf("upload to %s %s: HTTP %d %s", tt.stage, tt.path, status, text)
		}
	}
	c.script(
		[2]string{"COPY INTO t FROM @" + stage + "/client/load/ FILE_FORMAT = (TYPE = CSV)", "client/load/1.csv"},
		[2]string{"SELECT sum(a) FROM t", "3"}, [2]string{"DROP STAGE " + stage, ""},
	)
}

// The driver's way to end a query: its kill address, and final, which ends a read that still runs.
func TestKillAddress(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	c := connect(t, e)
	for _, how := range []string{"kill", "final"} {
		for try := 1; ; try++ { // the read would end by itself after 3 s: a busy machine has more than one try
			begin := time.Now()
			a, err := c.post("", "SELECT sleep(3), 1 FROM numbers(1)", 0)
			if err != nil {
				t.Fatal(err)
			}
			ended, _ := c.send(http.MethodGet, "/v1/query/"+a.ID+"/"+how, "", nil)
			status, text := c.send(http.MethodGet, "/v1/query/"+a.ID, "", nil)
			c.script([2]string{"SELECT 1", "1"})
			took, failed := time.Since(begin), strings.Contains(string(text), `"state":"Failed"`) && strings.Contains(string(text), "1043")
			if a.State == "Running" && ended == 200 && status == 200 && failed && took < 2900*time.Millisecond {
				break
			}
			if try == 10 {
				t.Fatalf("%s: %s, HTTP %d; then HTTP %d %s; the session's next statement was done after %s", how, a.State, ended, status, text, took)
			}
		}
	}
	if status, _ := c.send(http.MethodGet, "/v1/query/unknown/page/0", "", nil); status != 404 {
		t.Errorf("page of an unknown query: HTTP %d", status)
	}
}

// The driver that dbctl uses, through the session type that dbctl uses.
func TestThroughTheDriver(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	s := e.Session(t)
	exec := func(sql string) databend.Result {
		t.Helper()
		r, err := s.Query(t.Context(), databend.Statement{SQL: sql})
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return r
	}
	exec("CREATE TABLE t (a INT, b TIMESTAMP, c VARIANT)")
	exec("INSERT INTO t SELECT number, to_timestamp(number), parse_json('[1]') FROM numbers(12000)")
	if r := exec("SELECT * FROM t ORDER BY a"); len(r.Rows) != 12000 || r.Rows[11999][0].String != "11999" || r.Rows[0][2].String != "[1]" {
		t.Errorf("%d rows", len(r.Rows))
	}
	exec("BEGIN")
	exec("DELETE FROM t")
	exec("ROLLBACK")
	if r := exec("SELECT count(*) FROM t"); r.Rows[0][0].String != "12000" {
		t.Errorf("after ROLLBACK: %v", r.Rows)
	}
	if _, err := s.Exec(t.Context(), databend.Statement{SQL: "SELECT * FROM nowhere"}); !databend.IsCode(err, 1025) {
		t.Errorf("unknown table: %v", err)
	}
}
