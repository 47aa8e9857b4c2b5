package databend

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/secret"
)

func kindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// A login and a first question, beside each other; then a session costs nothing before its first statement, and its end nothing.
func TestWhatConnectAndSessionsCost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, func(q *fakeQuery) {})
		together := make(chan struct{})
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			switch r.URL.Path {
			case "/v1/query": // the question is answered when the login has come
				<-together
			case "/v1/session/login":
				close(together)
			}
			next(w, r)
		}
		cfg := f.config()
		cfg.Database, cfg.Role, cfg.Settings = "citydrive", "loader", map[string]string{"week_start": "0"}
		s := f.connect(cfg)
		want := []fakeLogin{{
			Database: "citydrive", Role: "loader", Settings: map[string]string{"week_start": "0"},
			Auth: "Basic cm9vdDpwdw==", Agent: "databend-go/0.9.3 (dbctl/test)",
		}}
		if diff := cmp.Diff(f.logins, want); diff != "" {
			t.Errorf("logins (-got +want):\n%s", diff)
		}
		if got := s.Requests(); got != 1 {
			t.Errorf("got %d requests for Connect, want 1", got)
		}
		used := s.Session(nil)
		unused := s.Session(map[string]string{"query_tag": "x"})
		if _, err := used.Exec(t.Context(), Statement{SQL: "CREATE TABLE t (a INT)"}); err != nil {
			t.Fatal(err)
		}
		for _, sess := range []*Session{used, used, unused} {
			sess.Close()
		}
		s.Close()
		for what, want := range map[string]int{
			"POST /v1/session/login": 1, "POST /v1/query": 2,
			"POST /v1/session/logout": 2, // the question's and the used one's
			"POST /v1/verify":         0,
		} {
			f.settled(t, what, want)
		}
	})
}

// What only frees memory is not waited for, and comes all the same: with the next statement, or at the end.
func TestNobodyWaitsForFinal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, func(q *fakeQuery) {})
		hold := make(chan struct{})
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if strings.HasSuffix(r.URL.Path, "/final") || r.URL.Path == "/v1/session/logout" {
				<-hold
			}
			next(w, r)
		}
		t.Cleanup(sync.OnceFunc(func() { close(hold) }))
		s := f.connect(f.config())
		sess := s.Session(nil)
		start := time.Now()
		var ids []string
		for range 3 {
			res, err := sess.Exec(t.Context(), Statement{SQL: "INSERT INTO t VALUES (1)"})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, res.ID)
		}
		s.Close()
		if took := time.Since(start); took > s.patience.last {
			t.Errorf("took %s: somebody waited", took)
		}
		for _, id := range ids {
			f.settled(t, "GET /v1/query/"+id+"/final", 1)
		}
	})
}

func TestConnectWaitsForASleepingWarehouse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, func(q *fakeQuery) {})
		var login atomic.Int32
		var provisioned atomic.Bool
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			switch {
			case r.URL.Path == "/v1/session/login" && login.Add(1) <= 2:
				w.WriteHeader(http.StatusServiceUnavailable)
			case r.URL.Path == "/v1/session/login" && login.Load() == 3:
				w.WriteHeader(http.StatusBadGateway)
			case r.URL.Path == "/v1/session/login" && login.Load() == 4:
				panic(http.ErrAbortHandler)
			case r.URL.Path == "/v1/query" && !provisioned.Load():
				writeJSON(w, 500, map[string]string{"error": "ProvisionWarehouseTimeout", "message": "still starting"})
			default:
				next(w, r)
			}
		}
		cfg := f.config()
		var lines []string
		cfg.Warn = func(line string) {
			lines = append(lines, line)
			provisioned.Store(strings.Contains(line, "is starting"))
		}
		s := f.connect(cfg)
		want := []string{
			"waiting up to 10s for " + s.Host() + ": HTTP 503",
			"waiting up to 10s for " + s.Host() + ": HTTP 502",
			"waiting up to 10s for " + s.Host() + ": no answer",
			"waiting up to 10s for " + s.Host() + ": the warehouse is starting",
		}
		if diff := cmp.Diff(lines, want); diff != "" {
			t.Errorf("lines (-got +want):\n%s", diff)
		}
	})
}

func TestConnectGivesUpAfterConnectTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.Server.Close()
		waited := 0
		cfg := f.config()
		cfg.Warn = func(string) { waited++ }
		start := time.Now()
		_, err := Connect(t.Context(), cfg)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != KindUnreachable || !strings.Contains(e.Message, "connection refused") || e.Advice == "" {
			t.Errorf("got %v, want Unreachable: connection refused, with a hint", err)
		}
		if waited != 1 {
			t.Errorf("got %d lines, want 1", waited)
		}
		if took := time.Since(start).Round(time.Second); took != cfg.ConnectTimeout {
			t.Errorf("gave up after %s, want %s", took, cfg.ConnectTimeout)
		}
	})
}

// What answers the login as Databend does but not the query is not trusted: a captive portal would let a migration "succeed".
func TestConnectTrustsOnlyDatabend(t *testing.T) {
	t.Parallel()
	for name, answer := range falseAnswers {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, nil)
				f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
					if strings.HasPrefix(r.URL.Path, "/v1/query") {
						answer(w)
						return
					}
					next(w, r)
				}
				_, err := Connect(t.Context(), f.config())
				if kindOf(err) != KindUnreachable {
					t.Errorf("got %v, want Unreachable", err)
				}
			})
		})
	}
}

var falseAnswers = map[string]func(w http.ResponseWriter){
	"html": func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>please log in</html>"))
	},
	"empty object": func(w http.ResponseWriter) { writeJSON(w, 200, map[string]any{}) },
	"message":      func(w http.ResponseWriter) { writeJSON(w, 200, map[string]any{"message": "maintenance"}) },
	"another id":   func(w http.ResponseWriter) { writeJSON(w, 200, map[string]any{"id": NewID(), "state": "Succeeded"}) },
	"no next page": func(w http.ResponseWriter) { writeJSON(w, 200, map[string]any{"id": "id-1", "state": "Running"}) },
	"nothing":      func(w http.ResponseWriter) { w.Header()["Content-Type"] = nil },
	"empty JSON":   func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") },
	"cut body": func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"id":"`))
		panic(http.ErrAbortHandler)
	},
	"bad gateway": func(w http.ResponseWriter) { http.Error(w, "bad gateway", http.StatusBadGateway) },
	"error 500":   func(w http.ResponseWriter) { refuse(w, 500, 1001, "internal") },
	"dropped":     func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	var told atomic.Int64 // requests that reached another host
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	t.Cleanup(other.Close)
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, _ = z.Write(make([]byte, 1<<24))
	_ = z.Close()
	for name, test := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"a redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, "a redirect"},
		"a body without an end, packed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			for { // a gzip file may have any number of members
				if _, err := w.Write(member.Bytes()); err != nil {
					return
				}
			}
		}, "larger than"},
		"a page for people":          {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>\x1b[2J</html>") }, "not as Databend does"},
		"a proxy that forbids":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "not as Databend does"},
		"a proxy that wants a login": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }, "not as Databend does"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(t, nil)
				f.hurt = func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { test.serve(w, r) }
				cfg := f.config()
				cfg.ConnectTimeout = 2 * time.Minute // none is tried again
				s, err := Connect(t.Context(), cfg)
				if err == nil {
					s.Close()
				}
				if err == nil || !strings.Contains(err.Error(), test.want) || told.Load() > 0 {
					t.Errorf("got %v, and %d requests elsewhere", err, told.Load())
				}
			})
		})
	}
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	refusing := func(status, code int, message string) *fake {
		f := newFake(t, nil)
		f.hurt = func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { refuse(w, status, code, message) }
		return f
	}
	https := httptest.NewUnstartedServer(http.NotFoundHandler())
	https.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about clients that do not trust it
	https.StartTLS()
	redirect := httptest.NewServer(http.RedirectHandler("https://elsewhere.invalid/", http.StatusMovedPermanently))
	t.Cleanup(https.Close)
	t.Cleanup(redirect.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	notTLS := configOf(t, plain)
	notTLS.Plain = false
	untrusted := configOf(t, https)
	untrusted.Host = "localhost"
	for name, tt := range map[string]struct {
		cfg   Config
		kind  Kind
		code  int
		words []string
	}{
		"password":         {refusing(401, 5100, "Authenticate failure: wrong password").config(), KindAuth, 5100, []string{"wrong password"}},
		"unknown database": {refusing(400, 1003, "Unknown database 'x'").config(), "UnknownDatabase", 1003, []string{"Unknown database 'x' (1003 UnknownDatabase)"}},
		"unknown setting":  {refusing(400, 2801, "Unknown variable: \"sslmod\"").config(), "UnknownVariable", 2801, []string{"sslmod"}},
		"no such host":     {Config{Host: "dbctl.invalid", User: "u"}, KindUnreachable, 0, []string{"no such host"}},
		"certificate":      {untrusted, KindUnreachable, 0, []string{"certificate"}},
		"not TLS":          {notTLS, KindUnreachable, 0, []string{"does not speak TLS"}},
		"redirect":         {configOf(t, redirect), KindUnreachable, 0, []string{"301"}},
		"no user":          {Config{Host: "h"}, KindAuth, 0, []string{"user"}},
		"no host":          {Config{User: "u"}, KindUnreachable, 0, []string{"host"}},
		"token file":       {Config{Host: "127.0.0.1", Plain: true, AccessTokenFile: filepath.Join(t.TempDir(), "none")}, KindAuth, 0, []string{"access_token_file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.cfg.ConnectTimeout = time.Minute // none of these passes, so none is waited for
			_, err := Connect(t.Context(), tt.cfg)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Kind != tt.kind || e.Code != tt.code {
				t.Fatalf("got %#v, want kind %s, code %d", err, tt.kind, tt.code)
			}
			for _, w := range tt.words {
				if !strings.Contains(e.Error(), w) {
					t.Errorf("got %q, want it to say %q", e.Error(), w)
				}
			}
			if e.Advice == "" && name != "token file" {
				t.Error("got no hint")
			}
		})
	}
}

func TestConnectIsCanceled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		f.hurt = func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
			cancel()
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, err := Connect(ctx, f.config())
		if kindOf(err) != KindCanceled || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
	})
}

func TestDatabaseThatAMigrationCreates(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(q *fakeQuery) {})
	exists := atomic.Bool{}
	f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.URL.Path == "/v1/session/login" && !exists.Load() {
			rec := httptest.NewRecorder()
			next(rec, r)
			f.mu.Lock()
			unknown := f.logins[len(f.logins)-1].Database != ""
			f.mu.Unlock()
			if unknown {
				refuse(w, 400, 1003, "Unknown database 'soon'")
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: "s"})
			writeJSON(w, 200, map[string]any{"version": "x"})
			return
		}
		next(w, r)
	}
	cfg := f.config()
	cfg.Database = "soon"
	if _, err := Connect(t.Context(), cfg); !IsCode(err, 1003) {
		t.Fatalf("got %v, want 1003", err)
	}
	cfg.MayLackDatabase = func() bool { return true }
	s := f.connect(cfg)
	exists.Store(true)
	sess := s.Session(nil)
	if _, err := sess.Exec(t.Context(), Statement{SQL: "CREATE TABLE t (a INT)"}); err != nil {
		t.Fatal(err)
	}
	if got := f.posts[len(f.posts)-1].Database; got != "soon" {
		t.Errorf("got a statement in %q, want one in the database that exists by now", got)
	}
}

func TestTokenIsReadAgainAfter401(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		write := func(content string) {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Error(err)
			}
		}
		write("first-token\n\n")
		f := newFake(t, func(q *fakeQuery) {})
		var refused atomic.Int32
		var late sync.Once
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if refused.Load() == 2 {
				refuse(w, 401, 5100, "revoked")
				return
			}
			if refused.Load() == 1 && r.Header.Get("Authorization") != "Bearer second-token" {
				refuse(w, 401, 5100, "the token has expired")
				late.Do(func() { // the sidecar is late, and does not replace the file at once
					go func() {
						write("")
						time.Sleep(100 * time.Millisecond)
						write("access_token = \"second-token\"\n")
					}()
				})
				return
			}
			if r.Header.Get("Authorization") != "Bearer first-token" && refused.Load() == 0 {
				refuse(w, 401, 5100, "wrong token")
				return
			}
			next(w, r)
		}
		cfg := f.config()
		cfg.User, cfg.Password, cfg.AccessTokenFile = "", secret.Text{}, file
		s := f.connect(cfg)
		sess := s.Session(nil)
		refused.Store(1)
		id := NewID()
		res, err := sess.Exec(t.Context(), Statement{SQL: "CREATE TABLE t (a INT)", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if res.ID == id || !validID(res.ID) {
			t.Errorf("got id %s, want a new one", res.ID)
		}
		if diff := cmp.Diff(f.sql(), []string{"CREATE TABLE t (a INT)"}); diff != "" {
			t.Errorf("statements that ran (-got +want):\n%s", diff)
		}
		if got := s.cfg.Scrub.String("a first-token and a second-token"); got != "a [redacted] and a [redacted]" {
			t.Errorf("got %q: the tokens of the file must be known to the scrubber", got)
		}
		// The file has no newer token: one answer, no loop.
		refused.Store(2)
		before := f.count("POST /v1/query")
		_, err = sess.Exec(t.Context(), Statement{SQL: "DROP TABLE t"})
		if kindOf(err) != KindAuth {
			t.Errorf("got %v, want Authentication", err)
		}
		if got := f.count("POST /v1/query") - before; got != 1 {
			t.Errorf("got %d POSTs, want 1", got)
		}
	})
}

func TestPasswordMayBeAbsent(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	cfg := f.config()
	cfg.Password = secret.Text{}
	f.connect(cfg)
	if got, want := f.logins[0].Auth, "Basic cm9vdDo="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Other users of the process keep the transport they have, and what the driver sends on its own account reaches nobody.
func TestHookLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.connect(f.config())
	if _, ok := http.DefaultTransport.(*http.Transport); !ok {
		t.Errorf("http.DefaultTransport is a %T", http.DefaultTransport)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	resp, err := http.Post(other.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %s", resp.Status)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+driverHost+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("a request of the driver without its call was sent")
	}
}

func TestManyServersAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 4 {
		name := string(rune('a' + i))
		f := newFake(t, func(q *fakeQuery) { q.Rows = [][]*string{text(name)} })
		wg.Go(func() {
			for range 5 {
				s, err := Connect(t.Context(), f.config())
				if err != nil {
					t.Error(err)
					return
				}
				res, err := s.Session(nil).Query(t.Context(), Statement{SQL: "SELECT name"})
				if err != nil || len(res.Rows) != 1 || res.Rows[0][0].String != name {
					t.Errorf("got %v, %v; want %s", res.Rows, err, name)
				}
				if s.Requests() != 2 {
					t.Errorf("got %d requests, want 2", s.Requests())
				}
				s.Close()
			}
		})
	}
	wg.Wait()
}

func TestOwnCA(t *testing.T) {
	f := newFake(t, func(q *fakeQuery) {})
	server := httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the client that does not trust it
	server.StartTLS()
	t.Cleanup(server.Close)
	cert := server.Certificate()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pemOf(cert.Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	f.connect(configOf(t, server))
	t.Setenv("SSL_CERT_FILE", os.DevNull)
	if _, err := Connect(t.Context(), configOf(t, server)); kindOf(err) != KindUnreachable || !strings.Contains(err.Error(), "PEM") {
		t.Errorf("got %v, want a word about the PEM file", err)
	}
	plain := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(plain.Close)
	f.connect(configOf(t, plain)) // needs no certificate
}
