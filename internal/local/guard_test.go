//go:build unix

package local

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// TestStoreChecks: a signature is of now, over this body, and covers what counts.
func TestStoreChecks(t *testing.T) {
	t.Parallel()
	got := httptest.NewServer(checked(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), "KEY", "SECRET"))
	defer got.Close()
	store := Store{Endpoint: got.URL, Region: region, Key: "KEY", Secret: secret.New("SECRET")}
	for name, test := range map[string]struct {
		at     time.Time
		body   string
		change func(*http.Request)
		want   int
	}{
		"as it should be":        {time.Now(), "body", nil, 200},
		"an hour old":            {time.Now().Add(-time.Hour), "body", nil, 403},
		"an hour ahead":          {time.Now().Add(time.Hour), "body", nil, 403},
		"another body":           {time.Now(), "evil", nil, 400},
		"a header not signed":    {time.Now(), "body", func(r *http.Request) { r.Header.Set("X-Amz-Copy-Source", "/b/k") }, 403},
		"the host not signed":    {time.Now(), "body", func(r *http.Request) { change(r, "SignedHeaders=host;", "SignedHeaders=") }, 403},
		"another day's":          {time.Now(), "body", func(r *http.Request) { change(r, "Credential=KEY/2", "Credential=KEY/1") }, 403},
		"another hash":           {time.Now(), "body", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, 403},
		"no date":                {time.Now(), "body", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 403},
		"anonymous":              {time.Now(), "body", func(r *http.Request) { r.Header.Del("Authorization") }, 403},
		"presigned for ever":     {time.Now(), "body", presign(99999999), 400},
		"presigned for the past": {time.Now(), "body", presign(-5), 400},
	} {
		r, err := http.NewRequest(http.MethodPut, got.URL+"/b/k", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		sign(r, store, []byte("body"), test.at)
		if test.change != nil {
			test.change(r)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("%s: HTTP %d, want %d", name, resp.StatusCode, test.want)
		}
	}
}

func change(r *http.Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

func presign(seconds int) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del("Authorization")
		r.URL.RawQuery = "X-Amz-Algorithm=" + algorithm + "&X-Amz-Credential=KEY&X-Amz-SignedHeaders=host&X-Amz-Signature=x&X-Amz-Date=" +
			time.Now().UTC().Format(amzTime) + "&X-Amz-Expires=" + strconv.Itoa(seconds)
	}
}

// TestDaemonProvesItself: whoever took a dead daemon's port, or came with a dev.json in a project's folder, gets neither the password nor
// a statement: he cannot answer a fresh challenge, not even with what he heard before.
func TestDaemonProvesItself(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	key, err := userKey()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := userKey(); err != nil || string(again) != string(key) {
		t.Fatalf("the key changed: %v", err)
	}
	var asked []string
	var answer func(r *http.Request) string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the password was sent")
		}
		asked = append(asked, r.URL.Query().Get("challenge"))
		_, _ = io.WriteString(w, answer(r))
	}))
	defer server.Close()
	r := &record{Control: portOf(server.URL), Port: 1, Password: "p", Echo: "e"}

	answer = func(q *http.Request) string { return r.proof(key, q.URL.Query().Get("challenge")) }
	if !r.alive(t.Context()) {
		t.Fatal("the daemon itself is not known")
	}
	heard := r.proof(key, asked[0])
	for name, a := range map[string]func(*http.Request) string{
		"the echo":      func(*http.Request) string { return "e" },
		"an old answer": func(*http.Request) string { return heard },
		"nothing":       func(*http.Request) string { return "" },
		"another key":   func(q *http.Request) string { return r.proof([]byte("other"), q.URL.Query().Get("challenge")) },
		"another engine": func(q *http.Request) string {
			other := *r
			other.Port = 2
			return other.proof(key, q.URL.Query().Get("challenge"))
		},
	} {
		answer = a
		if r.alive(t.Context()) {
			t.Errorf("%s is taken for a proof", name)
		}
	}
	if len(asked) < 2 || asked[0] == asked[1] {
		t.Error("the challenge is no fresh one")
	}
}

// TestFolderIsOurs: a .dbctl that came with the project, as a link or with links in it, is refused, and what is open to others is closed.
func TestFolderIsOurs(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	dir := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(dir, folder)); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Join(dir, folder, "name")} {
		if err := prepareFolder(d); err == nil {
			t.Errorf("%s: a link was taken for .dbctl", d)
		}
	}
	open := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(open, folder), 0o777), os.Chmod(filepath.Join(open, folder), 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := prepareFolder(open); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(open, folder)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	for _, name := range []string{recordName, lockName, dataName} {
		path := filepath.Join(open, folder, name)
		victim := filepath.Join(elsewhere, name)
		for what, make := range map[string]func() error{"link": func() error { return os.Symlink(victim, path) }, "FIFO": func() error { return syscall.Mkfifo(path, 0o600) }} {
			if err := make(); err != nil {
				t.Fatal(err)
			}
			if _, err := readOwn(path); err == nil {
				t.Errorf("%s as a %s was read", name, what)
			}
			if unlock, err := tryLockFile(path); err == nil {
				unlock()
				t.Errorf("%s as a %s was locked", name, what)
			}
			if _, err := os.Lstat(victim); err == nil {
				t.Errorf("%s as a %s: its target was made", name, what)
			}
			_ = os.Remove(path)
		}
	}
}

// TestDataStaysInside: a link in a data folder puts no file of the machine into the bucket.
func TestDataStaysInside(t *testing.T) {
	t.Parallel()
	objects, err := startObjects([]string{"bucket"})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.close()
	for name, make := range map[string]func(path string) error{
		"link":   func(path string) error { return os.Symlink("/etc/passwd", path) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "a.csv"), []byte("1\n"), 0o600), make(filepath.Join(dir, "b.csv"))); err != nil {
			t.Fatal(err)
		}
		done := later(func() error { _, err := syncData(t.Context(), objects.store, "bucket", dir, nil); return err })
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "b.csv") {
				t.Errorf("%s: got %v", name, err)
			}
		case <-time.After(2 * time.Minute):
			t.Errorf("%s: it does not end", name)
		}
		if all, err := objects.store.List(t.Context(), "bucket", "b"); err != nil || len(all) > 0 {
			t.Errorf("%s: the bucket has %v, %v", name, all, err)
		}
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "real.csv"), []byte("1\n"), 0o600), os.Symlink("real.csv", filepath.Join(dir, "link.csv"))); err != nil {
		t.Fatal(err)
	}
	if now, err := syncData(t.Context(), objects.store, "bucket", dir, nil); err != nil || len(now) != 2 {
		t.Errorf("a link inside: got %v, %v", now, err)
	}
}

func later(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// TestSweep: the data of a killed engine goes at the next start; that of a living one, of others and of one just being made stays.
func TestSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	old := time.Now().Add(-2 * readyWithin)
	folders := map[string]string{}
	for _, name := range []string{"dead", "alive", "young", "unlocked"} {
		dir := filepath.Join(os.TempDir(), dataPrefix+name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "keys"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if name != "unlocked" {
			unlock, err := tryLockFile(filepath.Join(dir, ownerLock))
			if err != nil {
				t.Fatal(err)
			}
			if name == "alive" {
				defer unlock()
			} else {
				unlock()
			}
		}
		if name != "young" {
			if err := os.Chtimes(dir, old, old); err != nil {
				t.Fatal(err)
			}
		}
		folders[name] = dir
	}
	sweep(os.TempDir())
	for name, stays := range map[string]bool{"dead": false, "alive": true, "young": true, "unlocked": false} {
		if _, err := os.Stat(folders[name]); (err == nil) != stays {
			t.Errorf("%s: stays is %v, want %v", name, err == nil, stays)
		}
	}
}

func TestOtherUsers(t *testing.T) {
	t.Parallel()
	const system = "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/sh\nann:x:1000:1000::/home/ann:/bin/bash\n"
	for passwd, want := range map[string]bool{system: false, system + "bob:x:1001:1001::/home/bob:/bin/zsh\n": true, system + "svc:x:1002:1002::/:/bin/false\n": false} {
		if got := otherUsers(passwd, 1000); got != want {
			t.Errorf("%s: got %v", passwd, got)
		}
	}
}

// TestBucketNameIsRefusedFirst: a name that no bucket may have is an error of its own, before anything is started or made.
func TestBucketNameIsRefusedFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, o := range []Options{{Buckets: []string{"ok-bucket", "Bad_One"}}, {Data: map[string]string{"b1": dir}}} {
		_, err := Ensure(t.Context(), dir, o)
		if e, ok := errors.AsType[*StoreError](err); !ok || e.Code != "InvalidBucketName" {
			t.Errorf("got %v", err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v", left, err)
	}
}
