package databend

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// fake is a Databend that does what the embedded engine cannot: a KILL that ends a write, progress, refused and broken
// answers, a warehouse that sleeps. Statements are scripted: do is called in a goroutine for each that the fake does not know.
// Its connections are pipes in memory: in a bubble of synctest, time passes only when client and fake both wait, so that no test of
// a time limit depends on how busy the machine is.
type fake struct {
	*httptest.Server
	t    testing.TB
	do   func(q *fakeQuery)
	hurt func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) // nil: next

	mu       sync.Mutex
	nextID   int
	queries  map[string]*fakeQuery
	posts    []*fakeQuery // in the order of their POSTs
	requests []string     // "METHOD path" of every request
	logins   []fakeLogin
	kills    []string
	noKill   bool // KILL is refused: 1063
}

type fakeLogin struct {
	Database string            `json:"database"`
	Role     string            `json:"role"`
	Settings map[string]string `json:"settings"`
	Auth     string            `json:"-"`
	Agent    string            `json:"-"`
}

// fakeQuery is one statement. do writes its fields before it returns; ticks may be sent before.
type fakeQuery struct {
	ID, SQL, Session, Auth string
	Database               string
	Started                chan struct{}
	Killed                 chan struct{}
	Release                chan struct{}

	Columns []string
	Rows    [][]*string
	Err     *serverError
	PerPage int

	mu    sync.Mutex
	stats stats
	once  sync.Once
	done  chan struct{}
}

func (q *fakeQuery) tick(s stats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats = s
}

// wait blocks until the statement is killed or released, as a long statement does.
func (q *fakeQuery) wait() {
	select {
	case <-q.Killed:
		q.Err = &serverError{Code: 1043, Message: "AbortedQuery"}
	case <-q.Release:
	}
}

func (q *fakeQuery) running() bool {
	select {
	case <-q.done:
		return false
	default:
		return true
	}
}

func newFake(t testing.TB, do func(q *fakeQuery)) *fake {
	f := &fake{t: t, do: do, queries: map[string]*fakeQuery{}}
	f.Server = &httptest.Server{Listener: newPipes(), Config: &http.Server{Handler: http.HandlerFunc(f.serve)}}
	f.Start()
	t.Cleanup(func() {
		f.mu.Lock()
		for _, q := range f.queries {
			q.once.Do(func() { close(q.Killed) })
		}
		f.mu.Unlock()
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *fake) config() Config {
	cfg := configOf(f.t, f.Server)
	way := &http.Transport{DialContext: f.Listener.(*pipes).dial, MaxIdleConnsPerHost: 8}
	f.t.Cleanup(way.CloseIdleConnections)
	cfg.Transport = way
	return cfg
}

func configOf(t testing.TB, server *httptest.Server) Config {
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Host: u.Hostname(), Port: port, Plain: u.Scheme == "http", User: "root", Password: secret.New("pw"),
		ConnectTimeout: 10 * time.Second, UserAgent: "dbctl/test", Scrub: secret.NewScrubber(),
	}
}

// pipes is a listener whose connections are pipes in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// bubble runs a test in a bubble of synctest, beside others.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "fake.invalid:8000" }

func (f *fake) connect(cfg Config) *Server {
	f.t.Helper()
	s, err := Connect(f.t.Context(), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(s.Close)
	return s
}

func (f *fake) session() *Session {
	f.t.Helper()
	return f.connect(f.config()).Session(nil)
}

// sql returns the statements that were posted, without Connect's.
func (f *fake) sql() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, q := range f.posts {
		if !helloSQL.MatchString(q.SQL) {
			out = append(out, q.SQL)
		}
	}
	return out
}

func (f *fake) killed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kills)
}

func (f *fake) query(id string) *fakeQuery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queries[id]
}

func (f *fake) count(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

// settled fails the test unless so many requests have come when nobody sends any more. It is for a bubble.
func (f *fake) settled(t *testing.T, prefix string, want int) {
	t.Helper()
	time.Sleep(time.Second)
	if got := f.count(prefix); got != want {
		t.Errorf("got %d requests %s, want %d", got, prefix, want)
	}
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	hurt := f.hurt
	f.mu.Unlock()
	if hurt != nil {
		hurt(w, r, f.answer)
		return
	}
	f.answer(w, r)
}

// dropAfter lets the server do its work and cuts the connection instead of answering.
func dropAfter(r *http.Request, next http.HandlerFunc) {
	next(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

var (
	helloSQL   = regexp.MustCompile(`^SELECT '([0-9a-f]{32})', to_int64\(now\(\)\)`)
	processSQL = regexp.MustCompile(`^SELECT id FROM system\.processes WHERE current_query_id = '(.*)'$`)
	killSQL    = regexp.MustCompile(`^KILL QUERY '(.*)'$`)
	pagePath   = regexp.MustCompile(`^/v1/query/([^/]+)(?:/(page/(\d+)|final|kill))?$`)
)

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	session := ""
	if c, err := r.Cookie("session_id"); err == nil {
		session = c.Value
	}
	switch {
	case r.URL.Path == "/v1/session/login":
		var l fakeLogin
		_ = json.NewDecoder(r.Body).Decode(&l)
		l.Auth, l.Agent = r.Header.Get("Authorization"), r.UserAgent()
		f.mu.Lock()
		f.nextID++
		id := fmt.Sprintf("session-%d", f.nextID)
		f.logins = append(f.logins, l)
		f.mu.Unlock()
		if l.Database == "nowhere" {
			refuse(w, 400, 1003, "Unknown database 'nowhere'")
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "session_id", Value: id, Path: "/"})
		writeJSON(w, 200, map[string]any{"version": "1.2.999", "session_id": id})
	case r.URL.Path == "/v1/session/logout":
		writeJSON(w, 200, map[string]any{})
	case r.URL.Path == "/v1/query" && r.Method == http.MethodPost:
		f.post(w, r, session)
	default:
		m := pagePath.FindStringSubmatch(r.URL.Path)
		if m == nil {
			refuse(w, 404, 404, "no such path")
			return
		}
		f.mu.Lock()
		q := f.queries[m[1]]
		f.mu.Unlock()
		switch {
		case q == nil:
			refuse(w, 404, 404, "query id "+m[1]+" not found")
		case m[2] == "":
			state := "Running"
			if !q.running() {
				state = "Succeeded"
				if q.Err != nil {
					state = "Failed"
				}
			}
			writeJSON(w, 200, map[string]any{"state": state, "error": q.Err})
		case m[2] != "" && q.Session != session:
			refuse(w, 401, 5100, "wrong client_session_id")
		case m[2] == "final":
			writeJSON(w, 200, map[string]any{})
		case m[2] == "kill":
			f.mu.Lock()
			f.kills = append(f.kills, "uri")
			f.mu.Unlock()
			q.once.Do(func() { close(q.Killed) })
			writeJSON(w, 200, map[string]any{})
		default:
			n, _ := strconv.Atoi(m[3])
			f.page(w, q, n)
		}
	}
}

func (f *fake) post(w http.ResponseWriter, r *http.Request, session string) {
	var body struct {
		SQL     string `json:"sql"`
		Session struct{ Database string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil { // cut short
		refuse(w, 400, 1006, err.Error())
		return
	}
	id := r.Header.Get("X-Databend-Query-Id")
	f.mu.Lock()
	if q := f.queries[id]; q != nil { // a retry: page 0 of the first
		f.posts = append(f.posts, q)
		f.mu.Unlock()
		f.page(w, q, 0)
		return
	}
	q := &fakeQuery{
		ID: id, SQL: body.SQL, Session: session, Database: body.Session.Database, Auth: r.Header.Get("Authorization"), PerPage: 2, Columns: []string{"a"},
		Started: make(chan struct{}), Killed: make(chan struct{}), Release: make(chan struct{}), done: make(chan struct{}),
	}
	f.queries[id] = q
	f.posts = append(f.posts, q)
	f.mu.Unlock()
	go func() {
		defer close(q.done)
		f.run(q)
	}()
	f.page(w, q, 0)
}

func text(values ...string) []*string {
	row := make([]*string, len(values))
	for i := range values {
		row[i] = &values[i]
	}
	return row
}

func (f *fake) run(q *fakeQuery) {
	switch {
	case helloSQL.MatchString(q.SQL):
		q.Columns = []string{"nonce", "now"}
		q.Rows = [][]*string{text(helloSQL.FindStringSubmatch(q.SQL)[1], "1790000000000000")}
	case processSQL.MatchString(q.SQL):
		f.mu.Lock()
		defer f.mu.Unlock()
		if of := f.queries[processSQL.FindStringSubmatch(q.SQL)[1]]; of != nil && of.running() {
			q.Rows = [][]*string{text(of.Session)}
		}
	case killSQL.MatchString(q.SQL):
		id := killSQL.FindStringSubmatch(q.SQL)[1]
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.noKill {
			q.Err = &serverError{Code: 1063, Message: "Permission denied: privilege [Super] is required on *.* for user 'root'@'%'"}
			return
		}
		f.kills = append(f.kills, id)
		found := false
		for _, of := range f.queries {
			if of.Session == id && of.running() {
				found = true
				of.once.Do(func() { close(of.Killed) })
			}
		}
		if !found {
			q.Err = &serverError{Code: 1053, Message: "Unknown session id " + id}
		}
	case f.do != nil:
		f.do(q)
	}
}

// page answers page n: Running when the statement has not ended after 20 ms (a server waits wait_time_secs).
func (f *fake) page(w http.ResponseWriter, q *fakeQuery, n int) {
	base := "/v1/query/" + q.ID
	a := map[string]any{
		"id": q.ID, "session_id": q.Session, "node_id": "node-1", "state": "Running", "schema": []field{}, "data": [][]*string{},
		"next_uri": base + "/page/" + strconv.Itoa(n), "final_uri": base + "/final", "kill_uri": base + "/kill",
		"session": map[string]any{"database": "default", "txn_state": "AutoCommit", "need_sticky": false, "need_keep_alive": false},
	}
	select {
	case <-q.done:
		a["state"], a["next_uri"] = "Succeeded", base+"/final"
		if q.Err != nil {
			a["state"], a["error"] = "Failed", q.Err
			break
		}
		if len(q.Rows) > 0 {
			schema := make([]field, len(q.Columns))
			for i, c := range q.Columns {
				schema[i] = field{Name: c, Type: "Unheard(Of)"}
			}
			pages := slices.Collect(slices.Chunk(q.Rows, q.PerPage))
			a["schema"], a["data"] = schema, pages[min(n, len(pages)-1)]
			if n+1 < len(pages) {
				a["next_uri"], a["state"] = base+"/page/"+strconv.Itoa(n+1), "Running"
			}
		}
	case <-time.After(20 * time.Millisecond):
	}
	q.mu.Lock()
	a["stats"] = q.stats
	q.mu.Unlock()
	writeJSON(w, 200, a)
}
