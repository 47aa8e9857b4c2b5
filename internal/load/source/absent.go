package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// unknownStage reports whether a stage was not there.
func unknownStage(err error) bool { return databend.IsCode(err, databend.CodeUnknownStage) }

// makes is what to do about a table or stage that is not there.
const makes = "`dbctl migrate up`, where a migration makes it; `dbctl plan` tells where its name is wrong"

// Placed turns the engine's word about a missing table, stage or bucket into one that says what to do.
func (j *Load) Placed(err error) error {
	if _, said := errors.AsType[short](err); said { // where the load's own stage was made
		return err
	}
	if databend.IsCode(err, databend.CodeUnknownTable, databend.CodeUnknownDatabase, databend.CodeUnknownCatalog) {
		return j.NoTable()
	}
	if unknownStage(err) && !j.Own() {
		return fault.Errorf(j.Name, exit.Failed, makes, "the stage %s does not exist", j.Copy.Stage).Placed(j.Here())
	}
	answer, ok := errors.AsType[*databend.Error](err)
	if !ok || answer.Code == 0 || answer.Kind == databend.KindTimeout { // --timeout ended it, and no store said a word
		return err
	}
	text := strings.Join(strings.Fields(databend.Message(err)), " ")
	if databend.IsCode(err, databend.CodeMetaService) && j.Own() {
		scheme, _, _ := strings.Cut(j.Copy.URI, "://")
		return &fault.Error{
			Load: j.Name, Exit: exit.Failed,
			Advice: "put the files where the server lists them (s3://, gcs://, a stage), and name that in " + j.Path,
			Msg:    fmt.Sprintf("the server makes no stage over %s://, and without one it lists nothing", scheme), Err: short{err},
		}
	}
	if means, mend, ok := databend.StoreRefusal(text, j.keptIn()); ok {
		return &fault.Error{
			Load: j.Name, Exit: exit.Failed, Msg: j.Place() + ": " + means, Err: short{err},
			Advice: mend,
		}
	}
	return err
}

// keptIn is where a load's keys and endpoint stand.
func (j *Load) keptIn() string {
	switch name := copytext.FormatOptions(j.Copy.Connection)["CONNECTION_NAME"]; {
	case !j.Own():
		return databend.InStage(j.Copy.Stage)
	case name != "":
		return "the connection " + name + " (in a migration), or in " + j.Path
	}
	return "the CONNECTION of " + j.Path
}

// short is the engine's word without the store's whole answer.
type short struct{ error }

func (s short) Unwrap() error { return s.error }

func (s short) Error() string {
	return fault.OfTheStore(s.error.Error())
}

// NoTable is the error of a table that is not there.
func (j *Load) NoTable() *fault.Error {
	return fault.Errorf(j.Name, exit.Failed, makes, "the table %s does not exist", j.Target).Placed(j.Statement.PlaceOf(j.Copy.TableSpan[0]))
}

// AView is the error of a view in a table's place.
func (j *Load) AView() *fault.Error {
	return fault.Errorf(j.Name, exit.Failed, "name the table that it reads", "%s is a view, and a COPY fills tables", j.Target).
		Placed(j.Statement.PlaceOf(j.Copy.TableSpan[0]))
}
