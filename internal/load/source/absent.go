package source

import (
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
)

// Databend's codes of a place that is not there.
const (
	unknownCatalog = 1119
	unknownStage   = 2501
)

// Placed turns the engine's word about a missing table or stage into one that says what to do.
func (j *Load) Placed(err error) error {
	switch {
	case databend.IsCode(err, databend.CodeUnknownTable, databend.CodeUnknownDatabase, unknownCatalog):
		return j.NoTable()
	case databend.IsCode(err, unknownStage):
		return fault.Errorf(j.Name, fault.ExitFailed, "dbctl migrate up", "the stage %s does not exist", j.Copy.Stage)
	}
	return err
}

func (j *Load) NoTable() error {
	return fault.Errorf(j.Name, fault.ExitFailed, "dbctl migrate up", "the table %s does not exist", j.Target)
}
