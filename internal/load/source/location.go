package source

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// A COPY may read a location of its own. The engine lists nothing but stages, so such a load gets one: made with the keys of now ahead of
// each plan, dropped when the command ends, and replaced by the next one where that was killed. Its name is the load's and the location's:
// another checkout may read another location by a load of the same name, at the same time. The ledger keeps the location, not the stage.

// Own reports whether the load reads a location of its own.
func (j *Load) Own() bool { return j.Copy.URI != "" }

// OwnPrefix begins the names of all that is made for loads.
const OwnPrefix = "dbctl_"

// ownName is the name of what is made for a load.
func ownName(project, database, load string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(project+"_"+load))
	return fmt.Sprintf(OwnPrefix+"%s_%08x", plain, crc32.ChecksumIEEE([]byte(project+"\x00"+database+"\x00"+load)))
}

// madeOf is the name of what is made for a load, by what it is made of: another command may run another text of the load meanwhile.
func (j *Load) madeOf(text string) string {
	return fmt.Sprintf("%s_%08x", j.own, crc32.ChecksumIEEE([]byte(text)))
}

// Dropped reports whether err says that what was made for the load is gone: another command that ended took it away. Who tries again makes
// it again.
func (j *Load) Dropped(err error) bool {
	if databend.IsCode(err, databend.CodeUnknownFormat) && strings.Contains(databend.Message(err), "'"+j.own+"_") {
		j.named = ""
		return true
	}
	return j.Own() && unknownStage(err)
}

// OtherStage reports whether a stage was made for this load while it read another location.
func (j *Load) OtherStage(name string) bool {
	return strings.HasPrefix(name, j.own+"_") && name != j.madeOf(j.Copy.URI)
}

// MakeStage is the statement that makes the load's own stage; it holds the placeholders of its keys.
func (j *Load) MakeStage() string {
	return "CREATE OR REPLACE STAGE " + j.Copy.Stage + " URL = " + j.Copy.Root()
}

// Place is the location for people: @stage/path, or the URI.
func (j *Load) Place() string {
	return cmp.Or(j.typed, j.Copy.Place())
}

// Here is where the load's file names its location.
func (j *Load) Here() sqltext.Place { return j.Statement.PlaceOf(j.Copy.LocationSpan[0]) }

// StageName is the stage for the ledger and for people: "" where it is made for the load.
func (j *Load) StageName() string {
	if j.Own() {
		return ""
	}
	return j.Copy.Stage
}
