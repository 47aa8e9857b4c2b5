package draft

import "testing"

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
