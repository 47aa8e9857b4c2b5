package draft

import (
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
)

// What is written goes into a file: no key stands in it in clear, whatever its option is called.
func TestKeysInClear(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ from, connection, want string }{
		{"s3://b/p/", "lake", " CONNECTION = (CONNECTION_NAME = 'lake')"},
		{"s3://b/p/", "", ` CONNECTION = (ACCESS_KEY_ID = {{ secret "AWS_ACCESS_KEY_ID" }} SECRET_ACCESS_KEY = {{ secret "AWS_SECRET_ACCESS_KEY" }})`},
		{"s3://b/p/", "role_arn=arn:aws:iam::1:role/r", " CONNECTION = (ROLE_ARN = 'arn:aws:iam::1:role/r')"},
		{"gcs://b/p/", `CREDENTIAL={{ secret "C" }} ENDPOINT_URL='https://g.example.com'`, ` CONNECTION = (CREDENTIAL = {{ secret "C" }} ENDPOINT_URL = 'https://g.example.com')`},
		{"azblob://b/p/", `ENDPOINT_URL=https://a ACCOUNT_NAME={{secret "N"}} ACCOUNT_KEY={{secret "K"}}`, ` CONNECTION = (ENDPOINT_URL = 'https://a' ACCOUNT_NAME = {{ secret "N" }} ACCOUNT_KEY = {{ secret "K" }})`},
		{"s3://b/p/", "ACCESS_KEY_ID=AKIA0000SECRET REGION=eu", "holds ACCESS_KEY_ID in clear"},
		{"s3://b/p/", "REGION=eu secret_access_key = 'AKIA0000SECRET'", "holds SECRET_ACCESS_KEY in clear"},
		{"s3://b/p/", "aws_token=AKIA0000SECRET", "holds AWS_TOKEN in clear"},
		{"azblob://b/p/", "ENDPOINT_URL=https://a?sig=AKIA0000SECRET0000SECRET", "holds ENDPOINT_URL in clear"},
		{"s3://AKIA0000SECRET:AKIA0000SECRET@b/p/", "", "--from holds a key"},
		{"lake/p/", "", "--from lake/p/ is neither a stage nor a URI"},
		{"s3://b/p/", `REGION={{ var "AKIA0000SECRET" }}`, "value of REGION is no secret's name"},
	} {
		r := Request{Name: "x", From: tt.from, Connection: tt.connection}
		got := ""
		if err := r.Check(); err == nil {
			got = r.connection()
		} else if got = err.Error(); exit.Of(err) != exit.Usage || strings.Contains(got, "AKIA0000SECRET") {
			t.Errorf("%s: exit %d, %s", tt.connection, exit.Of(err), got)
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: got %s, want %s", tt.from, tt.connection, got, tt.want)
		}
	}
}

func TestWiden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ a, b, want string }{
		{"INT", "INT", "INT"},
		{"INT", "BIGINT", "BIGINT"},
		{"BIGINT", "DOUBLE", "DOUBLE"},
		{"FLOAT", "INT", "DOUBLE"},
		{"BIGINT", "BIGINT UNSIGNED", "DECIMAL(20, 0)"},
		{"DECIMAL(10, 2)", "INT", "DECIMAL(22, 2)"},
		{"DECIMAL(10, 2)", "DECIMAL(12, 6)", "DECIMAL(14, 6)"},
		{"DECIMAL(70, 2)", "DECIMAL(40, 30)", "DOUBLE"},
		{"DECIMAL(10, 2)", "DOUBLE", "DOUBLE"},
		{"DATE", "TIMESTAMP", "TIMESTAMP"},
		{"DATE", "INT", "STRING"},
		{"INT", "STRING", "STRING"},
		{"BOOLEAN", "INT", "STRING"},
		{"ARRAY(INT NULL)", "ARRAY(DOUBLE NULL)", "VARIANT"},
		{"VARIANT", "STRING", "VARIANT"},
	} {
		if got := widen(tt.a, tt.b); got != tt.want {
			t.Errorf("widen(%s, %s): got %s, want %s", tt.a, tt.b, got, tt.want)
		}
		if got := widen(tt.b, tt.a); got != tt.want {
			t.Errorf("widen(%s, %s): got %s, want %s", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		"TINYINT UNSIGNED": "INT", "UINT32": "BIGINT", "VARCHAR": "STRING", "DECIMAL(2, 1)": "DECIMAL(2, 1)",
		"ARRAY(INT64)":        "ARRAY(BIGINT NULL)",
		"ARRAY(FLOAT64 NULL)": "ARRAY(DOUBLE NULL)", "ARRAY(TUPLE(a INT64))": "VARIANT", "MAP(STRING, UINT8)": "VARIANT",
		"TUPLE(1 UINT8)": "VARIANT",
		"BITMAP":         "VARIANT", "TIMESTAMP": "TIMESTAMP",
	} {
		if got := writable(typ); got != want {
			t.Errorf("writable(%s): got %s, want %s", typ, got, want)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	files := []string{"a", "b", "c", "d", "e", "f", "g"}
	got := spread(files, 3)
	if len(got) != 3 || got[0] != "a" || got[1] != "d" || got[2] != "g" {
		t.Errorf("got %v, want the first, one in between, the last", got)
	}
	if got := spread(files, 10); len(got) != len(files) {
		t.Errorf("got %v, want all", got)
	}
}

func TestDelimiter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a,b\n1,2\n":                                  ",",
		"id;\"Weight, g\"\n1;2\n":                     ";",
		"id;Weight, g;at\n1;12,5;2024-01-01\n":        ";",
		"1,5;2,5\n1;2,5\n":                            ";",
		"\"a;b\",c\n1,2\n":                            ",",
		"a,b\n\"x\ny;z\",2\n":                         ",",
		"a;b\n\"an open, quote\n":                     ";",
		"a\t\nb\t\n":                                  "\t",
		"a|b|c\n1|2|3,4\n":                            "|",
		"one column\nof \"words\"\n":                  ",",
		"a,b,c\n1,2\n":                                ",",
		"when;what\n2024-01-01 10:00;a, b, c and d\n": ";",
		"": ",",
	} {
		if got := delimiterOf(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestColumnWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"id": true, "Weight, g": true, "Accession №": true, "price (€)": true, "growth %": true, "Straße/Nr.": true, "_x": true,
		"": false, "12": false, "2024-01-01": false, "a@b.example": false, "https://x": false, "k=v": false, "{a}": false,
	} {
		if got := columnWord.MatchString(text); got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
}
