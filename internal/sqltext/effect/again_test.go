package effect

import "testing"

func TestAgain(t *testing.T) {
	t.Parallel()
	for stmt, want := range map[string]string{
		"create /* x */ function f AS (x) -> x":              "create OR REPLACE /* x */ function f AS (x) -> x",
		"CREATE OR REPLACE CONNECTION c STORAGE_TYPE = 's3'": "CREATE OR REPLACE CONNECTION c STORAGE_TYPE = 's3'",
		"CREATE FILE FORMAT IF NOT EXISTS f TYPE = CSV":      "CREATE OR REPLACE FILE FORMAT f TYPE = CSV",
		"CREATE STAGE s": "CREATE STAGE IF NOT EXISTS s",
		"CREATE STAGE IF NOT EXISTS s COMMENT = 'URL = x'":      "CREATE STAGE IF NOT EXISTS s COMMENT = 'URL = x'",
		"CREATE OR REPLACE STAGE url_s":                         "CREATE STAGE IF NOT EXISTS url_s",
		"CREATE STAGE s URL = 's3://b/ IF NOT EXISTS'":          "CREATE OR REPLACE STAGE s URL = 's3://b/ IF NOT EXISTS'",
		"CREATE STAGE IF NOT EXISTS s 's3://b/'":                "CREATE OR REPLACE STAGE s 's3://b/'",
		"ALTER STAGE s SET COMMENT = 'x'":                       "ALTER STAGE s SET COMMENT = 'x'",
		"CREATE TAG IF NOT EXISTS t COMMENT = 'IF NOT EXISTS'":  "CREATE OR REPLACE TAG t COMMENT = 'IF NOT EXISTS'",
		"CREATE SEQUENCE s COMMENT = 'IF NOT EXISTS' START = 1": "CREATE OR REPLACE SEQUENCE s COMMENT = 'IF NOT EXISTS' START = 1",
	} {
		if got := Again(stmt); got != want {
			t.Errorf("Again(%q): got %q, want %q", stmt, got, want)
		}
	}
}
