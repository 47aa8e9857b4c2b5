// Command query runs one statement on the local engine of the project in this folder and prints its rows: the demo asks questions,
// and dbctl has no command for that on purpose.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/ui"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: query STATEMENT")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "query:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sql string) error {
	engine, err := local.Running(ctx, ".")
	if err != nil {
		return err
	}
	if engine == nil {
		return errors.New("no local engine runs here: `dbctl dev start -e local`")
	}
	server, err := databend.Connect(ctx, databend.Config{
		Host: engine.Host, Port: engine.Port, Plain: true, User: engine.User, Password: engine.Password, Database: "default",
	})
	if err != nil {
		return err
	}
	defer server.Close()
	session, err := server.Session(ctx, map[string]string{"geometry_output_format": "WKT"})
	if err != nil {
		return err
	}
	res, err := session.Query(ctx, databend.Statement{SQL: sql})
	if err != nil {
		return err
	}
	show(res)
	return session.Close()
}

// show prints rows as `dbctl load --preview` does.
func show(res databend.Result) {
	p := event.Preview{Columns: res.Columns, Types: res.Types}
	for _, r := range res.Rows {
		cells := make([]*string, len(r))
		for i := range r {
			if r[i].Valid {
				cells[i] = &r[i].String
			}
		}
		p.Rows = append(p.Rows, cells)
	}
	u := ui.New(ui.Options{Out: os.Stdout, Err: os.Stderr})
	defer u.Close()
	u.Event(p)
}
