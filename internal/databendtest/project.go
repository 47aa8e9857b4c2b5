package databendtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Project is a project's folder, whose default environment is a test's database. The packages put their own words on top of it.
type Project struct {
	*Env
	T         testing.TB
	Dir       string
	Name      string            // another one has another history in the same database
	Variables map[string]string // the environment of dbctl, with what dbctl.yaml needs
}

// passwordVariable is what dbctl.yaml takes the password from.
const passwordVariable = "TEST_PASSWORD"

// Project makes a project's folder, with a dbctl.yaml and nothing else.
func (e *Env) Project(t testing.TB, name string) *Project {
	t.Helper()
	p := &Project{
		Env: e, T: t, Dir: t.TempDir(), Name: name, Variables: map[string]string{passwordVariable: e.Config.Password.Reveal()},
	}
	p.Configure("")
	return p
}

// Configure writes dbctl.yaml, with more in it.
func (p *Project) Configure(more string) {
	p.T.Helper()
	p.Write("dbctl.yaml", fmt.Sprintf(`project: %s
default_env: test
environments:
  test: { dsn: %q, password: %s, state_database: %s }
%s
`, p.Name, p.dsn(url.User(p.Config.User), p.address()), passwordVariable, p.StateDB, more))
}

// DSN is the Env's database by way of an address, "" for the server's own, with the password.
func (e *Env) DSN(address string) string {
	if address == "" {
		address = e.address()
	}
	return e.dsn(url.UserPassword(e.Config.User, e.Config.Password.Reveal()), address)
}

func (e *Env) address() string { return fmt.Sprintf("%s:%d", e.Config.Host, e.Config.Port) }

func (e *Env) dsn(user *url.Userinfo, address string) string {
	dsn := url.URL{Scheme: "databend", User: user, Host: address, Path: "/" + e.Database}
	if e.Config.Plain {
		dsn.RawQuery = "sslmode=disable"
	}
	return dsn.String()
}

// Write writes a file of the folder.
func (p *Project) Write(path, text string) {
	p.T.Helper()
	path = filepath.Join(p.Dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.T.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.T.Fatal(err)
	}
}

func migrationPath(version int) string { return fmt.Sprintf("migrations/%05d_m%[1]d.sql", version) }

// Migration writes a file with an Up section and, after a line "--down", a Down section. Lines before "--up" are headers.
func (p *Project) Migration(version int, text string) {
	p.T.Helper()
	head, rest, ok := strings.Cut(text, "--up\n")
	if !ok {
		head, rest = "", text
	}
	up, down, hasDown := strings.Cut(rest, "--down\n")
	text = head + "-- +goose Up\n" + up
	if hasDown {
		text += "\n-- +goose Down\n" + down
	}
	p.Write(migrationPath(version), text)
}

// RemoveMigration removes its file.
func (p *Project) RemoveMigration(version int) {
	p.T.Helper()
	if err := os.Remove(filepath.Join(p.Dir, migrationPath(version))); err != nil {
		p.T.Fatal(err)
	}
}

// Command is dbctl as a process in the folder, off a terminal.
func (p *Project) Command(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir = p.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.Dir}
	for name, value := range p.Variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// Litter is what must not be there once the next command has ended: tables of a rollback in the database, locks and claims in the state
// database. A free lock, and one that a take-over put aside, may stay.
func (p *Project) Litter() []string {
	p.T.Helper()
	var out []string
	aside := 0
	for _, r := range p.SQL(p.T, "SELECT database, name, comment FROM system.tables "+
		"WHERE database='"+p.Database+"' OR database='"+p.StateDB+"'") {
		name := r[1]
		switch {
		case r[0] == p.Database && p.Database != p.StateDB:
			if strings.HasPrefix(name, "__dbctl") {
				out = append(out, name)
			}
		case name == "journal", name == "ledger", strings.HasSuffix(name, "_free"):
		case strings.HasPrefix(name, "lock_stale_"):
			if aside++; aside > 1 {
				out = append(out, name+" (a second one)")
			}
		default:
			out = append(out, name+" "+r[2])
		}
	}
	slices.Sort(out)
	return out
}
