package databendtest

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// Far is a way to a server that takes time, and counts: every byte is half a round trip under way, and a new connection costs one
// round trip more, as its handshake would.
type Far struct {
	Config databend.Config // leads to the server over the long way

	trip   time.Duration
	target string
	mu     sync.Mutex
	counts map[string]int
	start  time.Time // of the path
	path   []string
}

// NewFar puts a round trip of that length between a client with Config and e's server. The way ends with the test.
func NewFar(t testing.TB, e *Env, trip time.Duration) *Far {
	t.Helper()
	if !e.Config.Plain {
		t.Skip("the way to a server is measured without TLS")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	target := net.JoinHostPort(e.Config.Host, fmt.Sprint(e.Config.Port))
	f := &Far{start: time.Now(), Config: e.Config, trip: trip, target: target, counts: map[string]int{}}
	f.Config.Host, f.Config.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	go func() {
		for n := 1; ; n++ {
			client, err := l.Accept()
			if err != nil {
				return
			}
			f.count("connection")
			go f.serve(client, n)
		}
	}()
	return f
}

// Counts are the connections, and the requests by kind, since the last call.
func (f *Far) Counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := f.counts
	f.counts = map[string]int{}
	return counts
}

func (f *Far) count(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[what]++
}

// Path is what was asked since the last call, when, and when the answer was there, by the client's clock: the critical path, to be read.
func (f *Far) Path() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := f.path
	f.path, f.start = nil, time.Now()
	return path
}

// answered notes a request whose answer the client has in a moment.
func (f *Far) answered(connection int, a asked) {
	f.mu.Lock()
	defer f.mu.Unlock()
	trips := func(t time.Time) float64 { return float64(t.Sub(f.start)) / float64(max(f.trip, 1)) }
	what := a.kind
	if _, text, ok := bytes.Cut(a.sent, []byte(`"sql":"`)); ok {
		what = string(text)
	}
	f.path = append(f.path, fmt.Sprintf("%6.2f to %6.2f  #%-2d %s", trips(a.at), trips(time.Now().Add(f.trip/2)), connection, what))
}

// asked is the last request of a connection.
type asked struct {
	kind string
	sent []byte
	at   time.Time
}

func (f *Far) serve(client net.Conn, n int) {
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		_ = client.Close()
		return
	}
	made := time.Now().Add(f.trip) // until then the client would still be connecting
	var mu sync.Mutex
	var last asked
	go f.pipe(client, server, time.Time{}, func([]byte) {
		mu.Lock()
		defer mu.Unlock()
		if last.kind != "" {
			f.answered(n, last)
		}
		last = asked{}
	})
	f.pipe(server, client, made, func(data []byte) {
		mu.Lock()
		defer mu.Unlock()
		if what := kindOf(data); what != "" {
			f.count(what)
			last = asked{kind: what, at: time.Now()}
		}
		last.sent = append(last.sent, data...)
	})
}

// pipe carries what comes from one side to the other, each piece half a trip later than it was written, and none written before a
// time.
func (f *Far) pipe(to, from net.Conn, notBefore time.Time, see func([]byte)) {
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 64<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				due := time.Now()
				if due.Before(notBefore) {
					due = notBefore
				}
				pieces <- piece{buffer[:n], due.Add(f.trip / 2)}
				see(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	for range pieces { // its reader ends when from does
	}
	if c, ok := to.(*net.TCPConn); ok {
		_ = c.CloseWrite()
	}
}

// kindOf is what a request that begins here asks for, "" where none begins.
func kindOf(data []byte) string {
	line, _, _ := bytes.Cut(data, []byte("\r\n"))
	method, rest, _ := bytes.Cut(line, []byte(" "))
	path, _, ok := bytes.Cut(rest, []byte(" "))
	switch {
	case !ok || !bytes.HasPrefix(rest, []byte("/v1/")): // the middle of a request
		return ""
	case string(method) == "POST" && string(path) == "/v1/query":
		return "statement"
	case bytes.HasPrefix(path, []byte("/v1/session/login")):
		return "login"
	case bytes.HasSuffix(path, []byte("/logout")):
		return "logout"
	case bytes.HasSuffix(path, []byte("/final")):
		return "final"
	case string(method) == "GET":
		return "page"
	}
	return ""
}
