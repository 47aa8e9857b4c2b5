package databend

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The session contract. The account and the server have settings of their own, and any of them may change what a statement of
// dbctl means or gives: a time, a name's case, a number of rows, a value's text. So each setting that can is sent with every
// statement of every session, with the value that dbctl was written for. They go with the statement and not with the login: a
// statement ignores a setting that an older server does not know, a login is refused for it.
//
// Left alone is what only makes a statement slower, or bounds it: memory, threads, time limits, retention.

// pinned are the settings that dbctl itself relies on, each with what it holds for. Neither the DSN nor a migration may change them.
var pinned = map[string]string{
	"timezone":                          "UTC",                  // times and dates mean one thing
	"sql_dialect":                       "PostgreSQL",           // MySQL reads "a" as a string
	"quoted_ident_case_sensitive":       "1",                    // "A" and "a" are two names
	"unquoted_ident_case_sensitive":     "0",                    // A and a are one
	"max_result_rows":                   "0",                    // no limit: an answer is whole
	"max_set_operator_count":            "18446744073709551615", // no limit: a look at the catalogue is a UNION ALL of many
	"http_json_result_mode":             "display",              // values come as text
	"format_null_as_str":                "0",                    // NULL comes as null, not as 'NULL'
	"enable_query_result_cache":         "0",                    // an answer is of now
	"enable_cse_optimizer":              "0",                    // with 1 a load takes the rows of loaded files for gone
	"hide_options_in_show_create_table": "1",                    // a definition does not show where the server keeps the table
	"enable_expand_roles":               "1",                    // SHOW GRANTS shows what a role holds through others
	"idle_transaction_timeout_secs":     "14400",                // a transaction outlives what dbctl does beside it
}

// usual are the settings that give a migration's own statements their meaning, with the engine's defaults: the same files make
// the same schema in every account. The DSN may say otherwise for all sessions, and a migration with SET for itself.
var usual = map[string]string{
	"binary_input_format":                "utf-8",      // how the text of a BINARY is read
	"binary_output_format":               "hex",        // how a BINARY is written, also by CAST(… AS STRING)
	"geometry_output_format":             "GeoJSON",    // how a GEOMETRY is written
	"input_read_buffer_size":             "4194304",    // with 0 nothing of a CSV or NDJSON file is read
	"copy_dedup_full_path_by_default":    "0",          // whether a new table remembers loaded files by whole path
	"date_format_style":                  "Oracle",     // a format is YYYY-MM-DD, not %Y-%m-%d
	"ddl_column_type_nullable":           "1",          // a INT may be NULL
	"default_order_by_null":              "nulls_last", // where ORDER BY puts NULL
	"disable_variant_check":              "0",          // invalid JSON is refused
	"enable_auto_detect_datetime_format": "0",          // of a time no other forms are read
	"enable_dst_hour_fix":                "0",          // an hour that a change of clocks leaves out is not moved
	"enable_geo_create_table":            "1",          // GEOMETRY may be a column's type
	"enable_new_copy_for_text_formats":   "1",          // which reader a COPY of CSV has
	"enable_strict_datetime_parser":      "1",          // no time is guessed
	"error_on_nondeterministic_update":   "1",          // an UPDATE whose join finds several rows is refused
	"force_join_data_spill":              "0",          // with 1, and no room for it, a join of nothing fails
	"join_spilling_partition_bits":       "4",          // with 64 and more a FULL join fails
	"numeric_cast_option":                "rounding",   // 1.5 is 2 for an INT
	"parse_datetime_ignore_remainder":    "1",          // what stands behind a time is passed over
	"purge_duplicated_files_in_copy":     "0",          // a COPY deletes no file that it skips
	"random_function_seed":               "0",          // rand() is random
	"script_max_steps":                   "10000",      // dbctl takes its lock by a script
	"stream_consume_batch_size_hint":     "0",          // a statement takes all of a stream
	"table_lock_expire_secs":             "30",         // with 0, or 2^63, an UPDATE or DELETE fails
	"week_start":                         "1",          // Monday
	"window_num_partitions":              "256",        // with ten million a query with a window does not end
}

// migration are the settings that the session of a migration's own statements has beside the pinned ones.
var migration = map[string]string{
	"enable_auto_analyze":        "0", // a statement makes no second snapshot, of statistics
	"enable_compact_after_write": "0", // a statement makes no second snapshot, of joined blocks
	"enable_auto_vacuum":         "0", // no snapshot is removed
}

// MigrationSettings are the settings, for Session, of a migration's own statements, which carry the tag.
func MigrationSettings(tag string) map[string]string {
	s := maps.Clone(migration)
	s["query_tag"] = tag
	return s
}

// AccountAdmin is the role that may do everything. The engine shows as its own what belongs to a role that is not there.
const AccountAdmin = "account_admin"

// IsPinned reports whether a migration may not SET this setting: dbctl relies on the value that it has.
func IsPinned(name string) bool {
	name = strings.ToLower(name)
	return pinned[name] != "" || migration[name] != "" || name == "query_tag"
}

// contract is what the statements of one session are sent with.
type contract struct {
	fixed map[string]string // always
	usual map[string]string // unless the session says otherwise
}

// newContract makes the contract of a session with settings of its own; the DSN's are the session's as soon as it is open.
func newContract(own map[string]string) contract {
	fixed := maps.Clone(pinned)
	maps.Copy(fixed, own)
	return contract{fixed: fixed, usual: usual}
}

// put puts the contract into the body of POST /v1/query, and returns the session that it claims. For a statement about the account's
// own settings it takes the session's out instead: system.settings shows those in the place of the account's.
func (c contract) put(body []byte, account bool) (out []byte, session map[string]json.RawMessage, err error) {
	var request map[string]json.RawMessage
	settings := map[string]string{}
	bad := func(err error) ([]byte, map[string]json.RawMessage, error) {
		return nil, nil, fmt.Errorf("read the driver's request: %w", err)
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return bad(err)
	}
	if raw := request["session"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &session); err != nil {
			return bad(err)
		}
	}
	if session == nil {
		session = map[string]json.RawMessage{}
	}
	if raw := session["settings"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &settings); err != nil {
			return bad(err)
		}
	}
	all := maps.Clone(c.usual)
	maps.Copy(all, settings)
	maps.Copy(all, c.fixed)
	if account {
		clear(all)
	}
	if session["settings"], err = json.Marshal(all); err != nil {
		return bad(err)
	}
	if request["session"], err = json.Marshal(session); err != nil {
		return bad(err)
	}
	out, err = json.Marshal(request)
	return out, session, err
}

// withoutPinned are the settings of cfg that dbctl leaves to it.
func withoutPinned(cfg Config) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		value := cfg.Settings[name]
		switch want, is := pinned[strings.ToLower(name)]; {
		case !is:
			out[name] = value
		case !strings.EqualFold(value, want):
			cfg.warn("the DSN's %s=%s has no effect: every session of dbctl has %s, so that it reads the same everywhere", name, value, want)
		}
	}
	return out
}

func (cfg Config) warn(format string, args ...any) {
	if cfg.Warn != nil {
		cfg.Warn(fmt.Sprintf(format, args...))
	}
}
