package catalog

import (
	"context"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// saying is a server that answers what begins or goes on with a text by an error, and all else by nothing, but that role x and user x
// are there.
type saying struct {
	text string
	code int
}

func (s saying) Query(_ context.Context, st databend.Statement) (databend.Result, error) {
	if strings.Contains(st.SQL, s.text) {
		return databend.Result{}, &databend.Error{Code: s.code, Message: "the server's word"}
	}
	res := databend.Result{}
	if strings.Contains(st.SQL, "'grant', name") {
		for _, name := range []string{"ROLE x", "USER x"} {
			row := make(databend.Row, width)
			row[0].String, row[1].String = string(sqltext.Grant), name
			res.Rows = append(res.Rows, row)
		}
	}
	return res, nil
}

// A right that is missing does not make anything absent, whatever reads it; only what the server does not know is.
func TestDeniedIsNotAbsent(t *testing.T) {
	t.Parallel()
	for text, tt := range map[string]struct {
		o       sqltext.Object
		unknown int
	}{
		"DESC MASKING POLICY":           {sqltext.Object{Kind: sqltext.MaskingPolicy, Name: "x"}, databend.CodeUnknownDatamask},
		"DESC ROW ACCESS POLICY":        {sqltext.Object{Kind: sqltext.RowPolicy, Name: "x"}, databend.CodeUnknownRowPolicy},
		"DESC NOTIFICATION INTEGRATION": {sqltext.Object{Kind: sqltext.Notification, Name: "x"}, databend.CodeNoTasks},
		"DESC PIPE":                     {sqltext.Object{Kind: sqltext.Pipe, Name: "x"}, databend.CodeUnimplemented},
		"SHOW TASKS":                    {sqltext.Object{Kind: sqltext.Task, Name: "x"}, databend.CodeNoLicence},
		"show_grants('role'":            {sqltext.Object{Kind: sqltext.Grant, Name: "ROLE x"}, databend.CodeUnknownRole},
		"show_grants('user'":            {sqltext.Object{Kind: sqltext.Grant, Name: "USER x"}, databend.CodeUnknownUser},
		"SHOW CONNECTIONS":              {sqltext.Object{Kind: sqltext.Connection, Name: "x"}, 0},
		"SHOW FILE FORMATS":             {sqltext.Object{Kind: sqltext.FileFormat, Name: "x"}, 0},
		"SHOW NETWORK POLICIES":         {sqltext.Object{Kind: sqltext.NetworkPolicy, Name: "x"}, 0},
		"system.settings":               {sqltext.Object{Kind: sqltext.Setting, Name: "x"}, 0},
		"system.users":                  {sqltext.Object{Kind: sqltext.User, Name: "x"}, 0},
		"system.roles":                  {sqltext.Object{Kind: sqltext.Role, Name: "x"}, 0},
		"show_sequences()":              {sqltext.Object{Kind: sqltext.Sequence, Name: "x"}, 0},
		"system.tables":                 {sqltext.Object{Kind: sqltext.Table, Database: "d", Name: "x"}, 0},
		"system.databases":              {sqltext.Object{Kind: sqltext.Database, Name: "x"}, 0},
	} {
		other := sqltext.Object{Kind: sqltext.Function, Name: "f"}
		for _, code := range []int{databend.CodePermissionDenied, databend.CodeInternal} {
			if s, err := Capture(t.Context(), saying{text, code}, []sqltext.Object{tt.o, other}); err == nil {
				t.Errorf("%s: %d reads as %+v", text, code, s.Objects)
			}
			cat, err := Read(t.Context(), saying{text, code}, []sqltext.Object{tt.o, other}, nil)
			if kindOf(tt.o.Kind).of == tt.o.Kind && Rank(tt.o.Kind) >= 0 && (err != nil || cat.Refused[tt.o] == nil || cat.Refused[other] != nil) {
				t.Errorf("%s: %d is more than one object's: %v %v", text, code, cat, err)
			}
		}
		if tt.unknown == 0 {
			continue
		}
		s, err := Capture(t.Context(), saying{text, tt.unknown}, []sqltext.Object{tt.o})
		if was, ok := s.Find(tt.o); err != nil || !ok || was.Exists {
			t.Errorf("%s: %d is %+v, %v, want it absent", text, tt.unknown, was, err)
		}
	}
}
