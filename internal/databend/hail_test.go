package databend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hailed connects while a gate holds the login back, and runs a reading statement and a writing one meanwhile.
func hailed(t *testing.T, f *fake, login http.HandlerFunc) (sent []string, read, wrote error) {
	t.Helper()
	asked := make(chan struct{})
	hurt := f.hurt
	f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.URL.Path == "/v1/session/login" {
			<-asked // the read came before it
			if login != nil {
				login(w, r)
				return
			}
		}
		if hurt != nil {
			hurt(w, r, next)
			return
		}
		next(w, r)
	}
	var once atomic.Bool
	f.do = func(q *fakeQuery) {
		if q.SQL == "SELECT 7" && once.CompareAndSwap(false, true) {
			close(asked)
		}
	}
	s, err := Hail(t.Context(), f.config())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	errs := make(chan error)
	for _, st := range []Statement{{SQL: "CREATE TABLE t (a INT)"}, {SQL: "SELECT 7", Reads: true}} {
		sess := s.newSession("", newContract(nil))
		go func() {
			_, err := sess.Query(t.Context(), st)
			if st.Reads {
				read = err
			} else {
				wrote = err
			}
			errs <- nil
		}()
	}
	<-errs
	<-errs
	return f.sql(), read, wrote
}

// What reads goes beside the connecting, what writes behind it.
func TestReadsGoBesideTheConnecting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sent, read, wrote := hailed(t, newFake(t, nil), nil)
		if read != nil || wrote != nil {
			t.Errorf("got %v and %v, want no error", read, wrote)
		}
		if diff := cmp.Diff([]string{"SELECT 7", "CREATE TABLE t (a INT)"}, sent); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
	})
}

// A connection that is refused is the answer to everything, whatever the server said to what went ahead; and nothing is written.
func TestNoServerForWhatWentAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sent, read, wrote := hailed(t, newFake(t, nil), func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":{"code":"401","message":"wrong password"}}`, http.StatusUnauthorized)
		})
		for what, err := range map[string]error{"read": read, "write": wrote} {
			if _, ok := errors.AsType[*NoServer](err); !ok || kindOf(err) != KindAuth {
				t.Errorf("%s: got %v, want a NoServer of %s", what, err, KindAuth)
			}
		}
		if diff := cmp.Diff([]string{"SELECT 7"}, sent); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
	})
}

// What went ahead of a connection that is refused is not waited for: a page for people answers it for ever.
func TestNothingIsWaitedForWithoutServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.hurt = func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			_, _ = io.WriteString(w, "<html></html>")
		}
		s, err := Hail(t.Context(), f.config())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		start := time.Now()
		_, err = s.newSession("", newContract(nil)).Query(t.Context(), Statement{SQL: "SELECT 7", Reads: true})
		if _, ok := errors.AsType[*NoServer](err); !ok || time.Since(start) > time.Second {
			t.Errorf("got %v after %s, want a NoServer at once", err, time.Since(start))
		}
	})
}

// A read that met the server still asleep is sent again when it is awake.
func TestReadsAgainWhenAwake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(t, func(*fakeQuery) {})
		var naps atomic.Int32
		f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if r.URL.Path == "/v1/query" && naps.Add(1) <= 2 { // the question and the read
				http.Error(w, "starting", http.StatusServiceUnavailable)
				return
			}
			next(w, r)
		}
		s, err := Hail(t.Context(), f.config())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.newSession("", newContract(nil)).Query(t.Context(), Statement{SQL: "SELECT 7", Reads: true}); err != nil {
			t.Errorf("got %v, want no error", err)
		}
	})
}

// A read is sent again while the server is not heard, as long as one waits for a connection; a write is not.
func TestReadsAgainWhileNotHeard(t *testing.T) {
	const wait = 10 * time.Second
	hurts := map[string]http.HandlerFunc{
		"starts": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "starting", http.StatusServiceUnavailable) },
		"busy":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "slower", http.StatusTooManyRequests) },
		"lost":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, hurt := range hurts {
		for _, away := range []time.Duration{wait / 2, time.Hour} {
			t.Run(fmt.Sprintf("%s for %s", name, away), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					f := newFake(t, func(*fakeQuery) {})
					sess := f.session()
					back := time.Now().Add(away)
					f.mu.Lock()
					f.hurt = func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
						if time.Now().Before(back) {
							hurt(w, r)
							return
						}
						next(w, r)
					}
					f.mu.Unlock()
					_, err := sess.Query(t.Context(), Statement{SQL: "SELECT 7", Reads: true})
					if e, ok := errors.AsType[*Error](err); away < wait && err != nil || away > wait && (!ok || e.Kind != KindUnreachable || e.Advice == "") {
						t.Errorf("got %v", err)
					}
					if _, err := sess.Query(t.Context(), Statement{SQL: "INSERT INTO t VALUES (1)"}); away > wait && err == nil {
						t.Error("a write got no error")
					}
				})
			})
		}
	}
}
