package databend_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
)

// hostile are an account's settings, each of which changes what a query below gives or whether it runs.
var hostile = map[string]string{
	"timezone":                          "Pacific/Chatham", // +12:45 or +13:45
	"sql_dialect":                       "MySQL",
	"unquoted_ident_case_sensitive":     "1",
	"quoted_ident_case_sensitive":       "0",
	"max_result_rows":                   "1",
	"max_set_operator_count":            "1",
	"http_json_result_mode":             "driver",
	"format_null_as_str":                "1",
	"hide_options_in_show_create_table": "0",
	"binary_input_format":               "hex",
	"binary_output_format":              "base64",
	"geometry_output_format":            "WKT",
	"date_format_style":                 "MySQL",
	"ddl_column_type_nullable":          "0",
	"default_order_by_null":             "nulls_first",
	"disable_variant_check":             "1",
	"enable_strict_datetime_parser":     "0",
	"numeric_cast_option":               "truncating",
	"week_start":                        "0",
	"enable_geo_create_table":           "0",
	"input_read_buffer_size":            "0",
	"script_max_steps":                  "1",
	"table_lock_expire_secs":            "0",
	"force_join_data_spill":             "1",
	"window_num_partitions":             "9223372036854775808",
	"join_spilling_partition_bits":      "18446744073709551615",

	"join_spilling_buffer_threshold_per_proc_mb": "0",
}

// questions give the same on every account: a query that a setting changes, and what it must give.
var questions = []struct {
	name, sql string
	want      []string
}{
	{"the time zone of a timestamp", "SELECT to_timestamp(0), '2024-03-01 12:00:00'::TIMESTAMP::INT64, to_string(to_timestamp(0))", []string{"1970-01-01 00:00:00.000000|1709294400000000|1970-01-01 00:00:00.000000"}},
	{"a quoted name is no string", `SELECT "A" FROM (SELECT 1 AS "A", 2 AS a)`, []string{"1"}},
	{"an unquoted name has no case", "SELECT Abc FROM (SELECT 1 AS ABC)", []string{"1"}},
	{"rows", "SELECT number FROM numbers(3) UNION ALL SELECT 7 UNION ALL SELECT 8 ORDER BY number", []string{"0", "1", "2", "7", "8"}},
	{"boolean and null", "SELECT true, NULL", []string{"1|<null>"}},
	{"binary", "SELECT unhex('ff00'), 'ab'::BINARY", []string{"FF00|6162"}},
	{"geometry", "SELECT st_point(1, 2)", []string{`{"type": "Point", "coordinates": [1,2]}`}},
	{"a date's format", "SELECT to_string('2024-03-01'::DATE, 'YYYY')", []string{"2024"}},
	{"order of null", "SELECT a FROM (SELECT 1 AS a UNION ALL SELECT NULL) ORDER BY a", []string{"1", "<null>"}},
	{"a number's cast", "SELECT 1.7::INT", []string{"2"}},
	{"the week's first day", "SELECT date_trunc(week, '2024-03-03'::DATE)", []string{"2024-02-26"}},
	{"a new column is nullable", "DESC made", []string{"a|INT|YES|NULL|", "g|GEOMETRY|YES|NULL|"}},
	{"a script", "EXECUTE IMMEDIATE $$BEGIN LET x := 1; LET y := 2; RETURN x + y; END;$$", []string{"3"}},
	{"a text file", "SELECT DISTINCT $1 FROM @~/contract/ (FILE_FORMAT => 'csv')", []string{"7"}},
	{"a row is removed", "DELETE FROM held", []string{"1"}},
	{"a window", "SELECT row_number() OVER (PARTITION BY number % 2 ORDER BY number) FROM numbers(3) ORDER BY number", []string{"1", "1", "2"}},
	{"a join of nothing", "SELECT a.number FROM numbers(3) a JOIN numbers(2) b ON a.number = b.number + 9 JOIN system.one c ON true", nil},
	{"a full join", "SELECT count(*) FROM numbers(3) a FULL JOIN numbers(2) b ON a.number = b.number", []string{"3"}},
	{"a table's text", "SHOW CREATE TABLE made", []string{"made|CREATE TABLE made (\n  a INT NULL,\n  g GEOMETRY NULL\n) ENGINE=FUSE"}},
}

func TestEverySessionIsTheSameOnAnyAccount(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, e *databendtest.Env) map[string][]string {
		srv, err := databend.Connect(t.Context(), e.Config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(srv.Close)
		got := map[string][]string{}
		for kind, settings := range map[string]map[string]string{"first": nil, "second": nil, "migration": databend.MigrationSettings("test")} {
			session := srv.Session(settings)
			for _, sql := range []string{"CREATE OR REPLACE TABLE made (a INT, g GEOMETRY)", "COPY INTO @~/contract/ FROM (SELECT 7) FILE_FORMAT = (TYPE = CSV)", "CREATE OR REPLACE TABLE held AS SELECT 1 AS a"} {
				if _, err := session.Exec(t.Context(), databend.Statement{SQL: sql}); err != nil {
					t.Fatal(err)
				}
			}
			for _, q := range questions {
				got[kind+": "+q.name] = lines(t, session, q.sql)
			}
		}
		return got
	}
	want := map[string][]string{}
	for _, kind := range []string{"first", "second", "migration"} {
		for _, q := range questions {
			want[kind+": "+q.name] = q.want
		}
	}
	for name, e := range map[string]*databendtest.Env{"as installed": databendtest.New(t), "hostile": databendtest.Start(t, hostile).New(t)} {
		if diff := cmp.Diff(want, ask(t, e)); diff != "" {
			t.Errorf("%s account (-want +got):\n%s", name, diff)
		}
	}
}

// lines are the rows of a query, or its error.
func lines(t *testing.T, session *databend.Session, sql string) []string {
	res, err := session.Query(t.Context(), databend.Statement{SQL: sql})
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, r := range res.Rows {
		var row []string
		for _, v := range r {
			if !v.Valid {
				v.String = "<null>"
			}
			row = append(row, v.String)
		}
		out = append(out, strings.Join(row, "|"))
	}
	return out
}

// What a session, a statement or the DSN says of a pinned setting changes nothing; of a usual one it holds.
func TestWhoMaySayWhat(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	var told []string
	cfg := e.Config
	cfg.Settings = map[string]string{"timezone": "Asia/Tokyo", "week_start": "0", "MAX_RESULT_ROWS": "0", "max_threads": "1"}
	cfg.Warn = func(line string) { told = append(told, line) }
	srv, err := databend.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	if want := []string{"the DSN's timezone=Asia/Tokyo has no effect: every session of dbctl has UTC, so that it reads the same everywhere"}; !cmp.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	session := srv.Session(map[string]string{"geometry_output_format": "EWKT"})
	read := func() map[string]string {
		got := map[string]string{}
		for _, l := range lines(t, session, "SELECT name, value FROM system.settings WHERE name IN ('timezone', 'week_start', 'max_threads', 'numeric_cast_option', 'geometry_output_format')") {
			name, value, _ := strings.Cut(l, "|")
			got[name] = value
		}
		return got
	}
	want := map[string]string{"timezone": "UTC", "week_start": "0", "max_threads": "1", "numeric_cast_option": "rounding", "geometry_output_format": "EWKT"}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	for _, sql := range []string{
		"SET timezone = 'Asia/Tokyo'", "SET numeric_cast_option = 'truncating'", "SET geometry_output_format = 'WKT'", "UNSET week_start", "SET max_threads = 2",
	} {
		lines(t, session, sql)
	}
	want["numeric_cast_option"], want["week_start"], want["max_threads"] = "truncating", "1", "2"
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("after SET (-want +got):\n%s", diff)
	}
}

// A statement about the account reads its settings, not the session's; the session is as it was.
func TestTheAccountsOwnSettings(t *testing.T) {
	t.Parallel()
	e := databendtest.Start(t, map[string]string{"timezone": "Asia/Tokyo"}).New(t)
	session := e.Session(t)
	read := func(account bool) string {
		res, err := session.Query(t.Context(), databend.Statement{SQL: "SELECT value, level FROM system.settings WHERE name = 'timezone'", Account: account})
		if err != nil {
			t.Fatal(err)
		}
		return res.Rows[0][0].String + " " + res.Rows[0][1].String
	}
	if got, want := []string{read(false), read(true), read(false)}, []string{"UTC SESSION", "Asia/Tokyo GLOBAL", "UTC SESSION"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPinnedNames(t *testing.T) {
	t.Parallel()
	names := slices.Collect(maps.Keys(databend.MigrationSettings("")))
	for _, name := range append(names, "timezone", "TimeZone", "sql_dialect", "max_result_rows") {
		if !databend.IsPinned(name) {
			t.Errorf("a migration may SET %s", name)
		}
	}
	for _, name := range []string{"week_start", "max_threads", "variable timezone", ""} {
		if databend.IsPinned(name) {
			t.Errorf("a migration may not SET %s", name)
		}
	}
}
