package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	_ "github.com/datafuselabs/databend-go"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/dbctl/dbctl/internal/databend"
)

// BenchmarkUp compares up with the same statements sent bare over one session, in the same run: "ratio" is how many times as long it
// takes, "requests" how many it needs in all. "goose" is how many times as long stock goose takes with the smallest store that works,
// which can put nothing back.
func BenchmarkUp(b *testing.B) {
	plain := func(prefix string, v int) string { return fmt.Sprintf("CREATE TABLE %s%d (x INT)", prefix, v) }
	mixed := func(prefix string, v int) string {
		switch v % 4 {
		case 1:
			return fmt.Sprintf("CREATE OR REPLACE TABLE %s%d (x INT)", prefix, v)
		case 2:
			return fmt.Sprintf("ALTER TABLE %s%d ADD COLUMN y INT", prefix, v-1)
		case 3:
			return fmt.Sprintf("CREATE OR REPLACE VIEW v_%s%d AS SELECT * FROM %s%d", prefix, v, prefix, v-2)
		}
		return fmt.Sprintf("ALTER TABLE %s%d RENAME TO %s%d", prefix, v-3, prefix, v)
	}
	for _, c := range []struct {
		name string
		n    int
		text func(string, int) string
	}{{"plain", 1, plain}, {"plain", 10, plain}, {"plain", 300, plain}, {"mixed", 300, mixed}} {
		b.Run(fmt.Sprintf("%s-%d", c.name, c.n), func(b *testing.B) {
			var ours, bare, stock time.Duration
			for b.Loop() {
				w := newWorld(b)
				session := w.srv.Session(databend.MigrationSettings("bench"))
				start := time.Now()
				for v := 1; v <= c.n; v++ {
					_, err := session.Exec(b.Context(), databend.Statement{SQL: c.text("raw", v)})
					w.must(err)
				}
				bare += time.Since(start)
				for v := 1; v <= c.n; v++ {
					w.Migration(v, c.text("t", v)+";\n")
				}
				m, from := w.migrator(Options{}), w.srv.Requests()
				start = time.Now()
				w.must(m.Up(b.Context()))
				ours += time.Since(start)
				b.ReportMetric(float64(w.srv.Requests()-from), "requests")
				stock += w.goose(c.n, func(v int) string { return c.text("g", v) })
			}
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
			b.ReportMetric(stock.Seconds()/bare.Seconds(), "goose")
		})
	}
}

// goose runs n migrations with stock goose over the driver's database/sql, and returns how long that took.
func (w *world) goose(n int, text func(v int) string) time.Duration {
	w.T.Helper()
	files := fstest.MapFS{}
	for v := 1; v <= n; v++ {
		files[fmt.Sprintf("%05d_m.sql", v)] = &fstest.MapFile{Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\n" + text(v) + ";\n")}
	}
	db, err := sql.Open("databend", w.DSN(""))
	w.must(err)
	defer db.Close()
	provider, err := goose.NewProvider("", db, files, goose.WithStore(smallest{}), goose.WithIsolateDDL(true), goose.WithLogger(goose.NopLogger()))
	w.must(err)
	start := time.Now()
	done, err := provider.Up(w.T.Context())
	w.must(err)
	if len(done) != n {
		w.T.Fatalf("goose applied %d of %d", len(done), n)
	}
	return time.Since(start)
}

// smallest is a goose Store in one table.
type smallest struct{}

func (smallest) Tablename() string { return "goose_db_version" }

func (smallest) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	_, err := db.ExecContext(ctx, "CREATE TABLE goose_db_version (version_id BIGINT, tstamp TIMESTAMP DEFAULT now())")
	return err
}

func (smallest) Insert(ctx context.Context, db database.DBTxConn, r database.InsertRequest) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO goose_db_version (version_id) VALUES (%d)", r.Version))
	return err
}

func (smallest) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf("DELETE FROM goose_db_version WHERE version_id=%d", version))
	return err
}

func (smallest) GetMigration(context.Context, database.DBTxConn, int64) (*database.GetMigrationResult, error) {
	return nil, database.ErrVersionNotFound
}

func (smallest) GetLatestVersion(ctx context.Context, db database.DBTxConn) (v int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&v)
	return v, err
}

func (smallest) ListMigrations(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	rows, err := db.QueryContext(ctx, "SELECT version_id FROM goose_db_version ORDER BY version_id DESC")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*database.ListMigrationsResult
	for rows.Next() {
		r := &database.ListMigrationsResult{IsApplied: true}
		if err := rows.Scan(&r.Version); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
