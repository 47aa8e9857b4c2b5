package effect

// Aspect is a part of an object that a statement can write by itself; several are or-ed together.
type Aspect uint16

// The aspects. What a table was made with, or is replaced by, is part of its existence.
const (
	Existence   Aspect = 1 << iota // under this name: it is made, dropped, replaced, renamed
	Rows                           // rows come, go or change; of a stream its offset
	Layout                         // rows are arranged anew and statistics taken; none changes
	Columns                        // names, order, types, defaults
	ColumnNotes                    // the comments of columns
	Cluster                        // the cluster key
	Options                        // of a table
	Indexes                        // of a table
	Constraints                    // of a table
	Comment                        // the object's own
	Owner                          // the role that owns it
	Grants                         // the privileges and roles that a role or user has
	Text                           // a view's query; the definition of an object that the engine keeps no history of
	Attachments                    // tags and policies on it, which the catalogue does not show
	Files                          // those of a stage that lives and dies with them
)

// Rewound are the aspects of a table that FLASHBACK puts back.
const Rewound = Rows | Layout | Columns | Cluster

// Has reports whether one of the aspects is among a.
func (a Aspect) Has(any Aspect) bool { return a&any != 0 }
