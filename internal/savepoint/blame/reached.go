package blame

import (
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Reached is a statement that ran or may have run, in the order of the run.
type Reached struct {
	Effect effect.Effect
	// At is the server's time of the statement's mark, zero when unknown. An object that was absent and is there now is ours only
	// if it was created at or after it.
	At time.Time
	// Heads has the head snapshot of each table that the statement writes, read right before it (from the mark): table id → id.
	Heads map[string]string
	// Own has what the statement's own transaction journaled of the tables whose rows it changed: the snapshot id, and the names
	// (fuse_block's block_location) of the blocks that this snapshot has and the one before it lacks. Rows that were appended are
	// ours only by this; a DDL needs none. A table of which it changed no row must not be in it: the head may have moved by
	// another's commit, whose rows would then be taken for ours.
	Own []string
	// Done is a server's time after it was over, zero when its answer did not come. An object that is younger is another session's.
	Done time.Time
	// Until is, where that is not known, a server's time at which nothing of the run was under way any more.
	Until time.Time
	// Left is what was read right behind it of the objects that it wrote and that have no history.
	Left catalog.State
}
