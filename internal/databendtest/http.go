package databendtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
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

// claim is what a client says of its session with each statement, and the server answers.
type claim struct {
	Database string            `json:"database,omitempty"`
	Settings map[string]string `json:"settings,omitempty"`
	TxnState string            `json:"txn_state,omitempty"`
}

// spare are the ids of sessions that are as new, by their database: to make one costs more than most statements.
type spare struct {
	mu  sync.Mutex
	ids map[string][]string
}

// take takes one out, or a new one.
func (x *spare) take(database string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ids := x.ids[database]; len(ids) > 0 {
		x.ids[database] = ids[1:]
		return ids[0]
	}
	return uuid.NewString()
}

// giveBack puts one back whose last answer says that it is as it began.
func (x *spare) giveBack(id string, began claim, answered json.RawMessage) {
	var now claim
	if json.Unmarshal(answered, &now) != nil || now.Database != began.Database || !maps.Equal(now.Settings, began.Settings) ||
		now.TxnState != "" && now.TxnState != "AutoCommit" {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ids == nil {
		x.ids = map[string][]string{}
	}
	x.ids[began.Database] = append(x.ids[began.Database], id)
}

// sql runs statements in one session and returns the rows of the last.
func (s *Engine) sql(database string, statements ...string) ([][]string, error) {
	began := claim{Database: cmp.Or(database, "default"), Settings: s.settings}
	session, err := json.Marshal(began)
	if err != nil {
		return nil, err
	}
	id := s.spare.take(began.Database)
	cookie := http.Header{"Cookie": {"session_id=" + id}}
	var rows [][]string
	for _, statement := range statements {
		body, err := json.Marshal(map[string]any{
			"sql": statement, "session": json.RawMessage(session), "pagination": map[string]int{"wait_time_secs": 10},
		})
		if err != nil {
			return nil, err
		}
		head := cookie.Clone()
		head.Set("X-DATABEND-QUERY-ID", strings.ReplaceAll(uuid.NewString(), "-", ""))
		rows = rows[:0]
		method, path := http.MethodPost, "/v1/query"
		for {
			var a answer
			err := s.call(method, path, head, body, &a)
			if errors.Is(err, io.EOF) { // the connection ended first, which may have been an idle one: a query id runs once
				err = s.call(method, path, head, body, &a)
			}
			if err != nil {
				return nil, fmt.Errorf("%s\n%w", statement, err)
			}
			if len(a.Session) > 0 && string(a.Session) != "null" {
				session = []byte(a.Session)
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
	s.spare.giveBack(id, began, session)
	return rows, nil
}

var client = &http.Client{Timeout: 10 * time.Minute, Transport: manyAtOnce()}

// manyAtOnce is a transport that keeps the connections of tests beside each other: each costs the server a thread.
func manyAtOnce() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return t
}

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
