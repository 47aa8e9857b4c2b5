package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
)

// location is a folder below the world's prefix, by its URI and with its keys as secrets.
func (w *world) location(folder string) string {
	return fmt.Sprintf("'s3://%s/%s%s' CONNECTION = (ENDPOINT_URL = '%s' REGION = 'us-east-1' ACCESS_KEY_ID = {{ secret \"KEY\" }} "+
		"SECRET_ACCESS_KEY = {{ secret \"SECRET\" }})", w.Bucket, w.Prefix, folder, w.S3.Endpoint)
}

// fromURI is a COPY from the folder below the world's prefix; of gives the select list around the location.
func (w *world) fromURI(folder string, of func(location string) string, change ...func(*project.Load)) project.Load {
	return w.load(of(w.location(folder)), change...)
}

// fromEach runs a test in two worlds: in the first loads read the stage, in the second the same folders by their URIs; in the short form in
// one of both, by the test's name and the seed. below is what stands ahead of the paths of files in p/.
func fromEach(t *testing.T, test func(w *world, below string)) {
	places := []string{"stage", "location"}
	if !databendtest.Full() {
		n := (uint64(len(t.Name())) + databendtest.Seed()) % 2
		places = places[n : n+1]
	}
	for _, place := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if w.uri = place == "location"; w.uri {
				test(w, "")
			} else {
				test(w, "p/")
			}
		})
	}
}

// byHand is a load's COPY as a person or a task sends it.
func (w *world) byHand(ld project.Load) string {
	return strings.NewReplacer(`{{ secret "KEY" }}`, "'"+w.S3.Key+"'", `{{ secret "SECRET" }}`, "'"+w.S3.Secret.Reveal()+"'").
		Replace(ld.Statement.SQL)
}

func castRows(location string) string {
	return "COPY INTO t (id, name) FROM (SELECT id::INT, name::STRING FROM " + location + ") FILE_FORMAT = (TYPE = 'PARQUET')"
}

// ownStages are the stages that dbctl made for loads of this world.
func (w *world) ownStages() (out []string) {
	for _, r := range w.SQL(w.t, "SELECT name, url FROM system.stages WHERE name LIKE 'dbctl%'") {
		if strings.Contains(r[1], w.Prefix) {
			out = append(out, r[0])
		}
	}
	return out
}

// A COPY from a location of its own is planned, checked, shown, loaded and remembered as one from a stage; its keys are nowhere, and its
// stage is gone.
func TestLoadFromALocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.fromURI("p/", castRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 2)[:60])
	w.Put(t, "p/_SUCCESS", nil)
	w.states(ld, plan.Options{}, "_SUCCESS ignored", "a.parquet new", "b.parquet new")
	if err := w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{Path: "a*"}, 2) }); err != nil {
		t.Error(err)
	}
	w.wantExit(w.validate(ld, plan.Options{}), exit.Check, "1 invalid file: b.parquet")
	res, err := w.run(ld, plan.Options{})
	w.wantExit(err, exit.Partly, "b.parquet (")
	if res.Files != 1 || res.Rows != 3 {
		t.Errorf("got %+v, want a.parquet loaded", res)
	}
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(ld, plan.Options{}, 1, 2)
	w.mustRun(ld, plan.Options{}, 0, 0)
	w.wantRows(5)
	said, err := json.Marshal(w.events)
	if err != nil {
		t.Fatal(err)
	}
	kept := fmt.Sprint(w.SQL(t, "SELECT * FROM "+w.StateDB+".ledger"))
	for _, text := range []string{string(said), kept} {
		if strings.Contains(text, w.S3.Key) || strings.Contains(text, w.S3.Secret.Reveal()) || strings.Contains(text, "dbctl_p_videos") {
			t.Errorf("the keys or the stage stand in %s", text)
		}
	}
	if !strings.Contains(kept, "s3://"+w.Bucket+"/"+w.Prefix+"p/") {
		t.Errorf("the ledger does not name the location: %s", kept)
	}
	if s := w.ownStages(); len(s) > 0 {
		t.Errorf("stages are left: %v", s)
	}
}

// A file is the same one through a location, a stage over it, and a stage over what is above it.
func TestLoadThatMovesBetweenLocationAndStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uri, stage := w.fromURI("p/", castRows), w.load(copyRows)
	w.SQL(t, strings.Replace(w.StageSQL(w.stage, "", "PARQUET"), w.stage, w.stage+"_in", 1))
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.mustRun(uri, plan.Options{}, 1, 3)
	w.mustRun(stage, plan.Options{}, 0, 0)
	w.Put(t, "p/b.parquet", rows(11, 2))
	w.mustRun(stage, plan.Options{}, 1, 2)
	w.mustRun(uri, plan.Options{}, 0, 0)
	w.states(uri, plan.Options{}, "a.parquet loaded", "b.parquet expired") // the engine knows a path, and not its stage
	one := w.fromURI("p/b.parquet", castRows)
	w.mustRun(one, plan.Options{}, 0, 0)
	w.Put(t, "p/b.parquet", rows(11, 4))
	_, err := w.run(uri, plan.Options{})
	w.wantExit(err, exit.Check, "1 file was overwritten since loaded: b.parquet")
	w.wantRows(5)
}

// What a command that was killed left behind is replaced by the next one, and gone behind it.
func TestLocationBehindAKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.fromURI("p/", castRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	left := ""
	err := w.with(t.Context(), func(l *Loader) error {
		_, err := l.Plan(t.Context(), ld, plan.Options{})
		if s := w.ownStages(); len(s) == 1 {
			left = s[0]
		}
		return err
	})
	if err != nil || left == "" {
		t.Fatalf("got %q, %v, want the load's stage", left, err)
	}
	w.SQL(t, "CREATE STAGE "+left+" URL = 's3://"+w.Bucket+"/"+w.Prefix+"old/' CONNECTION = (ENDPOINT_URL = '"+w.S3.Endpoint+"' "+
		"ACCESS_KEY_ID = 'old' SECRET_ACCESS_KEY = 'old')")
	w.mustRun(ld, plan.Options{}, 1, 3)
	if s := w.ownStages(); len(s) > 0 {
		t.Errorf("stages are left: %v", s)
	}
}

// A command that ends takes the stage away from one that still works: that one makes it again.
func TestLocationWhoseStageGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.fromURI("p/", castRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	for _, at := range []string{"SELECT 0 AS i, name", "COPY"} {
		w.SQL(t, "CREATE OR REPLACE TABLE t (id INT, name STRING)")
		w.beforeFirst(at, func() {
			for _, s := range w.ownStages() {
				w.SQL(t, "DROP STAGE "+s)
			}
		})
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.wantRows(3)
	}
}

// A command that ends takes away what is made for a load, a stage and formats, from one that is about to look into the files with it: that
// one makes it again. What a killed one made for another text of the load goes too.
func TestWhatGoesWhileFilesAreLookedAt(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		t := w.t
		ld := w.load("COPY INTO t (id, name) FROM (SELECT $1::INT, $2 FROM @st/p/) FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = ';')",
			func(ld *project.Load) { ld.Rules = map[string]string{"ragged": "fail"} })
		w.Put(t, "p/a.csv", []byte("1;x\n2;y\n"))
		w.Put(t, "p/b.csv", []byte("3;x\n4\n"))
		j, err := source.New(ld, "p", w.Database)
		if err != nil {
			t.Fatal(err)
		}
		own := j.FormatMade()
		own = own[:len(own)-8] // without the sum of its text
		formats := func() (out []string) {
			for _, r := range w.SQL(t, "SHOW FILE FORMATS") { // of the account
				if strings.HasPrefix(r[0], own) {
					out = append(out, r[0])
				}
			}
			return out
		}
		for what, do := range map[string]func() error{
			"preview": func() error {
				return w.with(t.Context(), func(l *Loader) error { return l.Preview(t.Context(), ld, plan.Options{}, 3) })
			},
			"validate": func() error { return w.validate(ld, plan.Options{}) },
			"load": func() error {
				_, err := w.run(ld, plan.Options{})
				return err
			},
		} {
			w.SQL(t, "CREATE OR REPLACE TABLE t (id INT, name STRING)", "CREATE FILE FORMAT "+own+"00000000 TYPE = CSV")
			gone, mu := 0, sync.Mutex{}
			w.cfg = func(c *databend.Config) {
				c.Transport = wire{func(sql string) {
					mu.Lock()
					defer mu.Unlock()
					if !strings.Contains(sql, "FILE_FORMAT=>'"+own) || gone == 2 {
						return
					}
					gone++
					for _, name := range formats() {
						w.SQL(t, "DROP FILE FORMAT "+name)
					}
					for _, name := range w.ownStages() {
						w.SQL(t, "DROP STAGE IF EXISTS "+name)
					}
				}}
			}
			switch err := do(); {
			case gone != 2:
				t.Errorf("%s: %d queries saw it gone, want 2", what, gone)
			case what == "load":
				w.wantExit(err, exit.Partly, "1 bad file, the others are loaded: ")
				w.wantRows(2)
			case err != nil && what == "preview" || err == nil && what == "validate":
				t.Errorf("%s: %v", what, err)
			case what == "validate":
				w.wantExit(err, exit.Check, "1 invalid file: ", "fewer than 2 fields")
			}
			if left := append(formats(), w.ownStages()...); len(left) > 0 {
				t.Errorf("%s: left: %v", what, left)
			}
		}
	})
}

// A file that becomes shorter between the server's look at it and its reading is loaded as it is then.
func TestFileThatShrinksWhileItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store, err := url.Parse(w.S3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	shrunk := false
	forward := httputil.NewSingleHostReverseProxy(store)
	between := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "a.csv") && !shrunk {
			shrunk = true
			w.Put(t, "p/a.csv", []byte("3,z\n"))
		}
		mu.Unlock()
		forward.ServeHTTP(out, r)
	}))
	t.Cleanup(between.Close)
	ld := w.fromURI("p/", func(location string) string {
		return "COPY INTO t (id, name) FROM " + strings.ReplaceAll(location, w.S3.Endpoint, between.URL) +
			" FILE_FORMAT = (TYPE = CSV FIELD_DELIMITER = ',')"
	}, func(ld *project.Load) { ld.Rules = map[string]string{"header": "off"} })
	for _, what := range []string{"validate", "load"} {
		w.Put(t, "p/a.csv", []byte("1,xxxxxxxxx\n2,y\n"))
		mu.Lock()
		shrunk = false
		mu.Unlock()
		if what == "validate" {
			if err := w.validate(ld, plan.Options{}); err != nil {
				t.Error(err)
			}
			continue
		}
		w.mustRun(ld, plan.Options{}, 1, 1)
	}
}

// Another checkout may read another location by a load of the same name, while this one loads.
func TestLocationOfAnotherCheckout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld, other := w.fromURI("p/", castRows), w.fromURI("q/", castRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "q/a.parquet", rows(101, 3))
	planned, done, ended := make(chan bool), make(chan bool), make(chan error)
	w.beforeFirst("COPY", func() {
		go func() {
			ended <- w.with(t.Context(), func(l *Loader) error {
				_, err := l.Plan(t.Context(), other, plan.Options{})
				close(planned)
				<-done
				return err
			})
		}()
		<-planned
	})
	w.mustRun(ld, plan.Options{}, 1, 3)
	if got := w.SQL(t, "SELECT max(id) FROM t")[0][0]; got != "3" {
		t.Errorf("loaded up to %s, want 3: it read another location", got)
	}
	close(done)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s := w.ownStages(); len(s) > 0 {
		t.Errorf("stages are left: %v", s)
	}
}

// answering is the address of a store that says no to everything, as AWS does: the store of the tests knows one region and one key.
func answering(t *testing.T, status int, code, message string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// What the server or a store says of a location reaches people in words, for each kind of location.
func TestWordsOfAStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	right := w.fromURI("p/", castRows)
	change := func(old, new string) func(ld *project.Load) {
		return func(ld *project.Load) {
			*ld = w.load(strings.Replace(right.Statement.SQL, old, new, 1))
			ld.Secrets = right.Secrets
		}
	}
	from := func(location string) func(ld *project.Load) {
		return func(ld *project.Load) { *ld = w.load(castRows(location)) }
	}
	noStage := []string{"the server makes no stage over "}
	for _, tt := range []struct {
		name   string
		change func(*project.Load)
		words  []string
	}{
		{"key", change(`{{ secret "KEY" }}`, "'nobody'"), []string{"the object store does not know the access key"}},
		{"secret", change(`{{ secret "SECRET" }}`, "'wrong'"), []string{"the secret key does not belong to the access key"}},
		{"bucket", change("s3://"+w.Bucket, "s3://no-such-bucket"), []string{"s3://no-such-bucket/", "there is no such bucket"}},
		{"endpoint", change(w.S3.Endpoint, "http://127.0.0.1:9"), []string{"the object store cannot be reached"}},
		{"option", change("REGION", "NOPE"), []string{"its CONNECTION has what such a location does not take: nope"}},
		{"connection", from("'s3://lake/p/' CONNECTION = (CONNECTION_NAME = 'nowhere')"), []string{"there is no CONNECTION nowhere"}},
		{"azblob", from("'azblob://c/p/' CONNECTION = (ENDPOINT_URL = 'http://127.0.0.1:9' ACCOUNT_NAME = 'a' ACCOUNT_KEY = 'a2V5')"), noStage},
		{"https", from("'https://127.0.0.1:9/p/x.parquet'"), []string{"the file cannot be reached"}},
		{"ipfs", from("'ipfs://c/p/'"), noStage},
		{"ftp", from("'ftp://host/p/'"), []string{"the server reads no ftp:// locations"}},
		{
			"oss", from("'oss://lake/p/' CONNECTION = (ENDPOINT_URL = 'http://127.0.0.1:9' ACCESS_KEY_ID = 'a' ACCESS_KEY_SECRET = 'b')"),
			[]string{"oss://lake/p/: the bucket goes before the endpoint"},
		},
		{
			"cos", from("'cos://lake/p/' CONNECTION = (ENDPOINT_URL = 'http://127.0.0.1:9' SECRET_ID = 'a' SECRET_KEY = 'b')"),
			[]string{"cos://lake/p/: the bucket goes before the endpoint"},
		},
		{"obs", from("'obs://lake/p/' CONNECTION = (ACCESS_KEY_ID = 'a' SECRET_ACCESS_KEY = 'b')"), []string{"no endpoint is named"}},
		{"region", change(w.S3.Endpoint, answering(t, http.StatusBadRequest, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; "+
			"expecting 'eu-west-1'")), []string{"the bucket is in the region eu-west-1"}},
		{"region too", change(w.S3.Endpoint, answering(t, http.StatusMovedPermanently, "PermanentRedirect", "use another endpoint")), []string{
			"the bucket is in another region",
		}},
		{"rights", change(w.S3.Endpoint, answering(t, http.StatusForbidden, "AccessDenied", "Access Denied")), []string{"the keys have no right to"}},
		{"token", change(w.S3.Endpoint, answering(t, http.StatusBadRequest, "ExpiredToken", "it is too old")), []string{"the keys have expired"}},
	} {
		ld := right
		tt.change(&ld)
		_, err := w.run(ld, plan.Options{})
		w.wantExit(err, exit.Failed, tt.words...)
		if hint := err.(interface{ Hint() string }).Hint(); hint == "" {
			t.Errorf("%s: no hint in %v", tt.name, err)
		}
		if got := w.listed(ld).Reason; !strings.Contains(got, tt.words[0]) { // and the other loads are listed
			t.Errorf("%s: the list says %q", tt.name, got)
		}
		if text := err.Error(); strings.Contains(text, w.S3.Key) || strings.Contains(text, w.S3.Secret.Reveal()) || strings.Contains(text, "\n") {
			t.Errorf("%s: got %s", tt.name, text)
		}
	}
	if s := w.ownStages(); len(s) > 0 {
		t.Errorf("stages are left: %v", s)
	}
}

// Behind a TRUNCATE a file that came through the stage is emptied for the location too, also when others are loaded since.
func TestTruncatedBehindAnotherPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uri, stage := w.fromURI("p/", castRows), w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Put(t, "p/b.parquet", rows(11, 1))
	w.mustRun(stage, plan.Options{Path: "p/a*"}, 1, 3)
	w.mustRun(uri, plan.Options{}, 1, 1)
	w.states(uri, plan.Options{}, "a.parquet expired", "b.parquet loaded")
	w.SQL(t, "TRUNCATE TABLE t")
	w.Put(t, "p/c.parquet", rows(21, 2))
	w.mustRun(uri, plan.Options{}, 1, 2)
	w.states(uri, plan.Options{}, "a.parquet emptied", "b.parquet emptied", "c.parquet loaded")
	w.states(stage, plan.Options{}, "a.parquet emptied", "b.parquet emptied", "c.parquet expired")
}

// A table that is made again of its own rows takes the last word about each file with it, through whichever place it was said.
func TestRebuiltBehindTwoPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uri, stage := w.fromURI("p/", castRows), w.load(copyRows)
	var want []string
	for i := range 8 {
		w.Put(t, fmt.Sprintf("p/%d.parquet", i), rows(i, 1))
		want = append(want, fmt.Sprintf("%d.parquet quarantined", i))
	}
	w.mustRun(stage, plan.Options{}, 8, 8)
	if err := w.mark(uri, "quarantined", plan.Options{}); err != nil {
		t.Fatal(err)
	}
	w.rebuild()
	w.states(uri, plan.Options{}, want...)
	w.states(stage, plan.Options{}, want...)
}
