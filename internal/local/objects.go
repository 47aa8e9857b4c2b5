package local

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/secret"
)

// region is what the store calls itself; it takes requests that are signed for any.
const region = "us-east-1"

// objectsServer is the object store: gofakes3 in memory, behind the check of signatures that it lacks.
type objectsServer struct {
	store  Store
	http   *http.Server
	active atomic.Int64 // Unix nanoseconds of the last request
}

func startObjects(buckets []string) (*objectsServer, error) {
	backend := s3mem.New()
	for _, b := range buckets {
		if err := errors.Join(gofakes3.ValidateBucketName(b), backend.CreateBucket(b)); err != nil {
			return nil, fmt.Errorf("make bucket %q: %w", b, err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the object store: %w", err)
	}
	key, secretKey := "DBCTL"+randomHex(8), randomHex(20)
	s := &objectsServer{
		store: Store{Endpoint: "http://" + listener.Addr().String(), Region: region, Key: key, Secret: secret.New(secretKey)},
		http: &http.Server{
			ReadHeaderTimeout: 10 * time.Second,
		},
	}
	objects := checked(gofakes3.New(backend).Server(), key, secretKey)
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.active.Store(time.Now().UnixNano())
		objects.ServeHTTP(w, r)
	})
	go crash.Caught(func() { _ = s.http.Serve(listener) })()
	return s, nil
}

func (s *objectsServer) close() { _ = s.http.Close() }

// checked lets only requests with a right signature through, and answers others with S3's own errors.
func checked(next http.Handler, key, secretKey string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := verify(r, key, secretKey, time.Now())
		if e == nil {
			e = verifyBody(r)
		}
		if e == nil {
			next.ServeHTTP(w, r)
			return
		}
		body, _ := xml.Marshal(struct {
			XMLName  xml.Name `xml:"Error"`
			Code     string
			Message  string
			Resource string
		}{Code: e.code, Message: e.message, Resource: r.URL.Path})
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(e.status)
		_, _ = w.Write(body)
	})
}
