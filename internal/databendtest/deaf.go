package databendtest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Deaf is a transport that loses the answer to one POST /v1/query: the server has run the statement, and the connection breaks.
type Deaf struct {
	At      int  // which one, from 1 on; 0: none
	Forgets bool // the server does not know the statement any more either, as after a restart

	mu    sync.Mutex
	count int
	lost  string
	id    string // of the lost one
}

// RoundTrip sends the request; the answer to the one it loses is read and dropped.
func (d *Deaf) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPost || req.URL.Path != "/v1/query" {
		if d.forgot(req.URL.Path) {
			return &http.Response{
				StatusCode: http.StatusNotFound, Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
				Body: io.NopCloser(strings.NewReader(`{"error":{"code":404,"message":"query not found"}}`)),
			}, nil
		}
		return http.DefaultTransport.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	_ = req.Body.Close()
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body))
	d.mu.Lock()
	d.count++
	lose := d.count == d.At
	if lose {
		_, d.lost, _ = strings.Cut(string(body), `"sql":`)
		d.id = req.Header.Get("X-Databend-Query-Id")
	}
	d.mu.Unlock()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || !lose {
		return res, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return nil, errors.New("the connection is closed")
}

func (d *Deaf) forgot(path string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Forgets && d.id != "" && strings.Contains(path, d.id)
}

// Count is how many statements it has sent.
func (d *Deaf) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// Lost is the beginning of the statement whose answer it lost.
func (d *Deaf) Lost() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost[:min(len(d.lost), 100)]
}
