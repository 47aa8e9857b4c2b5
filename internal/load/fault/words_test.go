package fault

import (
	"errors"
	"testing"
)

// TestInWords: of what the engine says of a file's value, the value, its column and its type are told, and one line number only.
func TestInWords(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"fail to auto cast column $4 (String NULL) to column amount (Decimal(10, 2) NULL) bad decimal literal: unexpected char while evaluating " +
			"function `to_decimal(10, 2)('1O.00')` in expr `CAST($4 AS Decimal(10, 2) NULL)`": "column amount: '1O.00' is no DECIMAL(10, 2)",
		"unable to cast to type `TIMESTAMP` unexpected argument. while evaluating function `to_timestamp('\"2025-01-04 1X:00:00\"')` in expr " +
			"`CAST(get_by_keypath(stage._$1 (#0), '{\"at\"}') AS Timestamp NULL)`": "'2025-01-04 1X:00:00' is no TIMESTAMP",
		"Invalid NDJSON row: EOF while parsing an object at line 1, position 55 of size 56 for File 'c/5.ndjson' at file 'c/5.ndjson', line 1": "the line ends " +
			"amid an object: it is cut off, or this is no NDJSON, which has a whole object on each line, as jq -c '.' makes of objects and jq -c '.[]' of an array",
		"fail to read p/b.orc: OutOfSpec { msg: \"Footer length is empty\", location: Location { file: \"/root/x/metadata.rs\", line: 271, column: 50 } }": "it is " +
			"cut off, damaged, or no ORC: Footer length is empty",
		"fail to read p/c.orc: OutOfSpec { msg: \"File too small for given postscript length\", location: Location { file: \"x\", line: 2, column: 1 } }": "it is " +
			"cut off, damaged, or no ORC: File too small for given postscript length",
		"called `Result::unwrap()` on an `Err` value: IoError { source: Custom { kind: InvalidInput, error: \"corrupt deflate stream\" }, location: Location { file: \"x\", line: 1, column: 3 } }": "its " +
			"data is damaged, or cut off: corrupt deflate stream",
		"called `Result::unwrap()` on an `Err` value: Read into buffer failed: failed to fill whole buffer": "its data is damaged, or cut off: Read into buffer " +
			"failed: failed to fill whole buffer",
		"Invalid value 'zz' for column 1 (n INT32): bad digit at file 'p/b.csv', line 2":                                               "Invalid value 'zz' for column 1 (n INT32): bad digit",
		"invalid while evaluating function `to_interval('fog')` in expr `CAST(f.weather (#1) AS Interval NULL) + f.day (#2)` (1006 X)": "'fog' is no INTERVAL",
	} {
		if got := InWords(errors.New(said)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
