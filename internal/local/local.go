// Package local runs a real Databend engine and an S3 object store on this machine, for trying, tests and the demo.
//
// The engine is the `databend` wheel in a Python process (front/) that speaks /v1/query as a server does; the object store is
// in this process, in memory, behind a check of AWS signatures. Nothing listens but on the loopback interface, and every start has
// its own random password and keys. The catalogue lives as long as the engine's process, its data in a temporary folder that goes
// with it.
//
// There are two ways to have one: Start, a child that dies with this process (tests), and Ensure, a daemon for a
// project folder (`dbctl dev`), found through .dbctl/dev.json.
package local

import (
	"io"

	"github.com/dbctl/dbctl/internal/secret"
)

// user is the engine's only user.
const user = "root"

// Engine is a running engine with its object store.
type Engine struct {
	Host     string // 127.0.0.1
	Port     int
	User     string
	Password secret.Text
	S3       Store
	PID      int    // of the process to look for: the engine itself after Start, its daemon after Ensure and Running
	Version  string // the engine's version text
	Isolated bool   // nobody but dbctl reaches the ports that the engine opens for itself
	Fresh    bool   // Ensure started it just now: its catalogue is empty

	child   *child         // after Start
	objects *objectsServer // after Start
}

// Options say what to start.
type Options struct {
	Buckets  []string          // made if they are missing
	Data     map[string]string // for Ensure: by bucket, the folder whose files are put there, and again whenever they change
	Progress io.Writer         // told what takes long (making the Python environment); may be nil
	Python   string            // $DBCTL_PYTHON
	Folder   string            // for Start: where the engine's data is, until it ends; the system's temporary folder
	Extra    []byte            // of tests, and of Start only: a Python module that makes the engine's front misbehave
}
