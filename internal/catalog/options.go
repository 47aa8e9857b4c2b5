package catalog

import (
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Unsettable options can be taken away again; Databend knows only SET for the others.
var Unsettable = []string{
	"BLOCK_PER_SEGMENT", "ROW_PER_BLOCK", "BLOCK_SIZE_THRESHOLD", "ROW_AVG_DEPTH_THRESHOLD", "FILE_SIZE",
	"DATA_RETENTION_PERIOD_IN_HOURS", "DATA_RETENTION_NUM_SNAPSHOTS_TO_KEEP", "COPY_DEDUP_FULL_PATH",
}

// Neutral are the values that mean the same as no value, for options that cannot be taken away.
var Neutral = map[string]string{
	"CHANGE_TRACKING": "false", "ENABLE_SCHEMA_EVOLUTION": "false", "ENABLE_AUTO_ANALYZE": "1",
	"COMPRESSION": "lz4",
}

// Residue reports whether an option is there now only because Databend cannot take it away.
func Residue(k, now string, was map[string]string) bool {
	_, had := was[k]
	return !had && !slices.Contains(Unsettable, k) && now != ""
}

// IndexSQL is what follows the table's name in a statement that makes the index: (cols) k = 'v'. The engine shows some values in quotes
// of their own, which it does not take back: index_record='"basic"'.
func IndexSQL(i Index) string {
	words, err := sqltext.ReadWords(i.Definition)
	if err != nil {
		return i.Definition
	}
	var b strings.Builder
	at := 0
	for k, t := range words.Tokens {
		if t.Kind != sqltext.String {
			continue
		}
		value, err := sqltext.Unquote(words.Text(k))
		if err == nil && len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			b.WriteString(i.Definition[at:t.Start] + sqltext.Quote(value[1:len(value)-1]))
			at = t.End
		}
	}
	return b.String() + i.Definition[at:]
}
