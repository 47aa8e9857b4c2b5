package databendtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// SQLError is a statement that the server refused.
type SQLError struct {
	SQL     string
	Code    int
	Message string
}

func (e *SQLError) Error() string { return fmt.Sprintf("%s\n%d: %s", e.SQL, e.Code, e.Message) }

type answer struct {
	Session json.RawMessage
	Error   *struct {
		Code    int
		Message string
	}
	Data    [][]*string
	NextURI string `json:"next_uri"`
}

// sql runs statements in one session and returns the rows of the last.
func (s *Engine) sql(database string, statements ...string) ([][]string, error) {
	var session json.RawMessage
	session, err := json.Marshal(struct {
		Database string            `json:"database,omitempty"`
		Settings map[string]string `json:"settings,omitempty"`
	}{database, s.settings})
	if err != nil {
		return nil, err
	}
	cookie := http.Header{"Cookie": {"session_id=" + uuid.NewString()}}
	var rows [][]string
	for _, statement := range statements {
		body, err := json.Marshal(map[string]any{"sql": statement, "session": session, "pagination": map[string]int{"wait_time_secs": 10}})
		if err != nil {
			return nil, err
		}
		head := cookie.Clone()
		head.Set("X-DATABEND-QUERY-ID", strings.ReplaceAll(uuid.NewString(), "-", ""))
		rows = rows[:0]
		method, path := http.MethodPost, "/v1/query"
		for {
			var a answer
			if err := s.call(method, path, head, body, &a); err != nil {
				return nil, fmt.Errorf("%s\n%w", statement, err)
			}
			if len(a.Session) > 0 && string(a.Session) != "null" {
				session = a.Session
			}
			if a.Error != nil {
				return nil, &SQLError{SQL: statement, Code: a.Error.Code, Message: a.Error.Message}
			}
			for _, r := range a.Data {
				row := make([]string, len(r))
				for i, cell := range r {
					if row[i] = "NULL"; cell != nil {
						row[i] = *cell
					}
				}
				rows = append(rows, row)
			}
			if a.NextURI == "" || strings.HasSuffix(a.NextURI, "/final") {
				break
			}
			method, path, body = http.MethodGet, a.NextURI, nil
		}
	}
	return rows, nil
}

var client = &http.Client{Timeout: 10 * time.Minute}

func (s *Engine) call(method, path string, head http.Header, body []byte, into any) error {
	scheme, port := "https", 443
	if s.cfg.Plain {
		scheme, port = "http", 80
	}
	if s.cfg.Port != 0 {
		port = s.cfg.Port
	}
	r, err := http.NewRequest(method, fmt.Sprintf("%s://%s:%d%s", scheme, s.cfg.Host, port, path), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if head != nil {
		r.Header = head.Clone()
	}
	r.Header.Set("Content-Type", "application/json")
	if s.cfg.AccessToken.IsZero() {
		r.SetBasicAuth(s.cfg.User, s.cfg.Password.Reveal())
	} else {
		r.Header.Set("Authorization", "Bearer "+s.cfg.AccessToken.Reveal())
	}
	if s.cfg.Tenant != "" {
		r.Header.Set("X-DATABEND-TENANT", s.cfg.Tenant)
	}
	if s.cfg.Warehouse != "" {
		r.Header.Set("X-DATABEND-WAREHOUSE", s.cfg.Warehouse)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
