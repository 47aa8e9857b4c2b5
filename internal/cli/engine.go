package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// In an embedded environment the SQL of production runs as it is: its S3 goes to the local store, with that store's key; the buckets
// and the database that it names are made.

// engine finds or starts the engine that a project's embedded environment wants.
func (a *app) engine(ctx context.Context, p *project.Project) (*local.Engine, error) {
	data := map[string]string{}
	for _, d := range p.Env.Data {
		if info, err := os.Stat(d.Folder); err != nil || !info.IsDir() {
			return nil, &project.Error{
				Place: d.Place, Msg: fmt.Sprintf("there is no folder %s, which the environment %s names as its data", d.Folder, p.Env.Name),
				Advice: "make it and put files there, or take `data:` out of the environment",
			}
		}
		if d.Bucket == "" {
			var err error
			if d.Bucket, err = dataBucket(p); err != nil {
				return nil, err
			}
		}
		data[d.Bucket] = d.Folder
	}
	python, _ := a.Getenv("DBCTL_PYTHON")
	home, err := local.Claim(p.Dir, p.FirstEngine, p.Env.Engine)
	if err != nil {
		return nil, err
	}
	engine, err := local.Ensure(ctx, home, local.Options{
		Buckets: buckets(p), Data: data, Progress: &noteWriter{a: a}, Python: python,
	})
	if bad, ok := errors.AsType[*local.StoreError](err); ok && bad.Code == "InvalidBucketName" {
		return nil, usageError(err.Error(),
			"a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens: mend it in dbctl.yaml or in the SQL that names it")
	}
	if bad, ok := errors.AsType[*local.DataError](err); ok {
		return nil, usageError(err.Error(), "put the file itself in the place of "+shell.Quote(bad.Path)+", or take it out: the bucket gets "+
			"regular files of the folder, and follows no link out of it")
	}
	if err == nil && engine.Fresh {
		a.note(event.Info, "a new, empty local engine was started; it and its data live until `dbctl dev stop` or an idle hour")
		if !engine.Isolated && local.OtherUsers() {
			a.note(event.Warn, "other users of this machine can reach ports of the local engine that ask nobody for a password, and read and "+
				"change what its catalogue holds: give no real secret to it (SECURITY.md)")
		}
	}
	return engine, err
}

// defaultBucket is the local store's bucket of a project that names none.
const defaultBucket = "dbctl"

// bucketOf is the bucket that a project's templates speak of.
func bucketOf(p *project.Project) string {
	bucket, _, _ := strings.Cut(p.Env.Vars["bucket"], "/")
	if bucket == "" {
		return defaultBucket
	}
	return bucket
}

// buckets are those that a project's SQL and vars name.
func buckets(p *project.Project) []string {
	all := []string{bucketOf(p)}
	for _, s := range statements(p) {
		all = append(all, sqltext.Buckets(s.SQL)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// dataBucket is where a folder goes of which dbctl.yaml does not say it.
func dataBucket(p *project.Project) (string, error) {
	if p.Env.Vars["bucket"] != "" {
		return bucketOf(p), nil
	}
	named := slices.DeleteFunc(buckets(p), func(b string) bool { return b == defaultBucket })
	switch len(named) {
	case 0:
		return defaultBucket, nil
	case 1:
		return named[0], nil
	}
	return "", usageError(fmt.Sprintf("the environment %s has one folder as its data, and the SQL names the buckets %s", p.Env.Name,
		strings.Join(named, ", ")),
		fmt.Sprintf("say which is meant, in dbctl.yaml: data: { %s: ./folder }", named[0]))
}

// statements are all of a project's.
func statements(p *project.Project) (all []project.Statement) {
	for _, m := range p.Migrations {
		all = append(append(all, m.Up.Statements...), m.Down.Statements...)
	}
	for _, l := range p.Loads {
		all = append(all, l.Statements()...)
	}
	return all
}

// engineVars are the template variables that only the running engine knows.
func engineVars(s3 local.Store) map[string]string {
	return map[string]string{"s3_endpoint": s3.Endpoint, "s3_region": s3.Region}
}

// engineConfig is the connection to an embedded engine.
func engineConfig(e *local.Engine) databend.Config {
	return databend.Config{
		Host: e.Host, Port: e.Port, Plain: true, User: e.User, Password: e.Password,
		Store: &databend.Store{Endpoint: e.S3.Endpoint, Region: e.S3.Region, Key: e.S3.Key, Secret: e.S3.Secret},
	}
}

// ensureDatabase makes the database of cfg on an embedded engine, where that lacks it.
func ensureDatabase(ctx context.Context, cfg databend.Config) error {
	statement := "CREATE DATABASE IF NOT EXISTS " + sqltext.Ident(cfg.Database)
	cfg.Database = ""
	server, err := databend.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer server.Close()
	_, err = server.Session(nil).Exec(ctx, databend.Statement{SQL: statement})
	return err
}

// useEngineKeys gives the local store's key to the secrets that stand for one where S3 leads there: what the environment may hold under
// those names, AWS_… above all, must not be sent there.
func (a *app) useEngineKeys(p *project.Project, secrets *secret.Resolver, e *local.Engine) {
	a.scrub.Add(e.S3.Secret)
	secrets.Override("AWS_ACCESS_KEY_ID", secret.New(e.S3.Key))
	secrets.Override("AWS_SECRET_ACCESS_KEY", e.S3.Secret)
	names := storeSecrets(p, e.S3.Endpoint)
	for _, name := range names {
		secrets.Override(name, e.S3.Secret) // never sent: the statement gives way to the key
	}
	if len(names) == 0 {
		names = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
	}
	a.note(event.Detail, "the local object store's keys are used for "+strings.Join(names, ", ")+", whatever the environment says")
}

// forSQL makes the buckets that SQL of no migration names, and gives its keys the local store's.
func (a *app) forSQL(ctx context.Context, w *warehouse, statements []project.Statement) error {
	for _, s := range statements {
		for _, b := range sqltext.Buckets(s.SQL) {
			if err := w.engine.MakeBucket(ctx, b); err != nil {
				return err
			}
		}
	}
	for _, name := range storeSecrets(w.project, w.engine.S3.Endpoint, statements...) {
		w.secrets.Override(name, w.engine.S3.Secret)
	}
	return nil
}

// storeSecrets are the secrets that stand nowhere but in the key of an S3 that leads to the local store.
func storeSecrets(p *project.Project, endpoint string, more ...project.Statement) []string {
	store := sqltext.Store{Endpoint: endpoint}
	keys, others := map[string]bool{}, map[string]bool{p.Env.Password: true, p.Env.AccessToken: true}
	for _, s := range append(statements(p), more...) {
		places, err := sqltext.Placeholders(s.SQL)
		if err != nil || len(places) == 0 {
			continue
		}
		edits := store.Edits(s.SQL)
		for _, place := range places {
			gives := slices.ContainsFunc(edits, func(e sqltext.Edit) bool { return e.Start <= place.Start && place.End <= e.End })
			keys[place.Name] = keys[place.Name] || gives
			others[place.Name] = others[place.Name] || !gives
		}
	}
	var names []string
	for name, is := range keys {
		if is && !others[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// noteWriter turns lines into notes.
type noteWriter struct {
	a    *app
	rest []byte
}

// Write is io.Writer's.
func (w *noteWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		if line := strings.TrimRight(string(w.rest[:i]), "\r "); line != "" {
			w.a.note(event.Info, line)
		}
		w.rest = w.rest[i+1:]
	}
}
