//go:build linux

package local

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// listening are the TCP sockets, on which somebody of the machine's network can call, of a process and its children. Each process's
// sockets are looked up in the table of our own network: what it opened in another is in none of them.
func listening(t *testing.T, pid int) []int {
	t.Helper()
	inodes := map[string]bool{}
	for _, p := range family(pid) {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p))
		for _, l := range links {
			if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, "socket:[") {
				inodes[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
			}
		}
	}
	var ports []int
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			c := strings.Fields(s.Text())
			if len(c) < 10 || c[3] != "0A" || !inodes[c[9]] {
				continue
			}
			if !strings.HasPrefix(c[1], "0100007F:") {
				t.Errorf("a socket listens beyond the loopback interface: %s", c[1])
			}
			port, err := strconv.ParseInt(c[1][strings.IndexByte(c[1], ':')+1:], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			ports = append(ports, int(port))
		}
	}
	slices.Sort(ports)
	return ports
}

// family is a process and all below it.
func family(pid int) []int {
	all := []int{pid}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range children {
		text, _ := os.ReadFile(file)
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, family(n)...)
			}
		}
	}
	return all
}

// TestListeners lists every port that the daemon and its engine listen on: where the kernel gives the engine a network of its own there
// are three, each behind a password, a signature or a challenge; elsewhere the engine's meta services are the others.
func TestListeners(t *testing.T) {
	dir := t.TempDir()
	e := ensure(t, dir, Options{Buckets: []string{"bucket"}})
	r, err := readRecord(dir)
	if err != nil || r == nil {
		t.Fatalf("no record: %v", err)
	}
	ours := []int{r.Port, r.S3Port, r.Control}
	slices.Sort(ours)
	var others []int
	for _, port := range listening(t, e.PID) {
		if !slices.Contains(ours, port) {
			others = append(others, port)
		}
	}
	if len(others) > 0 == e.Isolated {
		t.Errorf("isolated: %v, and these ports are open beside the front, the store and the control port: %v", e.Isolated, others)
	}
	if got := len(listening(t, e.PID)) - len(others); got != len(ours) {
		t.Errorf("%d of our own three ports are open", got)
	}

	// The engine still reaches what is outside: the store beside it, and a server of this machine.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.csv", time.Unix(1, 0), strings.NewReader("1\n2\n"))
	}))
	defer server.Close()
	if err := e.S3.Put(t.Context(), "bucket", "p/a.csv", []byte("1\n2\n3\n")); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		"SELECT COUNT($1)::STRING FROM '" + server.URL + "/a.csv' (FILE_FORMAT => 'csv')": "2",
		fmt.Sprintf("SELECT COUNT($1)::STRING FROM 's3://bucket/p/' (FILE_FORMAT => 'csv', CONNECTION => (ENDPOINT_URL = '%s', REGION = '%s', ACCESS_KEY_ID = '%s', SECRET_ACCESS_KEY = '%s'))",
			e.S3.Endpoint, e.S3.Region, e.S3.Key, e.S3.Secret.Reveal()): "3",
	} {
		if got, code := query(t, e, sql); got != want || code != 0 {
			t.Errorf("%s: got %q, code %d", strings.ReplaceAll(sql, e.S3.Secret.Reveal(), "…"), got, code)
		}
	}
}

// TestNothingIsInherited: neither the daemon nor its engine has a variable of ours, or a password among its arguments.
func TestNothingIsInherited(t *testing.T) {
	const ours = "Tr0ub4dor-And-Three"
	t.Setenv("AWS_SECRET_ACCESS_KEY", ours)
	t.Setenv("DATABEND_PASSWORD", ours)
	dir := t.TempDir()
	e := ensure(t, dir, Options{Buckets: []string{"bucket"}})
	processes := family(e.PID)
	if len(processes) < 2 {
		t.Fatalf("the daemon has no engine below it: %v", processes)
	}
	for _, pid := range processes {
		for _, file := range []string{"environ", "cmdline"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
			if err != nil || len(text) == 0 {
				t.Errorf("%s of %d: %v", file, pid, err)
			}
			for _, secret := range []string{ours, e.Password.Reveal(), e.S3.Secret.Reveal()} {
				if strings.Contains(string(text), secret) {
					t.Errorf("%s of %d holds a secret", file, pid)
				}
			}
		}
	}
}

// TestFrontReadsNoStrangersBody: a body is read only of who is known.
func TestFrontReadsNoStrangersBody(t *testing.T) {
	e := ensure(t, t.TempDir(), Options{Buckets: []string{"bucket"}})
	body := &endless{}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s:%d/v1/query", e.Host, e.Port), body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 500 << 20
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("HTTP %d", resp.StatusCode)
		}
	}
	if n := body.read.Load(); n > 32<<20 { // what stands in buffers
		t.Errorf("%d bytes of a stranger's body were taken (%v)", n, errors.Join(err))
	}
}

// endless is a body without end.
type endless struct{ read atomic.Int64 }

func (b *endless) Read(p []byte) (int, error) {
	b.read.Add(int64(len(p)))
	return len(p), nil
}
