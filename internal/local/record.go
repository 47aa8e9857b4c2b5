package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// The files of a project's .dbctl folder that are ours. dev.json says where the daemon is; dev.lock is held while one is looked
// for or started; data.json says which files of the data folder were put into the bucket of which daemon.
const (
	folder     = ".dbctl"
	recordName = "dev.json"
	lockName   = "dev.lock"
	dataName   = "data.json"
)

// record is dev.json. It holds ports and no addresses: whatever the file says, the daemon is on the loopback interface.
type record struct {
	PID       int    `json:"pid"` // of the daemon
	EnginePID int    `json:"engine_pid"`
	Port      int    `json:"port"`
	User      string `json:"user"`
	Password  string `json:"password"` // also opens the daemon's control port
	S3Port    int    `json:"s3_port"`
	S3Region  string `json:"s3_region"`
	S3Key     string `json:"s3_key"`
	S3Secret  string `json:"s3_secret"`
	Control   int    `json:"control_port"`
	Echo      string `json:"echo"` // a random value: whoever answers with it is the daemon that wrote this file
	Version   string `json:"version"`
	StartedAt string `json:"started_at"`
}

func readRecord(dir string) (*record, error) {
	text, err := os.ReadFile(filepath.Join(dir, folder, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", recordName, err)
	}
	var r record
	if json.Unmarshal(text, &r) != nil {
		return nil, nil // of another version, or no file of ours: as good as none
	}
	return &r, nil
}

func (r *record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(dir, folder, recordName), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", recordName, err)
	}
	return nil
}

func (r *record) engine() *Engine {
	return &Engine{
		Host: "127.0.0.1", Port: r.Port, User: r.User, Password: secret.New(r.Password), PID: r.PID, Version: r.Version,
		S3: Store{
			Endpoint: "http://127.0.0.1:" + strconv.Itoa(r.S3Port), Region: r.S3Region, Key: r.S3Key, Secret: secret.New(r.S3Secret),
		},
	}
}

// prepareFolder makes dir/.dbctl, readable by its owner only, and keeps it out of git.
func prepareFolder(dir string) error {
	path := filepath.Join(dir, folder)
	err := os.MkdirAll(path, 0o700)
	if err == nil {
		if _, missing := os.Stat(filepath.Join(path, ".gitignore")); missing != nil {
			err = writeFile(filepath.Join(path, ".gitignore"), []byte("*\n"), 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", folder, err)
	}
	return nil
}

// controlClient talks to a daemon's control port. A daemon that is alive answers at once.
var controlClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// control asks the daemon of a record something and returns its answer.
func (r *record) control(ctx context.Context, method, path string, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+strconv.Itoa(r.Control)+path, nil)
	if err != nil {
		return "", err
	}
	if path != echoPath {
		// The password goes only to one that echoed the value of dev.json.
		req.SetBasicAuth(r.User, r.Password)
	}
	resp, err := controlClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the daemon answered %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	return string(text), err
}

// alive reports whether the daemon of a record is there and not about to leave.
func (r *record) alive(ctx context.Context) bool {
	echo, err := r.control(ctx, http.MethodGet, echoPath, 5*time.Second)
	return err == nil && r.Echo != "" && echo == r.Echo
}
