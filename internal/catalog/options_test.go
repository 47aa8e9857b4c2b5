package catalog

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTableOptions(t *testing.T) {
	t.Parallel()
	const head = "SNAPSHOT_LOCATION='1/2/_ss/h0123456789abcdef0123456789abcdef_v4.mpk'"
	for text, want := range map[string]map[string]string{
		"":                             nil,
		" " + head:                     nil,
		" COMPRESSION='lz4' " + head:   {"COMPRESSION": "lz4"},
		" K='it's' Block_size='1' ":    {"K": "it's", "BLOCK_SIZE": "1"},
		" A='' B='x = 'y'' " + head:    {"A": "", "B": "x = 'y'"},
		" A='a, \"b'' " + head + "   ": {"A": "a, \"b'"},
	} {
		if diff := cmp.Diff(tableOptions(text), want); diff != "" {
			t.Errorf("%q (-got +want):\n%s", text, diff)
		}
	}
	for text, want := range map[string]string{
		" X='SNAPSHOT_LOCATION=' " + head:                                            "0123456789abcdef0123456789abcdef",
		" SNAPSHOT_LOCATION='1/2/_ss/0123456789abcdef0123456789abcdef_v3.mpk' Y='1'": "0123456789abcdef0123456789abcdef",
		" X='1'": "",
	} {
		if got := Head(text); got != want {
			t.Errorf("Head(%q): got %s, want %s", text, got, want)
		}
	}
}

func TestIndexSQL(t *testing.T) {
	t.Parallel()
	columns := []Column{{Name: "s"}, {Name: "v"}, {Name: "a"}, {Name: "b c"}, {Name: "a, s"}, {Name: "N)"}, {Name: "select"}}
	for definition, want := range map[string]string{
		`(s)index_record='"basic"' tokenizer='"chinese"'`: "(`s`)index_record='basic' tokenizer='chinese'",
		`(v)distance='cosine,l1' m='10'`:                  "(`v`)distance='cosine,l1' m='10'",
		`(a, b c)`:                                        "(`a`, `b c`)",
		`(N), select)m='10'`:                              "(`N)`, `select`)m='10'",
		`(unknown)m='10'`:                                 "(unknown)m='10'",
	} {
		if got := IndexSQL(Index{Definition: definition}, columns); got != want {
			t.Errorf("IndexSQL(%s): got %s, want %s", definition, got, want)
		}
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	for grant, want := range map[string]string{
		"GRANT SELECT ON `d`.`t` TO ROLE `r`":    "REVOKE SELECT ON `d`.`t` FROM ROLE `r`",
		"GRANT ALL ON `TO`.`GRANT` TO 'a TO b'":  "REVOKE ALL ON `TO`.`GRANT` FROM 'a TO b'",
		"GRANT CREATE STAGE ON *.* TO ROLE `to`": "REVOKE CREATE STAGE ON *.* FROM ROLE `to`",
	} {
		if got := Revoke(grant); got != want {
			t.Errorf("Revoke(%s): got %s, want %s", grant, got, want)
		}
	}
}

func TestGrantSQL(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"GRANT SELECT,INSERT ON 'default'.'d'.'t' TO ROLE `r`": {"GRANT SELECT ON `d`.`t` TO ROLE `r`", "GRANT INSERT ON `d`.`t` TO ROLE `r`"},
		"GRANT ALL ON 'default'.'d'.* TO ROLE `r`":             {"GRANT ALL ON `d`.* TO ROLE `r`"},
		"GRANT SELECT ON *.* TO ROLE `r`":                      {"GRANT SELECT ON *.* TO ROLE `r`"},
		"GRANT ALL ON SEQUENCE q TO ROLE `r`":                  {"GRANT ACCESS SEQUENCE ON SEQUENCE q TO ROLE `r`"},
		"GRANT ALL ON UDF f TO 'r'@'%'":                        {"GRANT USAGE ON UDF f TO 'r'@'%'"},
		"GRANT ALL ON STAGE s TO ROLE `r`":                     {"GRANT READ ON STAGE s TO ROLE `r`", "GRANT WRITE ON STAGE s TO ROLE `r`"},
		"GRANT Read ON STAGE s TO ROLE `r`":                    {"GRANT READ ON STAGE s TO ROLE `r`"},
		"GRANT ALL ON UDF `f TO g` TO ROLE `r`":                {"GRANT USAGE ON UDF `f TO g` TO ROLE `r`"},
		"GRANT APPLY ON MASKING POLICY m TO ROLE `r`":          {"GRANT APPLY ON MASKING POLICY m TO ROLE `r`"},
		"GRANT SELECT ON 'default'.'d'.'it's' TO ROLE `r`":     {"GRANT SELECT ON `d`.`it's` TO ROLE `r`"},
		"GRANT SELECT ON 'default'.'d'.'b`t' TO ROLE `r`":      {"GRANT SELECT ON `d`.\"b`t\" TO ROLE `r`"},
		"GRANT SELECT ON 'default'.'x ON y'.* TO ROLE `r`":     {"GRANT SELECT ON `x ON y`.* TO ROLE `r`"},
		"GRANT ROLE a to ROLE `r`":                             nil,
		"GRANT WHAT we do not know":                            {"GRANT WHAT we do not know"},
	} {
		if got := grantSQL(line, "r"); !slices.Equal(got, want) {
			t.Errorf("grantSQL(%s): got %q, want %q", line, got, want)
		}
	}
	if got, want := grantSQL("GRANT SELECT ON *.* TO ROLE `a TO b`", "a TO b"), []string{"GRANT SELECT ON *.* TO ROLE `a TO b`"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
