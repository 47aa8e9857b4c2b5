package cli

import (
	"testing"

	"github.com/dbctl/dbctl/internal/project"
)

// TestCreatesDatabase: a database may be missing where a migration makes it, or brings it back, whatever words stand around that.
func TestCreatesDatabase(t *testing.T) {
	t.Parallel()
	for up, want := range map[string]bool{
		"CREATE DATABASE city;":                             true,
		"/* first */ create database if not exists City;":   true,
		"CREATE OR REPLACE SCHEMA city;":                    true,
		"UNDROP DATABASE city;":                             true,
		"ALTER DATABASE town RENAME TO city;":               true,
		"CREATE DATABASE town;":                             false,
		"DROP DATABASE city;":                               false,
		"CREATE TABLE t (a INT) COMMENT='CREATE DATABASE';": false,
		"-- CREATE DATABASE city\nSELECT 1;":                false,
		"SELECT 'CREATE DATABASE city';":                    false,
	} {
		dir := t.TempDir()
		write(t, dir, "dbctl.yaml", "project: p\ndefault_env: e\nenvironments: { e: { host: h, database: city } }\n")
		write(t, dir, "migrations/00001_a.sql", "-- +goose Up\n"+up+"\n")
		p, err := project.Open(project.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if got := createsDatabase(p, p.Env.Database); got != want {
			t.Errorf("%s: got %t, want %t", up, got, want)
		}
	}
}
