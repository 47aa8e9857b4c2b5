package local_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/secret"
)

func storeCode(err error) string {
	var e *local.StoreError
	if errors.As(err, &e) {
		return fmt.Sprint(e.Status, " ", e.Code)
	}
	return fmt.Sprint(err)
}

func TestStoreChecksSignatures(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	e.Put(t, "a b+c=d/é.txt", []byte("content"))
	got, err := e.S3.Get(t.Context(), e.Bucket, e.Prefix+"a b+c=d/é.txt")
	if err != nil || string(got) != "content" {
		t.Errorf("Get = %q, %v", got, err)
	}
	wrongSecret, wrongKey := e.S3, e.S3
	wrongSecret.Secret = secret.New("wrong")
	wrongKey.Key = "AKIAWRONG"
	for _, tt := range []struct {
		store  local.Store
		bucket string
		want   string
	}{
		{wrongSecret, e.Bucket, "403 SignatureDoesNotMatch"},
		{wrongKey, e.Bucket, "403 InvalidAccessKeyId"},
		{e.S3, "no-such-bucket", "404 NoSuchBucket"},
	} {
		if _, err := tt.store.List(t.Context(), tt.bucket, ""); storeCode(err) != tt.want {
			t.Errorf("List: %v, want %s", err, tt.want)
		}
		if err := tt.store.Put(t.Context(), tt.bucket, "x", nil); storeCode(err) != tt.want {
			t.Errorf("Put: %v, want %s", err, tt.want)
		}
	}
	resp, err := http.Get(e.S3.Endpoint + "/" + e.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("anonymous: HTTP %d", resp.StatusCode)
	}
	e.Delete(t, "a b+c=d/é.txt")
	e.Delete(t, "a b+c=d/é.txt") // gone already: no error
	if objects, err := e.S3.List(t.Context(), e.Bucket, e.Prefix); err != nil || len(objects) != 0 {
		t.Errorf("List after Delete = %v, %v", objects, err)
	}
}

func TestStoreListsAllPages(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < 1100; i += 8 {
				if err := e.S3.Put(t.Context(), e.Bucket, fmt.Sprintf("%spages/%04d", e.Prefix, i), []byte("x")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	objects, err := e.S3.List(t.Context(), e.Bucket, e.Prefix+"pages/")
	if err != nil || len(objects) != 1100 || objects[1099].Key != e.Prefix+"pages/1099" {
		t.Errorf("%d objects (%v)", len(objects), err)
	}
}

// The engine on the store: what it loads, and the errors of wrong keys.
func TestEngineOnStore(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	e.Put(t, "in/1.csv", []byte("1\n2\n"))
	e.Put(t, "in/2.csv", []byte("3\n"))
	stage := "s_" + e.Database
	c := connect(t, e)
	c.script([2]string{e.StageSQL(stage, "in/", "CSV"), ""}, [2]string{"CREATE TABLE t (a INT)", ""})
	rows := e.SQL(t, "COPY INTO t FROM @"+stage)
	var got [][]string
	for _, r := range rows {
		got = append(got, []string{r[0][strings.LastIndex(r[0], "/")+1:], r[1], r[2], r[3], r[4]})
	}
	if diff := cmp.Diff(got, [][]string{{"1.csv", "2", "0", "NULL", "NULL"}, {"2.csv", "1", "0", "NULL", "NULL"}}); diff != "" {
		t.Errorf("COPY (-got +want):\n%s", diff)
	}
	if again := e.SQL(t, "COPY INTO t FROM @"+stage); len(again) != 0 {
		t.Errorf("COPY again = %v", again)
	}
	// A presigned address is taken without a header.
	signed := e.SQL(t, "PRESIGN @"+stage+"/1.csv")[0]
	resp, err := http.Get(signed[2])
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || string(text) != "1\n2\n" {
		t.Errorf("presigned: HTTP %d %q", resp.StatusCode, text)
	}
	if resp, err = http.Get(strings.Replace(signed[2], "/1.csv", "/2.csv", 1)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("presigned for another object: HTTP %d", resp.StatusCode)
	}

	bad := *e
	bad.S3.Secret = secret.New("wrong")
	c.script([2]string{bad.StageSQL(stage, "in/", "CSV"), ""}, [2]string{"LIST @" + stage, "error 3002"})
	bad = *e
	bad.S3.Key = "AKIAWRONG"
	c.script([2]string{bad.StageSQL(stage, "in/", "CSV"), ""}, [2]string{"LIST @" + stage, "error 3002"})
	bad = *e
	bad.Bucket = "no-such-bucket"
	c.script([2]string{bad.StageSQL(stage, "in/", "CSV"), ""}, [2]string{"LIST @" + stage, "error 4000"}, [2]string{"DROP STAGE " + stage, ""})
}
