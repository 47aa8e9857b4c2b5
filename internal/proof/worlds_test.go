package proof

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// accounts are settings that a person may have made for the whole account (SET GLOBAL). What dbctl promises holds under each.
var accounts = []struct {
	name     string
	settings map[string]string
}{
	{"west of UTC", map[string]string{"timezone": "America/New_York"}},
	{"five rows", map[string]string{"max_result_rows": "5", "timezone": "Asia/Kathmandu"}},
	{"MySQL", map[string]string{"sql_dialect": "MySQL", "date_format_style": "MySQL", "timezone": "Pacific/Marquesas", "week_start": "0"}},
	{"names keep their case", map[string]string{"unquoted_ident_case_sensitive": "1", "timezone": "Pacific/Chatham"}},
	{"names lose their case", map[string]string{"quoted_ident_case_sensitive": "0"}},
	{"formats", map[string]string{
		"binary_output_format": "base64", "geometry_output_format": "WKB", "format_null_as_str": "1", "http_json_result_mode": "driver",
		"hide_options_in_show_create_table": "0", "default_order_by_null": "nulls_first", "numeric_cast_option": "truncating",
	}},
	{"caches", map[string]string{
		"enable_query_result_cache": "1", "query_result_cache_min_execute_secs": "0", "query_result_cache_allow_inconsistent": "1",
		"random_function_seed": "1", "enable_cse_optimizer": "1",
	}},
	{"columns are NOT NULL", map[string]string{"ddl_column_type_nullable": "0"}},
	{"a short memory of loads", map[string]string{"load_file_metadata_expire_hours": "0", "purge_duplicated_files_in_copy": "1", "copy_dedup_full_path_by_default": "1"}},
}

// alone are plans that end in the state that they begin in: what the warehouse was like before says what it must be like after.
func alone(k kind, variant string) *plan {
	position := 0
	if variant == "down-fails" {
		position = 2 // taken back first
	}
	return newPlan(k, variant, position)
}

// stays runs a plan that changes nothing in the end: one that fails, or is cut off and put back.
func (p *plan) stays(t *testing.T) {
	t.Helper()
	outcome := "put back"
	defer results.outcome(t, "worlds, "+p.variant, &outcome)
	w := newWorldOn(t, p.engine)
	p.prepare(w, true)
	states := [][]string{w.fingerprint()}
	if p.kind.mayRefuse || !p.cutOff {
		command := p.command
		if p.cutOff {
			command = []string{"migrate", "up"}
		}
		run := w.must(1, command...)
		switch {
		case p.refused(run):
			outcome = "refused"
		case !strings.Contains(run.out.String(), "no_such_table"):
			t.Fatalf("it did not come to its last statement: %s", run)
		}
		p.check(w, states, 0, 0, run)
		return
	}
	p.cut(w)
	p.check(w, states, 0, 0, w.must(0, p.command...))
}

// steadfast are the variants that end where they begin.
var steadfast = []string{"up-fails", "recover-fails", "down-fails", "redo-fails", "atomic-fails"}

// TestProofAccounts runs rollback, recovery and loads under settings of the account. Short: each kind of migration under one of them.
func TestProofAccounts(t *testing.T) {
	t.Parallel()
	for i, a := range accounts {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			engine := databendtest.Start(t, a.settings)
			for n, k := range kinds {
				for m, variant := range steadfast {
					if full && m < 2 || n%len(accounts) == i && (n+i)%len(steadfast) == m {
						t.Run(k.name+"/"+variant, func(t *testing.T) {
							t.Parallel()
							p := alone(k, variant)
							p.engine = engine
							p.stays(t)
						})
					}
				}
			}
			for _, k := range words {
				if full {
					t.Run(k.name, func(t *testing.T) {
						t.Parallel()
						p := alone(k, "up-fails")
						p.engine = engine
						p.stays(t)
					})
				}
			}
			for n, p := range loadPlans {
				if !full && n != i%len(loadPlans) {
					continue
				}
				t.Run("load "+p.name, func(t *testing.T) {
					t.Parallel()
					outcome := "loaded once"
					defer results.outcome(t, "worlds, load", &outcome)
					p.engine = engine
					requests := p.undisturbed(t)
					if full {
						p.point(t, requests/2, killAnswered)
					}
				})
			}
		})
	}
}

// TestProofSettings tries every setting that the engine knows, with its smallest and other values, one after the other.
func TestProofSettings(t *testing.T) {
	if !full {
		t.Skip("minutes: DBCTL_PROOF=full")
	}
	t.Parallel()
	// Of these a value makes the engine useless for everybody, dbctl or not.
	unusable := []string{"max_memory_usage", "max_query_memory_usage", "sandbox_tenant", "network_policy", "warehouse", "max_execute_time_in_seconds"}
	list := databendtest.Start(t, nil).New(t)
	for _, r := range list.SQL(t, `SELECT name, value, "range", type FROM system.settings`) {
		name := r[0]
		if slices.Contains(unusable, name) {
			continue
		}
		for _, value := range others(r[1], r[2], r[3]) {
			t.Run(name+"="+value, func(t *testing.T) {
				t.Parallel()
				engine := databendtest.Start(t, map[string]string{name: value})
				for _, k := range kinds {
					if slices.Contains([]string{"columns", "dml", "views", "replace", "account", "copy"}, k.name) {
						p := alone(k, "up-fails")
						p.engine = engine
						t.Run(k.name, p.stays)
					}
				}
				l := loadPlans[1]
				l.engine = engine
				t.Run("load", func(t *testing.T) { l.undisturbed(t) })
			})
		}
	}
}

// others are values of a setting that are not its own: both ends of what it takes, or each of its words.
func others(value, within, typ string) []string {
	words := strings.Split(strings.Trim(within, "[]"), ", ")
	set := map[string]bool{}
	for _, w := range words {
		if w = strings.Trim(w, `"`); !strings.HasSuffix(w, "...") && w != "None" && len(w) < 12 {
			set[w] = true
		}
	}
	if typ == "UInt64" && len(words) == 2 && words[1] != "1" {
		set[fmt.Sprint(1)] = true
	}
	delete(set, value)
	return slices.Sorted(maps.Keys(set))
}
