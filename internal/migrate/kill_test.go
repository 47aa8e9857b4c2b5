package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
)

// grave is a transport whose process is killed at a request: from then on nothing is sent and nothing is answered.
type grave struct {
	mu    sync.Mutex
	count int
	at    int               // the POST /v1/query at which it dies; 0: never
	sent  bool              // that one still reaches the server
	async bool              // and goes on there when the process is dead
	late  time.Duration     // or reaches it only so long after that
	what  string            // or, with at -1, the first one whose text begins with this
	hook  func(text string) // told every text before it is sent
	texts []string
	dead  chan struct{}
	end   chan struct{} // the test is over
}

func newGrave(at int, sent bool) *grave {
	return &grave{at: at, sent: sent, dead: make(chan struct{}), end: make(chan struct{})}
}

// through connects the world by way of g.
func (w *world) through(g *grave) {
	w.T.Helper()
	cfg := w.Config
	cfg.Transport = g
	w.connect(cfg)
}

var errOver = errors.New("the test is over")

func (g *grave) RoundTrip(req *http.Request) (*http.Response, error) {
	dying, dead := g.see(req)
	if !dead {
		return http.DefaultTransport.RoundTrip(req)
	}
	if dying {
		send := func() {
			if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		}
		switch {
		case g.async:
			ctx, wrote := context.WithCancel(context.Background())
			trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { wrote() }}
			req = req.WithContext(httptrace.WithClientTrace(context.WithoutCancel(req.Context()), trace))
			go func() {
				time.Sleep(g.late)
				send()
				wrote()
			}()
			if g.late == 0 {
				<-ctx.Done()
			}
		case g.sent:
			send()
		}
		close(g.dead)
	}
	<-g.end
	return nil, errOver
}

// killAt lets the process die at a later request. It is called under the lock, as a hook is.
func (g *grave) killAt(k kill) {
	if k.at == 0 {
		return
	}
	g.at, g.sent, g.async = g.count+k.at, k.how != before, k.how == sent || k.how == late
	if k.how == late {
		g.late = 300 * time.Millisecond // dbctl waits a second before it believes that nothing is under way
	}
}

// acting lets f run once, right before the server gets a statement, or so many requests later.
func (g *grave) acting(statement string, later int, f func()) *grave {
	once, since, others := sync.OnceFunc(f), -1, g.hook
	g.hook = func(text string) {
		if others != nil {
			others(text)
		}
		if since >= 0 || strings.Contains(text, `"sql":"`+statement) {
			since++
		}
		if since == later {
			once()
		}
	}
	return g
}

// see counts a request, and says whether the process dies at it, or is dead. A hook that fails its test leaves by Goexit.
func (g *grave) see(req *http.Request) (dying, dead bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if req.Method == http.MethodPost && strings.HasSuffix(strings.TrimSuffix(req.URL.Path, "/"), "/v1/query") {
		g.count++
		text := textOf(req)
		g.texts = append(g.texts, text)
		if g.at == -1 && strings.Contains(text, `"sql":"`+g.what) {
			g.at = g.count
		}
		dying = g.count == g.at
		if dying && g.async && strings.Contains(text, "run_") {
			g.async = false // a claim: die could not say of one that comes later that its owner is gone
		}
		if g.hook != nil && (g.at <= 0 || g.count <= g.at) { // a dead process may ask on
			g.hook(text)
		}
	}
	return dying, g.at > 0 && g.count >= g.at
}

// textOf is what a request says, "" where it says nothing. It can still be sent.
func textOf(req *http.Request) string {
	if req.Body == nil {
		return ""
	}
	text, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(text))
	return string(text)
}

// refusing is a transport that says of each request with which code of Databend the server refuses it, 0 where it does not.
type refusing func(text string) (code int)

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	code := r(textOf(req))
	if code == 0 {
		return http.DefaultTransport.RoundTrip(req)
	}
	answer := fmt.Sprintf(`{"id":%q,"state":"Failed","data":[],"schema":[],"error":{"code":%d,"message":"refused","detail":""}}`,
		req.Header.Get("X-DATABEND-QUERY-ID"), code)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: req,
	}, nil
}

// text is the i-th request, from 1.
func (g *grave) text(i int) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.texts[i-1]
}

// die makes every claim in the state database one of a process that is gone.
func (w *world) die() {
	w.T.Helper()
	pid := regexp.MustCompile(`"pid":\d+,"start":"\d+"`)
	for _, r := range w.SQL(w.T, "SELECT name, comment FROM system.tables WHERE database='"+w.StateDB+"' AND left(name,4)='run_'") {
		comment := pid.ReplaceAllString(r[1], `"pid":1,"start":"1"`)
		if comment == r[1] {
			continue
		}
		comment = strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(comment)
		// What was under way when it died may have dropped it meanwhile, or write another comment.
		switch code, text := w.Err(w.T, "ALTER TABLE "+w.StateDB+".`"+r[0]+"` COMMENT='"+comment+"'"); code {
		case 0, databend.CodeUnknownTable:
		case databend.CodeConflict:
			w.die()
			return
		default:
			w.T.Fatal(text)
		}
	}
}

// look is everything in the database that a migration can change, without ids.
func (w *world) look() map[string]string {
	w.T.Helper()
	out := map[string]string{}
	db := w.Database
	for _, r := range w.SQL(w.T, "SELECT name, engine, comment, cluster_by FROM system.tables WHERE database='"+db+"'") {
		out[r[0]] = strings.Join(r[1:], "|")
		if r[1] == "VIEW" {
			q := w.SQL(w.T, "SELECT view_query FROM system.views WHERE database='"+db+"' AND name='"+r[0]+"'")
			out[r[0]] += strings.ReplaceAll(q[0][0], db, "db")
			continue
		}
		rows := w.SQL(w.T, "SELECT * FROM `"+r[0]+"`")
		sort.Slice(rows, func(i, j int) bool { return fmt.Sprint(rows[i]) < fmt.Sprint(rows[j]) })
		out[r[0]] += fmt.Sprint(rows)
	}
	for _, r := range w.SQL(w.T, "SELECT `table`, name, type, is_nullable, default_expression, comment FROM system.columns WHERE database='"+db+"'") {
		if out[r[0]] != "" && !strings.HasPrefix(out[r[0]], "VIEW") {
			out[r[0]] += "\n" + strings.Join(r[1:], "|")
		}
	}
	return out
}

// history writes the migrations of the kill matrix: all kinds of statements, over tables that hold data.
func (w *world) history() {
	w.Migration(1, "CREATE TABLE a (x INT, y STRING COMMENT 'why');\nINSERT INTO a VALUES (1, 'one'), (2, 'two');\nCREATE TABLE empty (x INT NOT NULL);\nCREATE VIEW v AS SELECT x FROM a;\n"+
		"--down\nDROP VIEW v;\nDROP TABLE empty;\nDROP TABLE a;\n")
	w.Migration(2, "CREATE TABLE g1 (x INT);\n--down\nDROP TABLE g1;\n")
	w.Migration(3, "CREATE TABLE g2 (x INT);\nCREATE TABLE g3 (x INT);\n--down\nDROP TABLE g3;\nDROP TABLE g2;\n")
	w.Migration(4, "ALTER TABLE a ADD COLUMN z INT;\nUPDATE a SET z = x * 10;\nALTER TABLE empty ADD COLUMN d DATE;\nCREATE OR REPLACE VIEW v AS SELECT z FROM a;\n"+
		"--down\nCREATE OR REPLACE VIEW v AS SELECT x FROM a;\nALTER TABLE empty DROP COLUMN d;\nALTER TABLE a DROP COLUMN z;\n")
	w.Migration(5, "CREATE OR REPLACE TABLE g1 AS SELECT x, z FROM a;\nBEGIN;\nINSERT INTO a VALUES (3, 'three', 30);\nDELETE FROM g1 WHERE x = 1;\nCOMMIT;\nDROP TABLE g2;\nALTER TABLE g3 RENAME TO g2;\n"+
		"--down\nALTER TABLE g2 RENAME TO g3;\nCREATE TABLE g2 (x INT);\nDELETE FROM a WHERE x = 3;\nCREATE OR REPLACE TABLE g1 (x INT);\n")
}

// TestKill kills a process at request boundaries of up, and lets the next command find what it left: the warehouse must be as after
// some version, the journal must say which, and going on must end where an undisturbed run ends. DBCTL_PROOF=full kills at every
// boundary.
func TestKill(t *testing.T) {
	t.Parallel()
	// What the warehouse looks like after each version, and how many requests a run takes.
	ref := newWorld(t)
	ref.history()
	after := []map[string]string{ref.look()}
	for v := int64(1); v <= 5; v++ {
		ref.must(ref.migrator(Options{PlanOptions: PlanOptions{To: v}}).Up(t.Context()))
		after = append(after, ref.look())
	}
	counted := newWorld(t)
	counted.history()
	g := newGrave(0, false)
	counted.through(g)
	counted.must(counted.up())
	requests := g.count

	step := databendtest.Step(requests, 4)
	for at, i := 2, 0; at <= requests; at, i = at+step, i+1 {
		for _, sent := range []bool{false, true} {
			if step == 1 || sent == (i%2 == 0) {
				t.Run(fmt.Sprintf("%d of %d, sent %t", at, requests, sent), func(t *testing.T) {
					t.Parallel()
					killedAt(t, at, sent, after)
				})
			}
		}
	}
}

// killedAt kills a run at a request, and wants what is recovered to be as it was after one of the versions.
func killedAt(t *testing.T, at int, sent bool, after []map[string]string) {
	w := newWorld(t)
	w.history()
	healthy := w.srv
	g := newGrave(at, sent)
	w.through(g)
	done := make(chan error, 1)
	m := w.migrator(Options{})
	t.Cleanup(func() { close(g.end) }) // before its sessions are closed
	go func() { done <- m.Up(t.Context()) }()
	select {
	case <-g.dead:
	case err := <-done:
		t.Fatalf("the request never came: %v", err)
	}
	// What it sent may still run: the next process finds that too.
	w.srv = healthy
	w.die()
	where := fmt.Sprintf("killed at %.300s", g.text(at))
	err := w.migrator(Options{LockWait: 10 * time.Minute}).Recover(t.Context(), RollBack, "")
	if err != nil {
		t.Fatalf("%s: recover: %v\n%s", where, err, w.said())
	}
	said := w.said()
	s, err := w.migrator(Options{}).Status(t.Context())
	w.must(err)
	applied := 0
	for _, e := range s.Migrations {
		if e.State == "applied" {
			applied++
		}
	}
	t.Logf("after %d", applied)
	if diff := cmp.Diff(after[applied], w.look()); diff != "" {
		t.Fatalf("%s: recovered, and the journal says %d applied (-want +got):\n%s\nsaid: %s", where, applied, diff, said)
	}
	w.must(w.migrator(Options{LockWait: 10 * time.Minute}).Up(t.Context()))
	if diff := cmp.Diff(after[5], w.look()); diff != "" {
		t.Errorf("%s: after going on (-want +got):\n%s", where, diff)
	}
	if left := w.Litter(); len(left) > 0 {
		t.Errorf("%s: left %q", where, left)
	}
}

var _ http.RoundTripper = (*grave)(nil)
