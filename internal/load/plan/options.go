package plan

// Options are the flags of `dbctl load`.
type Options struct {
	Path        string // --path: glob of the path below the stage root; "" all
	Limit       int    // --limit: at most so many files; 0 all
	Order       string // --order: "oldest", "newest" first by the object's time; "" as the stage lists them
	Force       bool   // --force: load the files of Path whatever the ledger says
	OnChanged   string // --on-changed fail, skip, replace; "" what the load's header says, else fail
	RetryFailed bool   // --retry-failed
	Reload      bool   // --reload: the rows of the files of Path are replaced by what the files hold now
	Atomic      bool   // --atomic: all files of the load or none
	Full        bool   // look at every file, also outside the load's window
	Verbose     bool   // an event for every file, also for those with nothing to do
}
