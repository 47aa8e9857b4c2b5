package databend

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

func pemOf(cert []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}

// A POST whose answer cannot be trusted is not a success, is not sent again, and is waited for no longer than a silence may be.
func TestFalseAnswersLeaveTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for name, answer := range falseAnswers {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, nil)
				sess := f.session()
				f.mu.Lock()
				f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
					if r.Header.Get("X-Databend-Query-Id") != "" && strings.HasPrefix(r.URL.Path, "/v1/query") && !isControl(r) {
						answer(w)
						return
					}
					next(w, r)
				}
				f.mu.Unlock()
				before := sess.srv.Requests()
				start := time.Now()
				_, err := sess.Exec(t.Context(), Statement{SQL: "CREATE TABLE t (a INT)", ID: "id-1"})
				if !IsUnknownOutcome(err) {
					t.Errorf("got %v, want an unknown outcome", err)
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				if n := sess.srv.Requests() - before; n != 1 {
					t.Errorf("got %d POSTs, want 1", n)
				}
				if took := time.Since(start); took > sess.srv.patience.silence+2*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func isControl(r *http.Request) bool {
	id := r.Header.Get("X-Databend-Query-Id")
	return id != "id-1"
}

// The answer to the POST is lost, but the server has it: page 0 is that answer.
func TestLostAnswerIsAskedFor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(q *fakeQuery)
		want error
	}{
		"success": {func(q *fakeQuery) {
			q.Columns, q.Rows = []string{"number of rows inserted"}, [][]*string{text("3")}
		}, nil},
		"failure": {func(q *fakeQuery) { q.Err = &serverError{Code: 2302, Message: "exists"} }, &Error{Code: 2302}},
		"slow": {func(q *fakeQuery) {
			time.Sleep(100 * time.Millisecond)
			q.Columns, q.Rows = []string{"number of rows inserted"}, [][]*string{text("3")}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, tt.do)
				sess := f.session()
				f.mu.Lock()
				f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
					if r.Method == http.MethodPost && r.URL.Path == "/v1/query" {
						dropAfter(r, next)
					}
					next(w, r)
				}
				f.mu.Unlock()
				res, err := sess.Exec(t.Context(), Statement{SQL: "INSERT INTO t VALUES (1)"})
				if tt.want != nil {
					if !IsCode(err, 2302) {
						t.Errorf("got %v, want 2302", err)
					}
				} else if err != nil || res.Affected != 3 {
					t.Errorf("got %d rows, %v; want 3", res.Affected, err)
				}
				if diff := cmp.Diff(f.sql(), []string{"INSERT INTO t VALUES (1)"}); diff != "" {
					t.Errorf("POSTs (-got +want):\n%s", diff)
				}
			})
		})
	}
}

// The connection breaks while the statement is still on its way through a proxy: it runs a moment later, and that is found out.
func TestStatementThatArrivesLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, func(q *fakeQuery) {})
		sess := f.session()
		arrived := make(chan struct{})
		f.mu.Lock()
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			switch {
			case r.Method == http.MethodPost && r.Header.Get("X-Databend-Query-Id") == "late-1":
				body, _ := io.ReadAll(r.Body)
				later := r.Clone(context.Background())
				later.Body = io.NopCloser(bytes.NewReader(body))
				go func() {
					<-arrived
					next(&discard{header: http.Header{}}, later)
				}()
				panic(http.ErrAbortHandler)
			case strings.HasSuffix(r.URL.Path, "/late-1/page/0"):
				next(w, r)
				select {
				case <-arrived:
				default:
					close(arrived)
				}
			default:
				next(w, r)
			}
		}
		f.mu.Unlock()
		if _, err := sess.Exec(t.Context(), Statement{SQL: "CREATE TABLE t (a INT)", ID: "late-1"}); err != nil {
			t.Errorf("got %v, want the success of the statement that arrived late", err)
		}
	})
}

// The page is gone, but the state tells how it ended; only who needs the rows does not know enough.
func TestLostAnswerIsAskedForByState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, func(q *fakeQuery) { time.Sleep(30 * time.Second) }) // longer than a silence may be
		sess := f.session()
		f.mu.Lock()
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			switch {
			case strings.Contains(r.URL.Path, "/page/"):
				refuse(w, 400, 1740, "query is closed")
			case r.Method == http.MethodPost && r.URL.Path == "/v1/query":
				rec := &discard{header: http.Header{}}
				next(rec, r)
				panic(http.ErrAbortHandler)
			default:
				next(w, r)
			}
		}
		f.mu.Unlock()
		if _, err := sess.Exec(t.Context(), Statement{SQL: "CREATE TABLE t (a INT)"}); err != nil {
			t.Errorf("got %v, want success by the state", err)
		}
		for sql, lost := range map[string]string{
			"COPY INTO t FROM @s": "the rows", "SELECT 1": "the rows", "INSERT INTO t VALUES (1)": "the count", "BEGIN": "the session's state",
			"USE other": "the session's state",
		} {
			if res, err := sess.Exec(t.Context(), Statement{SQL: sql}); !IsUnknownOutcome(err) {
				t.Errorf("%s: got %+v, %v, want unknown: %s went with the answer", sql, res, err, lost)
			}
		}
	})
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func TestNothingSentIsNotUnknown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, nil)
		sess := f.session()
		sess.srv.transport.(*http.Transport).CloseIdleConnections() // what was written to one of these may have been read
		f.Server.Close()
		_, err := sess.Exec(t.Context(), Statement{SQL: "DROP TABLE t"})
		if kindOf(err) != KindUnreachable || IsUnknownOutcome(err) {
			t.Errorf("got %v, want Unreachable", err)
		}
	})
}

// A lock's owner may send only for a while after its last heartbeat; a slow connection must not stretch that.
func TestTooLateIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, nil)
		cfg := f.config()
		base := cfg.Transport.(*http.Transport)
		base.DisableKeepAlives = true // each request dials
		dial := base.DialContext
		var late atomic.Int64 // no request is sent before this time, of the Unix epoch in nanoseconds
		base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(time.Until(time.Unix(0, late.Load())))
			return dial(ctx, network, addr)
		}
		cfg.Transport = base
		sess := f.connect(cfg).Session(nil)
		by := time.Now().Add(50 * time.Millisecond)
		late.Store(by.Add(time.Millisecond).UnixNano())
		_, err := sess.Exec(t.Context(), Statement{SQL: "DROP TABLE t", SendBy: by})
		if kindOf(err) != KindUnreachable || len(f.sql()) != 0 {
			t.Errorf("got %v, and the server %q; want nothing sent", err, f.sql())
		}
		late.Store(0)
		if _, err := sess.Exec(t.Context(), Statement{SQL: "SELECT 1", SendBy: time.Now().Add(time.Minute)}); err != nil {
			t.Error(err)
		}
	})
}

func TestRefusedStatements(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]Kind{400: "InvalidSessionState", 401: KindAuth, 403: "InvalidSessionState", 429: KindUnreachable} {
		f := newFake(t, nil)
		sess := f.session()
		f.mu.Lock()
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.URL.Path == "/v1/query" {
				refuse(w, status, 5112, "invalid session state")
				return
			}
			next(w, r)
		}
		f.mu.Unlock()
		if _, err := sess.Exec(t.Context(), Statement{SQL: "DROP TABLE t"}); kindOf(err) != want {
			t.Errorf("HTTP %d: got %v, want %s", status, err, want)
		}
	}
}

func TestAnIDIsSentOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(q *fakeQuery) {})
	sess := f.session()
	st := Statement{SQL: "INSERT INTO t VALUES (1)", ID: NewID()}
	if _, err := sess.Exec(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if _, err := sess.Exec(t.Context(), st); err == nil {
		t.Error("the id was sent twice")
	}
	if got := len(f.sql()); got != 1 {
		t.Errorf("got %d POSTs, want 1", got)
	}
	// Statements without an id, and those that end a transaction, have their own.
	for _, sql := range []string{"BEGIN", "INSERT INTO t VALUES (2)", "COMMIT"} {
		if _, err := sess.Exec(t.Context(), Statement{SQL: sql}); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[string]bool{}
	for _, q := range f.posts {
		if ids[q.ID] {
			t.Errorf("the id %s was used twice", q.ID)
		}
		ids[q.ID] = true
	}
}

func TestPagesAreStreamedAndAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 9
		f := newFake(t, func(q *fakeQuery) {
			for i := range n {
				q.Rows = append(q.Rows, text(fmt.Sprint(i)))
			}
			q.Rows[4][0] = nil
		})
		sess := f.session()
		var hurt atomic.Int32
		f.mu.Lock()
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if strings.HasSuffix(r.URL.Path, "/page/2") {
				switch hurt.Add(1) {
				case 1:
					panic(http.ErrAbortHandler)
				case 2:
					http.Error(w, "bad gateway", http.StatusBadGateway)
					return
				case 3:
					falseAnswers["html"](w)
					return
				}
			}
			next(w, r)
		}
		f.mu.Unlock()
		var got []string
		id := NewID()
		res, err := sess.Each(t.Context(), Statement{SQL: "SELECT a", ID: id}, func(r Row) error {
			if n := f.count("GET /v1/query/" + id + "/page"); n > len(got)/2+int(hurt.Load()) {
				t.Errorf("at row %d, %d pages were read", len(got), n)
			}
			got = append(got, r[0].String)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, []string{"0", "1", "2", "3", "", "5", "6", "7", "8"}); diff != "" {
			t.Errorf("rows (-got +want):\n%s", diff)
		}
		if diff := cmp.Diff([][]string{res.Columns, res.Types}, [][]string{{"a"}, {"Unheard(Of)"}}); diff != "" || res.Rows != nil {
			t.Errorf("columns (-got +want):\n%s", diff)
		}
		f.settled(t, "GET /v1/query/"+res.ID+"/final", 1)

		// An error of the caller's stops it, and comes back as it is.
		stop := errors.New("stop")
		seen := 0
		res, err = sess.Each(t.Context(), Statement{SQL: "SELECT a"}, func(Row) error {
			seen++
			return stop
		})
		if err != stop || seen != 1 || f.count("GET /v1/query/"+res.ID+"/page/1") != 0 {
			t.Errorf("got %v after %d rows, want stop after 1 and no page read", err, seen)
		}
		f.settled(t, "GET /v1/query/"+res.ID+"/final", 1)
	})
}

func TestOneStatementAtATime(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(q *fakeQuery) { q.Rows = [][]*string{text("1")} })
	sess := f.session()
	_, err := sess.Each(t.Context(), Statement{SQL: "SELECT 1"}, func(Row) error {
		_, err := sess.Exec(t.Context(), Statement{SQL: "DROP TABLE t"})
		return err
	})
	if kindOf(err) != "SessionBusy" {
		t.Errorf("got %v, want SessionBusy", err)
	}
	if _, err := sess.Exec(t.Context(), Statement{SQL: "SELECT 2"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(f.sql(), []string{"SELECT 1", "SELECT 2"}); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
}

func TestAffected(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(q *fakeQuery) {
		switch q.SQL {
		case "MERGE":
			q.Columns = []string{"number of rows inserted", "number of rows updated", "number of rows deleted"}
			q.Rows = [][]*string{text("1", "20", "300")}
		case "SELECT":
			q.Columns, q.Rows = []string{"a"}, [][]*string{text("7")}
		case "SELECT name":
			q.Columns, q.Rows = []string{"number of rows a day"}, [][]*string{text("many"), {nil}}
		}
	})
	sess := f.session()
	for sql, want := range map[string]int64{"MERGE": 321, "SELECT": 0, "SELECT name": 0, "CREATE": 0} {
		res, err := sess.Exec(t.Context(), Statement{SQL: sql})
		if err != nil || res.Affected != want || res.Rows != nil {
			t.Errorf("%s: got %d, %v, %v; want %d and no rows", sql, res.Affected, res.Rows, err, want)
		}
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(q *fakeQuery) {
		q.tick(stats{Scan: amount{Rows: 1, Bytes: 10}})
		<-q.Release
		q.tick(stats{Scan: amount{Rows: 100, Bytes: 1000}, Write: amount{Rows: 100, Bytes: 800}})
	})
	sess := f.session()
	var got []Progress
	st := Statement{SQL: "COPY", ID: NewID()}
	st.Progress = func(p Progress) {
		if len(got) == 0 && p.ScanBytes == 10 {
			f.mu.Lock()
			close(f.queries[st.ID].Release)
			f.mu.Unlock()
		}
		if len(got) == 0 || got[len(got)-1] != p {
			got = append(got, p)
		}
	}
	if _, err := sess.Exec(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	want := []Progress{{ScanBytes: 10}, {ScanBytes: 1000, WriteRows: 100}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("progress (-got +want):\n%s", diff)
	}
}

// When the context ends the statement is ended on the server, in the first second too, when its POST has no answer yet.
func TestContextEndsTheStatement(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do      func(q *fakeQuery)
		noKill  bool
		holdTo  string // requests with this prefix are held until the statement ends
		timeout bool
		kind    Kind // "": success
	}{
		"cancel":             {do: (*fakeQuery).wait, kind: KindCanceled},
		"deadline":           {do: (*fakeQuery).wait, timeout: true, kind: KindTimeout},
		"during the POST":    {do: (*fakeQuery).wait, holdTo: "/v1/query", kind: KindCanceled},
		"KILL is refused":    {do: (*fakeQuery).wait, noKill: true, kind: KindCanceled},
		"killed too late":    {do: func(q *fakeQuery) { <-q.Killed }},
		"fails on its own":   {do: func(q *fakeQuery) { <-q.Killed; q.Err = &serverError{Code: 1006, Message: "bad"} }, kind: "BadArguments"},
		"KILL is slow to do": {do: func(q *fakeQuery) { q.wait(); time.Sleep(10 * time.Second) }, kind: KindCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, func(q *fakeQuery) {
					close(q.Started)
					tt.do(q)
				})
				f.noKill = tt.noKill
				sess := f.session()
				st := Statement{SQL: "INSERT INTO t SELECT 1", ID: NewID()}
				f.mu.Lock()
				f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
					if tt.holdTo != "" && r.URL.Path == tt.holdTo && r.Header.Get("X-Databend-Query-Id") == st.ID {
						rec := &discard{header: http.Header{}}
						next(rec, r)
						f.mu.Lock()
						q := f.queries[st.ID]
						f.mu.Unlock()
						<-q.done
						f.page(w, q, 0)
						return
					}
					next(w, r)
				}
				f.mu.Unlock()
				ctx, cancel := context.WithCancel(t.Context())
				if tt.timeout {
					ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
				}
				defer cancel()
				if !tt.timeout {
					go func() {
						for {
							f.mu.Lock()
							q := f.queries[st.ID]
							f.mu.Unlock()
							if q != nil {
								<-q.Started
								cancel()
								return
							}
							time.Sleep(time.Millisecond)
						}
					}()
				}
				_, err := sess.Exec(ctx, st)
				if kindOf(err) != tt.kind || (err == nil) != (tt.kind == "") {
					t.Errorf("got %v, want %q", err, tt.kind)
				}
				if tt.kind == KindCanceled && !errors.Is(err, context.Canceled) || tt.kind == KindTimeout && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want it to be the context's error too", err)
				}
				want := []string{f.query(st.ID).Session}
				if tt.noKill {
					want = []string{"uri"}
				}
				if got := slices.Compact(f.killed()); !cmp.Equal(got, want) {
					t.Errorf("got kills %q, want %q", got, want)
				}
			})
		})
	}
}

func TestTimeoutPerStatement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, (*fakeQuery).wait)
		cfg := f.config()
		cfg.Timeout = 100 * time.Millisecond
		sess := f.connect(cfg).Session(nil)
		_, err := sess.Exec(t.Context(), Statement{SQL: "INSERT"})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != KindTimeout || !strings.Contains(e.Advice, "--timeout") || len(f.killed()) == 0 {
			t.Errorf("got %v, kills %q; want a timeout that killed it", err, f.killed())
		}
	})
}

func TestEndedBeforeItWasSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, nil)
		sess := f.session()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := sess.Exec(ctx, Statement{SQL: "DROP TABLE t"}); kindOf(err) != KindCanceled {
			t.Errorf("got %v, want Canceled", err)
		}
		if len(f.sql()) != 0 {
			t.Error("it was sent")
		}
	})
}

// Nobody answers any more: the wait is bounded and the outcome unknown.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	for name, canceled := range map[string]bool{"canceled": true, "waited for": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, (*fakeQuery).wait)
				sess := f.session()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f.mu.Lock()
				f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
					if strings.Contains(r.URL.Path, "/page/") {
						if canceled {
							cancel()
						}
						<-r.Context().Done()
						panic(http.ErrAbortHandler)
					}
					next(w, r)
				}
				f.mu.Unlock()
				start := time.Now()
				_, err := sess.Exec(ctx, Statement{SQL: "INSERT"})
				if !IsUnknownOutcome(err) {
					t.Errorf("got %v, want an unknown outcome", err)
				}
				if took := time.Since(start); took > sess.srv.patience.page+sess.srv.patience.silence {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// Something between keeps the connection open and answers nothing, once: the statement's answer is asked for beside it, or again.
func TestSwallowedAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do      func(*fakeQuery)
		swallow func(r *http.Request, next http.HandlerFunc) bool
		unknown bool
		within  time.Duration
	}{
		"of the POST": {nil, func(r *http.Request, next http.HandlerFunc) bool {
			if r.Method == http.MethodPost {
				next(&discard{header: http.Header{}}, r)
			}
			return r.Method == http.MethodPost
		}, false, 20 * time.Second},
		"of a POST that still runs": {func(*fakeQuery) { time.Sleep(2 * time.Minute) }, func(r *http.Request, next http.HandlerFunc) bool {
			if r.Method == http.MethodPost {
				next(&discard{header: http.Header{}}, r)
			}
			return r.Method == http.MethodPost
		}, false, 2*time.Minute + 5*time.Second},
		"with the POST": {nil, func(r *http.Request, _ http.HandlerFunc) bool { return r.Method == http.MethodPost }, true, 100 * time.Second},
		"of a page": {func(*fakeQuery) { time.Sleep(time.Second) }, func(r *http.Request, next http.HandlerFunc) bool {
			return strings.Contains(r.URL.Path, "/page/")
		}, false, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, tt.do)
				sess := f.session()
				var swallowed atomic.Bool
				f.mu.Lock()
				f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
					if strings.HasSuffix(r.URL.Path, "/id-1") || isControl(r) || swallowed.Load() || !tt.swallow(r, next) {
						next(w, r)
						return
					}
					swallowed.Store(true)
					_, _ = io.Copy(io.Discard, r.Body) // only then the server sees the connection end
					<-r.Context().Done()
				}
				f.mu.Unlock()
				start := time.Now()
				_, err := sess.Exec(t.Context(), Statement{SQL: "INSERT", ID: "id-1"})
				if IsUnknownOutcome(err) != tt.unknown || err != nil != tt.unknown {
					t.Errorf("got %v, want unknown: %v", err, tt.unknown)
				}
				if took := time.Since(start); took > tt.within {
					t.Errorf("took %s, want %s", took, tt.within)
				}
			})
		})
	}
}

// An answer that begins to come is waited for, however slow its link: it is not asked for again.
func TestSlowAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, nil)
		sess := f.session()
		f.mu.Lock()
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.Method != http.MethodPost || isControl(r) {
				next(w, r)
				return
			}
			rec := httptest.NewRecorder()
			next(rec, r)
			w.Header().Set("Content-Type", "application/json")
			for _, b := range rec.Body.Bytes() {
				_, _ = w.Write([]byte{b})
				_ = http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
			}
		}
		f.mu.Unlock()
		start := time.Now()
		if _, err := sess.Exec(t.Context(), Statement{SQL: "INSERT", ID: "id-1"}); err != nil || time.Since(start) < 30*time.Second {
			t.Errorf("got %v after %s, want the slow answer", err, time.Since(start))
		}
		time.Sleep(time.Second)
		if n := f.count("GET /v1/query/id-1"); n != 1 { // its final
			t.Errorf("asked %d times beside an answer that was coming", n-1)
		}
	})
}

// The POST's connection is dead, the server has ended the statement, and its answer never comes.
func TestEndedButAnswerNeverComes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, (*fakeQuery).wait)
		sess := f.session()
		st := Statement{SQL: "INSERT", ID: NewID()}
		ctx, cancel := context.WithCancel(t.Context())
		f.mu.Lock()
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.Method == http.MethodPost && r.Header.Get("X-Databend-Query-Id") == st.ID {
				next(&discard{header: http.Header{}}, r)
				cancel()
				<-r.Context().Done()
				return
			}
			next(w, r)
		}
		f.mu.Unlock()
		if _, err := sess.Exec(ctx, st); kindOf(err) != KindCanceled {
			t.Errorf("got %v, want Canceled: page 0 tells", err)
		}
	})
}

func TestSettle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, func(q *fakeQuery) {
			close(q.Started)
			q.wait()
		})
		sess := f.session()
		st := Statement{SQL: "INSERT", ID: NewID()}
		result := make(chan error, 1)
		go func() {
			_, err := sess.Exec(context.WithoutCancel(t.Context()), st)
			result <- err
		}()
		other := f.connect(f.config())
		for {
			running, err := other.Running(t.Context(), st.ID)
			if err != nil {
				t.Fatal(err)
			}
			if running {
				break
			}
		}
		if err := other.Settle(t.Context(), st.ID); err != nil {
			t.Fatal(err)
		}
		if running, err := other.Running(t.Context(), st.ID); err != nil || running {
			t.Errorf("got %v, %v; want it not to run", running, err)
		}
		// The owner is told by the server, not by itself.
		if err := <-result; kindOf(err) != "AbortedQuery" {
			t.Errorf("got %v, want AbortedQuery", err)
		}
		if err := other.Settle(t.Context(), "no'such"); err == nil {
			t.Error("a text that is no query id was taken")
		}
	})
}

// A server that goes away and does not come back is not waited for without end, whether its port is closed or answers nothing, or a
// proxy answers in its place.
func TestSettleGivesUpASilentServer(t *testing.T) {
	for name, silence := range map[string]func(f *fake){
		"gone": func(f *fake) { f.Server.Close() },
		"deaf": func(f *fake) {
			f.hurt = func(_ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
				_, _ = io.Copy(io.Discard, r.Body) // only then is the client's leaving seen
				<-r.Context().Done()
			}
		},
		"a proxy": func(f *fake) {
			f.hurt = func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { w.WriteHeader(http.StatusBadGateway) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, nil)
				srv := f.session().srv
				srv.transport.(*http.Transport).CloseIdleConnections()
				silence(f)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				err := srv.Settle(ctx, NewID())
				if took := time.Since(start); err == nil || ctx.Err() != nil || took > 3*defaultPatience.unheard {
					t.Errorf("got %v after %s, want an error within %s", err, took, 3*defaultPatience.unheard)
				}
			})
		})
	}
}

func TestSettleWaitsForWhatCannotBeKilled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, (*fakeQuery).wait)
		f.noKill = true
		sess := f.session()
		st := Statement{SQL: "INSERT", ID: NewID()}
		go func() { _, _ = sess.Exec(context.WithoutCancel(t.Context()), st) }()
		other := f.connect(f.config())
		for running := false; !running; {
			running, _ = other.Running(t.Context(), st.ID)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := other.Settle(ctx, st.ID); !errors.Is(err, context.DeadlineExceeded) || !IsCode(err, 1063) {
			t.Errorf("got %v, want the deadline and the refusal", err)
		}
		f.mu.Lock()
		close(f.queries[st.ID].Release)
		f.mu.Unlock()
		if err := other.Settle(t.Context(), st.ID); err != nil {
			t.Error(err)
		}
	})
}

// KILL takes a privilege. A statement of our own whose answer was lost is ended without it, by its session.
func TestSettleWithoutThePrivilege(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, (*fakeQuery).wait)
		f.noKill = true
		sess := f.session()
		st := Statement{SQL: "INSERT", ID: NewID()}
		lose := atomic.Bool{}
		lose.Store(true)
		f.mu.Lock()
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if lose.Load() && strings.HasPrefix(r.URL.Path, "/v1/query") && r.Header.Get("X-Databend-Query-Id") == st.ID {
				dropAfter(r, next)
			}
			next(w, r)
		}
		f.mu.Unlock()
		if _, err := sess.Exec(t.Context(), st); !IsUnknownOutcome(err) {
			t.Fatalf("got %v, want an unknown outcome", err)
		}
		lose.Store(false)
		if running, err := sess.srv.Running(t.Context(), st.ID); err != nil || !running {
			t.Fatalf("got %v, %v; want it to run", running, err)
		}
		if err := sess.srv.Settle(t.Context(), st.ID); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(f.killed(), []string{"uri"}); diff != "" {
			t.Errorf("kills (-got +want):\n%s", diff)
		}
	})
}

// The driver prints "query canceled…" to stdout and logs SQL; none of it may reach the output.
func TestNothingOnStdout(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	f := newFake(t, func(q *fakeQuery) { q.tick(stats{}); q.wait() })
	sess := f.session()
	ctx, cancel := context.WithCancel(t.Context())
	_, err1 := sess.Exec(ctx, Statement{SQL: "INSERT", Progress: func(Progress) { cancel() }})
	_, err2 := sess.Query(ctx, Statement{SQL: "SELECT"})
	sess.srv.Close()
	os.Stdout, os.Stderr = stdout, stderr
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	printed, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(printed) > 0 || kindOf(err1) != KindCanceled || kindOf(err2) != KindCanceled {
		t.Errorf("printed %q; got %v, %v", printed, err1, err2)
	}
}

func TestErrorsPointAtTheFile(t *testing.T) {
	t.Parallel()
	const sql = "CREATE CONNECTION c\n  SECRET_ACCESS_KEY = {{ secret \"KEY\" }} STORAGE_TIP = 's3'\n  PASSWORD = 'literal-one'"
	const sent = "CREATE CONNECTION c\n  SECRET_ACCESS_KEY = 'it\\'s a \\\\ long value' STORAGE_TIP = 's3'\n  PASSWORD = 'literal-one'"
	f := newFake(t, func(q *fakeQuery) {
		q.Err = &serverError{Code: 1005, Message: "error: \n  --> SQL:2:47\n  |\n1 | CREATE CONNECTION c\n  | ------ while parsing `CREATE CONNECTION ...`\n" +
			"2 |   SECRET_ACCESS_KEY = 'it\\'s a \\\\ long value' STORAGE_TIP = 's3'\n" +
			"  |                                               ^^^^^^^^^^^ unexpected `STORAGE_TIP` near 'it\\'s a \\\\ long value' and 'literal-one'\n" +
			"  |                                                          expecting `STORAGE_TYPE`\n\n<Backtrace disabled by default."}
	})
	sess := f.session()
	st := Statement{SQL: sql, Secrets: secret.Set{"KEY": secret.New(`it's a \ long value`)}, Place: sqltext.Place{File: "migrations/1.sql", Line: 10, Column: 3}, ID: NewID()}
	_, err := sess.Exec(t.Context(), st)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.sql(), []string{sent}); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
	want := Error{
		Kind: "SyntaxException", Code: 1005, Name: "SyntaxException", QueryID: st.ID,
		Message: "unexpected `STORAGE_TIP` near '[redacted]' and '[redacted]' expecting `STORAGE_TYPE`",
		SQL:     strings.ReplaceAll(sql, "'literal-one'", "'[redacted]'"),
		Place:   sqltext.Place{File: "migrations/1.sql", Line: 11, Column: 43},
		Caret:   "  SECRET_ACCESS_KEY = {{ secret \"KEY\" }} STORAGE_TIP = 's3'\n                                         ^",
		Advice:  e.Advice, Err: e.Err,
	}
	want.Column = strings.Index("  SECRET_ACCESS_KEY = {{ secret \"KEY\" }} STORAGE_TIP", "STORAGE_TIP") + 1
	if diff := cmp.Diff(*e, want, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
		t.Errorf("error (-got +want):\n%s", diff)
	}
	st.ID, st.At = "", func(offset int) sqltext.Place { return sqltext.Place{Line: 100, Column: offset} }
	_, err = sess.Exec(t.Context(), st)
	if e, ok := errors.AsType[*Error](err); !ok || e.Line != 100 || e.Column != strings.Index(sql, "STORAGE_TIP") {
		t.Errorf("got %v, want the place that At says", err)
	}
}
