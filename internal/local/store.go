package local

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// Store is an S3 object store and a key to it: the one beside the engine, or any other. Buckets are addressed in the path.
type Store struct {
	Endpoint string // http://127.0.0.1:port
	Region   string // "" is us-east-1
	Key      string
	Secret   secret.Text
}

// Object is one object of a bucket's listing.
type Object struct {
	Key  string
	Size int64
}

// StoreError is an S3 error answer.
type StoreError struct {
	Status  int
	Code    string // "NoSuchBucket", "SignatureDoesNotMatch", …
	Message string
}

func (e *StoreError) Error() string {
	if e.Status == 0 { // nothing was sent
		return e.Message
	}
	return fmt.Sprintf("object store: HTTP %d %s: %s", e.Status, e.Code, e.Message)
}

// Put stores an object, over an older one if there is one.
func (s Store) Put(ctx context.Context, bucket, key string, content []byte) error {
	_, err := s.do(ctx, http.MethodPut, "/"+bucket+"/"+key, nil, content)
	return err
}

// Get returns an object's content.
func (s Store) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	return s.do(ctx, http.MethodGet, "/"+bucket+"/"+key, nil, nil)
}

// Delete removes an object. One that is not there is no error.
func (s Store) Delete(ctx context.Context, bucket, key string) error {
	_, err := s.do(ctx, http.MethodDelete, "/"+bucket+"/"+key, nil, nil)
	var missing *StoreError
	if errors.As(err, &missing) && missing.Code == "NoSuchKey" {
		return nil
	}
	return err
}

// MakeBucket makes a bucket.
func (s Store) MakeBucket(ctx context.Context, bucket string) error {
	_, err := s.do(ctx, http.MethodPut, "/"+bucket, nil, nil)
	return err
}

// List returns all objects of a bucket whose key begins with prefix, by key.
func (s Store) List(ctx context.Context, bucket, prefix string) ([]Object, error) {
	var all []Object
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}}
	for {
		body, err := s.do(ctx, http.MethodGet, "/"+bucket, query, nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Contents              []Object
			IsTruncated           bool
			NextContinuationToken string
		}
		if err := xml.Unmarshal(body, &page); err != nil {
			return nil, fmt.Errorf("read the listing of %s: %w", bucket, err)
		}
		all = append(all, page.Contents...)
		if !page.IsTruncated || page.NextContinuationToken == "" {
			return all, nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

// client keeps no proxy: a store is where its address says.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}}

func (s Store) do(ctx context.Context, method, path string, query url.Values, content []byte) ([]byte, error) {
	if s.Region == "" {
		s.Region = region
	}
	r, err := http.NewRequestWithContext(ctx, method, s.Endpoint, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, awsEscape(path, true), canonicalQuery(query)
	sign(r, s, content, time.Now())
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		e := &StoreError{Status: resp.StatusCode}
		_ = xml.Unmarshal(body, e) // a proxy's answer has no code
		return nil, e
	}
	return body, nil
}
