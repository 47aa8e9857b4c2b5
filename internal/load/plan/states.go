package plan

// States are the states of a file for the reference: what each means, and what a load does with such a file.
var States = []struct {
	State       State
	Means, Does string
}{
	{New, "never loaded into this table", "loads it"},
	{Loaded, "loaded, and Databend still remembers it", "nothing"},
	{Expired, "loaded; Databend has forgotten it, the ledger has not", "nothing"},
	{
		Changed, "overwritten since it was loaded",
		"loads the others, then stops with 3. `--on-changed skip` leaves it, `replace` puts the new rows in place of the old ones",
	},
	{Unfinished, "0 bytes: an upload under way", "leaves it, and says so"},
	{
		Failed, "was bad, and nothing has changed since",
		"names it again (exit 4); tries it when the file, the load's text or the table changes, or with `--retry-failed`",
	},
	{Emptied, "loaded, and its rows are gone from the table (TRUNCATE, FLASHBACK, …)", "nothing, and says so: `--mark new` loads it again"},
	{Quarantined, "a person said `--mark quarantined`", "nothing"},
	{
		Vanished, "loaded, and no longer at its place",
		"nothing; of a ledger of 100,000 rows and more, `load --list` and `-v` count them, a plan does not",
	},
	{Ignored, "hidden, `_SUCCESS`, or not matched by the pattern", "nothing"},
}
