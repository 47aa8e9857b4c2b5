package effect

import (
	"slices"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Feature is something that not every server has.
type Feature string

// Notifications and tasks need a cloud control service, the others an Enterprise licence (databend src/common/license: Feature).
const (
	Streams           Feature = "streams"
	Tasks             Feature = "tasks"
	MaskingPolicies   Feature = "masking policies"
	RowPolicies       Feature = "row access policies"
	ComputedColumns   Feature = "computed columns"
	MaterializedViews Feature = "materialized views"
	VirtualColumns    Feature = "virtual columns refreshed by a statement"
	AttachedTables    Feature = "attached tables"
	TableTags         Feature = "tags and branches of tables"
	WorkloadGroups    Feature = "workload groups"
	Vacuum            Feature = "VACUUM statements"
	Notifications     Feature = "notification integrations"
)

var featureOf = map[sqltext.ObjectKind]Feature{
	sqltext.MaskingPolicy: MaskingPolicies, sqltext.RowPolicy: RowPolicies, sqltext.WorkloadGroup: WorkloadGroups,
	sqltext.Notification: Notifications,
}

// features says which a statement needs: by the objects that it writes and names, and by its words.
func (a *analysis) features() {
	for _, w := range a.e.Writes {
		a.needs(featureOf[w.Kind])
	}
	for _, o := range a.e.Names {
		a.needs(featureOf[o.Kind])
	}
	verb := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return a.Is(0, w) })
	}
	for i := range a.Tokens {
		is := func(words ...string) bool {
			for n, w := range words {
				if !a.Is(i+n, w) {
					return false
				}
			}
			return true
		}
		switch {
		case i == 0 && is("VACUUM"):
			a.needs(Vacuum)
		case i == 0 && is("ATTACH"):
			a.needs(AttachedTables)
		case i == 0 && is("REFRESH", "VIRTUAL", "COLUMN"):
			a.needs(VirtualColumns)
		case i == 1 && verb("SHOW") && is("WORKLOAD"):
			a.needs(WorkloadGroups)
		case (i == 1 || i == 3 && a.Is(1, "OR")) && verb("CREATE", "ALTER", "DROP", "REFRESH") && is("MATERIALIZED", "VIEW"):
			a.needs(MaterializedViews)
		case verb("ALTER") && i > 0 && (a.Is(i-1, "SET") || a.Is(i-1, "UNSET")) && is("MASKING", "POLICY"):
			a.needs(MaskingPolicies)
		case verb("ALTER") && (is("ROW", "ACCESS", "POLICY") || is("ROW", "ACCESS", "POLICIES")):
			a.needs(RowPolicies)
		case verb("ALTER") && a.Is(1, "TABLE") && i > 2 && i+2 < len(a.Tokens) &&
			(is("CREATE", "TAG") || is("CREATE", "BRANCH") || is("DROP", "BRANCH") || is("DROP", "TAG")):
			a.needs(TableTags)
		case verb("CREATE", "ALTER") && a.Symbol(i-1, ")") && (is("VIRTUAL") || is("STORED")):
			a.needs(ComputedColumns)
		}
	}
}

func (a *analysis) needs(f Feature) {
	if f != "" && !slices.Contains(a.e.Features, f) {
		a.e.Features = append(a.e.Features, f)
	}
}
