package project

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEnv(t *testing.T) {
	t.Parallel()
	got, err := parseEnv(".env", "\ufeff# a comment\r\nP=pa$WORD1x\nA = 'it''s' \n")
	if err == nil || !strings.Contains(err.Error(), ".env:3:") || got["P"] != "pa$WORD1x" {
		t.Errorf("got %v, %v, want P as it is written and a word about line 3", got, err)
	}
	got, err = parseEnv(".env", `
export B="two
lines, \"quoted\" $X \d"   # why
C='single \n $Y'
D=x#y #comment
E=
F = a"b'c
G=#nothing
H=sk/a+b==
I=${A}\n
`)
	want := map[string]string{
		"B": "two\nlines, \"quoted\" $X \\d", "C": `single \n $Y`, "D": "x#y", "E": "", "F": `a"b'c`, "G": "", "H": "sk/a+b==", "I": `${A}\n`,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("(-want +got), %v:\n%s", err, diff)
	}
	_, err = parseEnv(".env", "secretvalue\nA=1\n9=x\nB='no end\n")
	if err == nil || strings.Count(err.Error(), ".env:") != 3 || strings.Contains(err.Error(), "secretvalue") {
		t.Errorf("got %v, want the mistakes of lines 1, 3 and 4, and no value", err)
	}
}
