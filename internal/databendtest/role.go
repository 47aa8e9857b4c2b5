package databendtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
)

// Role is the way to the server of a role that has everything on its own databases, and on the whole account nothing but what May says. It
// is refused what a server refuses it (databend src/query/service/src/interpreters/access/privilege_access.rs): the embedded engine
// enforces no privileges. Name is the role that SHOW GRANTS tells of: the engine's own session is root's, whatever its role.
type Role struct{ Name, May string }

// onAccount is what takes a privilege on the whole account, each by the privilege.
var onAccount = map[string]*regexp.Regexp{
	"SUPER":           regexp.MustCompile(`^EXECUTE IMMEDIATE|^KILL|^SET GLOBAL|^SHOW (FILE FORMATS|NETWORK POLICIES)`),
	"SELECT":          regexp.MustCompile(`system\.(settings|constraints|tags)\b`),
	"CREATE DATABASE": regexp.MustCompile(`^CREATE (OR REPLACE )?DATABASE`),
	"DROP":            regexp.MustCompile(`^UNDROP DATABASE`),
	"ALTER":           regexp.MustCompile(` FLASHBACK TO |^ALTER (DATABASE|USER|ROLE)`),
	"GRANT":           regexp.MustCompile(`^(GRANT|REVOKE) `),
}

// RoundTrip answers what the role may not do, and sends on the rest. A login is sent on.
func (r Role) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPost || strings.TrimSuffix(req.URL.Path, "/") != "/v1/query" {
		return http.DefaultTransport.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	_ = req.Body.Close()
	var asked struct {
		SQL     string         `json:"sql"`
		Session map[string]any `json:"session"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, err
	}
	for privilege, takes := range onAccount {
		if takes.MatchString(strings.TrimSpace(asked.SQL)) && !strings.Contains(r.May, privilege) {
			return r.refuse(req, asked.Session, privilege)
		}
	}
	if asked.SQL == "SHOW GRANTS" && r.Name != "" {
		body = bytes.Replace(body, []byte(`"SHOW GRANTS"`), []byte(`"SHOW GRANTS FOR ROLE `+r.Name+`"`), 1)
	}
	if r.Name != "" && !strings.Contains(r.May, "READ") { // src/query/storages/system/src/stages_table.rs
		body = bytes.ReplaceAll(body, []byte("system.stages"), []byte("(SELECT * FROM system.stages WHERE owner = '"+r.Name+"')"))
	}
	if r.Name != "" && !strings.Contains(r.May, "SELECT") { // src/query/storages/system/src/databases_table.rs
		shown := "(SELECT * FROM system.databases WHERE owner = '" + r.Name + "' OR " +
			"name IN (SELECT object_name FROM show_grants('role', '" + r.Name + "')))"
		body = bytes.ReplaceAll(body, []byte("system.databases"), []byte(shown))
	}
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return http.DefaultTransport.RoundTrip(req)
}

func (Role) refuse(req *http.Request, session map[string]any, privilege string) (*http.Response, error) {
	if session["txn_state"] == "Active" {
		session["txn_state"] = "Fail"
	}
	answer, err := json.Marshal(map[string]any{
		"id": req.Header.Get("X-DATABEND-QUERY-ID"), "session": session, "state": "Failed", "data": [][]*string{}, "schema": []any{},
		"error": map[string]any{
			"code": databend.CodePermissionDenied, "message": "Permission denied: privilege [" + privilege + "] is required on *.*", "detail": "",
		},
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)), Request: req,
	}, nil
}
