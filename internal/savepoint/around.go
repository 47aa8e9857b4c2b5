package savepoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// seedTries is how often a seed is tried against writers before the capture's turn comes again.
const seedTries = 5

// Seed gives never-written tables a first, empty snapshot, without which FLASHBACK has nothing to go back to. Call it after the
// journal's begin, for the tables that will be altered or written; those that have a snapshot are passed over. A table that
// somebody wrote meanwhile is left alone. It returns captured with the heads as they are afterwards: journal them before the
// first statement. Three requests a table, one for all heads.
func Seed(ctx context.Context, c Conn, captured catalog.State, tables []sqltext.Object) (catalog.State, error) {
	out := catalog.State{Server: captured.Server, At: captured.At, Objects: slices.Clone(captured.Objects)}
	var seeded []sqltext.Object
	for _, o := range tables {
		s, ok := captured.Find(o)
		if !ok || !s.Exists || !s.IsFuse() || s.Head != "" || slices.Contains(seeded, o) {
			continue
		}
		if err := seed(ctx, c, catalog.NameOf(o)); err != nil {
			return catalog.State{}, fmt.Errorf("seed %s: %w", o, err)
		}
		seeded = append(seeded, o)
	}
	if len(seeded) == 0 {
		return out, nil
	}
	heads, err := Heads(ctx, c, seeded)
	if err != nil {
		return catalog.State{}, fmt.Errorf("seed: %w", err)
	}
	for i, o := range out.Objects {
		if slices.Contains(seeded, o.Object) {
			out.Objects[i].Head = heads[o.ID]
		}
	}
	return out, nil
}

// seed deletes nothing, in a transaction: DELETE without WHERE makes a snapshot of an empty table. When rows were there after
// all, it is rolled back. Another's insert between the DELETE and the COMMIT merges.
func seed(ctx context.Context, c Conn, n catalog.Name) error {
	exec := func(sql string) (databend.Result, error) {
		return c.Exec(ctx, databend.Statement{SQL: sql})
	}
	for range seedTries {
		if _, err := exec("BEGIN"); err != nil {
			return err
		}
		res, err := c.Query(ctx, databend.Statement{SQL: "DELETE FROM " + n.SQL()})
		deleted := "0"
		if err == nil && len(res.Rows) > 0 && len(res.Rows[0]) > 0 {
			deleted = res.Rows[0][0].String
		}
		if err != nil || deleted != "0" || res.Affected > 0 {
			if _, rb := exec("ROLLBACK"); rb != nil {
				return errors.Join(err, rb)
			}
			return err
		}
		if _, err = exec("COMMIT"); err == nil {
			return nil
		}
		if !databend.IsCode(err, databend.CodeConflict, databend.CodeVersionMismatch) {
			return err
		}
	}
	return nil // there are writers, so there is a snapshot
}

// Heads reads the head snapshots of tables in one request: table id → snapshot id ("" for a never-written table). Names that
// hold no FUSE table are left out.
func Heads(ctx context.Context, c Conn, tables []sqltext.Object) (map[string]string, error) {
	byDB := map[string][]string{}
	for _, o := range tables {
		if o.Kind == sqltext.Table {
			byDB[o.Database] = append(byDB[o.Database], o.Name)
		}
	}
	var parts []string
	for db, names := range byDB {
		parts = append(parts, "select to_string(table_id), table_option from system.tables where database = "+sqltext.Quote(db)+
			" and "+catalog.Either("name", names)+" and engine = 'FUSE'")
	}
	out := map[string]string{}
	if len(parts) == 0 {
		return out, nil
	}
	slices.Sort(parts)
	rows, err := catalog.Query(ctx, c, strings.Join(parts, " union all "))
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	for _, r := range rows {
		out[r[0].String] = catalog.Head(r[1].String)
	}
	return out, nil
}

// Loaded fills, for tables that a COPY will write, which files the engine takes for loaded already: a restore needs to know them
// to tell which ones the COPY added.
func Loaded(ctx context.Context, c Conn, captured catalog.State, tables []sqltext.Object) (catalog.State, error) {
	out := catalog.State{Server: captured.Server, At: captured.At, Objects: slices.Clone(captured.Objects)}
	var ns []catalog.Name
	for i, o := range out.Objects {
		if o.Exists && o.IsFuse() && slices.Contains(tables, o.Object) {
			out.Objects[i].Known, out.Objects[i].Asked = true, o.Head
			ns = append(ns, catalog.NameOf(o.Object))
		}
	}
	files, err := loadedFiles(ctx, c, ns)
	if err != nil {
		return catalog.State{}, err
	}
	for i, o := range out.Objects {
		if o.Known {
			out.Objects[i].Loaded = files[catalog.NameOf(o.Object)]
		}
	}
	return out, nil
}

func loadedFiles(ctx context.Context, c Conn, ns []catalog.Name) (map[catalog.Name][]string, error) {
	if len(ns) == 0 {
		return nil, nil
	}
	parts := make([]string, len(ns))
	for i, n := range ns {
		parts[i] = fmt.Sprintf("select %s, %s, file_name from copy_history(%s)", sqltext.Quote(n.DB), sqltext.Quote(n.Table),
			sqltext.Quote(n.String()))
	}
	rows, err := catalog.Union(ctx, c, parts)
	if err != nil {
		return nil, fmt.Errorf("read which files are loaded: %w", err)
	}
	out := map[catalog.Name][]string{}
	for _, r := range rows {
		n := catalog.Name{DB: r[0].String, Table: r[1].String}
		out[n] = append(out[n], r[2].String)
	}
	for _, fs := range out {
		slices.Sort(fs)
	}
	return out, nil
}

// Leftovers lists the tables of a database, as database.table, that a restore left fenced, parked or kept; and every database in
// the account that one left parked, or is just parking.
func Leftovers(ctx context.Context, c Conn, database string) ([]string, error) {
	rows, err := catalog.Query(ctx, c,
		"select database || '.' || name from system.tables where database = "+sqltext.Quote(database)+" and left(name, 8) = '__dbctl_'"+
			" union all select name from system.databases where left(name, 8) = '__dbctl_'")
	if err != nil {
		return nil, fmt.Errorf("look for leftovers: %w", err)
	}
	var out []string
	for _, r := range rows {
		if catalog.IsAside(r[0].String[strings.LastIndexByte(r[0].String, '.')+1:]) {
			out = append(out, r[0].String)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Retention lists what would break UNDROP or FLASHBACK of the captured tables if the migration took took: one sentence each.
func Retention(ctx context.Context, c Conn, captured catalog.State, took time.Duration) ([]string, error) {
	rows, err := catalog.Query(ctx, c, "select name, value from system.settings where "+catalog.Either("name",
		[]string{"data_retention_time_in_days", "data_retention_num_snapshots_to_keep", "enable_auto_vacuum"}))
	if err != nil && !databend.IsCode(err, databend.CodePermissionDenied) { // who may not read them is told by doctor
		return nil, fmt.Errorf("read retention settings: %w", err)
	}
	settings := map[string]string{}
	for _, r := range rows {
		settings[r[0].String] = r[1].String
	}
	var out []string
	kept := settings["data_retention_time_in_days"]
	if days, err := strconv.ParseFloat(kept, 64); err == nil && time.Duration(days*24*float64(time.Hour)) < took {
		out = append(out, "data_retention_time_in_days is "+kept+": history may be gone before the migration ends")
	}
	if n := settings["data_retention_num_snapshots_to_keep"]; n != "" && n != "0" {
		out = append(out, "data_retention_num_snapshots_to_keep is "+n+": older snapshots go with each commit")
	}
	for _, o := range captured.Objects {
		if !o.Exists || !o.IsFuse() {
			continue
		}
		if h, err := strconv.ParseFloat(o.Options["DATA_RETENTION_PERIOD_IN_HOURS"], 64); err == nil &&
			time.Duration(h*float64(time.Hour)) < took {
			out = append(out, fmt.Sprintf("%s keeps history for %s hours", o.Object, o.Options["DATA_RETENTION_PERIOD_IN_HOURS"]))
		}
		if n := o.Options["DATA_RETENTION_NUM_SNAPSHOTS_TO_KEEP"]; n != "" && n != "0" {
			out = append(out, fmt.Sprintf("%s keeps %s snapshots only", o.Object, n))
		}
		if o.Transient {
			out = append(out, o.Object.String()+" is transient: with the vacuum licence its history goes with each commit")
		}
	}
	return out, nil
}
