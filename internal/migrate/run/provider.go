package run

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// newProvider hands the migrations to goose as Go functions: those of the project, and the steps that only the journal has.
//
// goose's Provider applies the versions: it keeps its checks of what is applied and its contract of Up and Down, calls run for each
// version, and tells its Store what came of it. The Store is our journal, as it was read once: recorded is called where goose records a
// version, and from then on it counts as finished. goose gets no database, and what it would send is refused: it knows neither
// Databend's statements nor how to put one back, and its own table of versions could not be written in one with our journal.
func newProvider(p *project.Project, h state.History, steps []plan.Step,
	run func(ctx context.Context, version int64, direction event.Direction) error, recorded func(),
) (*goose.Provider, error) {
	versions := map[int64]bool{}
	for _, m := range p.Migrations {
		versions[m.Version] = true
	}
	for _, s := range steps {
		versions[s.Version] = true
	}
	var all []*goose.Migration
	for v := range versions {
		// Never nil: goose would open a transaction for a nil function.
		fn := func(direction event.Direction) *goose.GoFunc {
			return &goose.GoFunc{
				RunDB: func(ctx context.Context, _ *sql.DB) error { return run(ctx, v, direction) },
				Mode:  goose.TransactionDisabled,
			}
		}
		all = append(all, goose.NewGoMigration(v, fn(event.Up), fn(event.Down)))
	}
	store := &gooseStore{applied: map[int64]time.Time{0: {}}, recorded: recorded}
	for v, e := range h.Versions {
		if e.State == journal.Applied {
			store.applied[v] = e.At
		}
	}
	provider, err := goose.NewProvider("", sql.OpenDB(noDatabase{}), nil,
		goose.WithStore(store), goose.WithGoMigrations(all...), goose.WithDisableGlobalRegistry(true),
		goose.WithIsolateDDL(true), goose.WithAllowOutofOrder(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("set up goose: %w", err)
	}
	return provider, nil
}

// gooseStore is goose's Store: version 0, as goose wants it, and what is applied.
type gooseStore struct {
	applied  map[int64]time.Time
	recorded func()
}

var _ database.Store = (*gooseStore)(nil)

// Tablename is asked for by goose and never used.
func (*gooseStore) Tablename() string { return "journal" }

func (*gooseStore) CreateVersionTable(context.Context, database.DBTxConn) error {
	return errors.New("the journal is not made by goose")
}

// TableExists keeps goose from making its own table.
func (*gooseStore) TableExists(context.Context, database.DBTxConn) (bool, error) { return true, nil }

func (g *gooseStore) Insert(_ context.Context, _ database.DBTxConn, r database.InsertRequest) error {
	g.applied[r.Version] = time.Time{}
	g.recorded()
	return nil
}

func (g *gooseStore) Delete(_ context.Context, _ database.DBTxConn, version int64) error {
	delete(g.applied, version)
	g.recorded()
	return nil
}

func (g *gooseStore) GetMigration(_ context.Context, _ database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	at, ok := g.applied[version]
	if !ok {
		return nil, database.ErrVersionNotFound
	}
	return &database.GetMigrationResult{Timestamp: at, IsApplied: true}, nil
}

func (g *gooseStore) GetLatestVersion(context.Context, database.DBTxConn) (int64, error) {
	latest := int64(0)
	for version := range g.applied {
		latest = max(latest, version)
	}
	return latest, nil
}

func (g *gooseStore) ListMigrations(context.Context, database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	out := make([]*database.ListMigrationsResult, 0, len(g.applied))
	for version := range g.applied {
		out = append(out, &database.ListMigrationsResult{Version: version, IsApplied: true})
	}
	// goose goes down in this order.
	slices.SortFunc(out, func(a, b *database.ListMigrationsResult) int { return cmp.Compare(b.Version, a.Version) })
	return out, nil
}

// noDatabase is a database that refuses every statement: goose sends none.
type noDatabase struct{}

var errNoDatabase = errors.New("goose has no database: dbctl sends the statements")

func (noDatabase) Connect(context.Context) (driver.Conn, error) { return noConn{}, nil }
func (d noDatabase) Driver() driver.Driver                      { return d }
func (noDatabase) Open(string) (driver.Conn, error)             { return noConn{}, nil }

type noConn struct{}

func (noConn) Prepare(string) (driver.Stmt, error) { return nil, errNoDatabase }
func (noConn) Begin() (driver.Tx, error)           { return nil, errNoDatabase }
func (noConn) Close() error                        { return nil }
