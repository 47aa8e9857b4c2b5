package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// A feature is something that not every server has.
type feature struct {
	effect.Feature
	needs string // what a person would have to get
	probe string // fails with one of codes where it is missing
	codes []int
}

// Tasks and notifications need a cloud control service, the others a licence (databend src/query/service: LicenseManager,
// CloudControlApiProvider). A probe changes nothing: one that asks for the licence itself stands for what has no harmless statement.
var features = []feature{
	{effect.Streams, enterprise, "SHOW STREAMS", []int{databend.CodeNoLicence}},
	tasks,
	{
		effect.Notifications, "a cloud control service", "SELECT 1 FROM system.notifications LIMIT 1",
		[]int{databend.CodeNoTasks, databend.CodeNoLicence},
	},
	licensed(effect.MaskingPolicies), licensed(effect.RowPolicies), licensed(effect.ComputedColumns), licensed(effect.MaterializedViews),
	licensed(effect.VirtualColumns), licensed(effect.AttachedTables), licensed(effect.TableTags), licensed(effect.WorkloadGroups),
	licensed(effect.Vacuum),
}

var tasks = feature{
	effect.Tasks, "a cloud control or private-task service", "SHOW TASKS LIKE 'dbctl'",
	[]int{databend.CodeNoTasks, databend.CodeNoLicence},
}

const enterprise = "an Enterprise licence"

// licensed is a feature of the Enterprise edition.
func licensed(f effect.Feature) feature {
	return feature{f, enterprise, "SELECT 1 FROM license_info()", []int{databend.CodeNoLicence}}
}

// missing says why the server lacks the feature, "" when it has it: one request.
func (f feature) missing(ctx context.Context, s state.Session) (string, error) {
	_, err := s.Query(ctx, databend.Statement{SQL: f.probe, Reads: true})
	if err == nil {
		return "", nil
	}
	if !databend.IsCode(err, f.codes...) {
		return "", fmt.Errorf("ask whether the server has %s: %w", f.Feature, err)
	}
	e, _ := errors.AsType[*databend.Error](err)
	return fmt.Sprintf("the server has no %s, which need %s (%d)", f.Feature, f.needs, e.Code), nil
}

func (s *Step) uses(f feature) bool {
	return slices.ContainsFunc(s.Statements, func(st Statement) bool { return st.Effect.Needs(f.Feature) })
}

// Refusal is a statement that the server turned down when it ran, for want of a licence or a service that only its answer tells of.
type Refusal struct {
	Statement int // from 1
	Reason    string
}

// NewRefusal is what err, of a statement of a step, says of that.
func NewRefusal(statement int, err error) (Refusal, bool) {
	if !databend.IsCode(err, databend.CodeNoLicence, databend.CodeNoTasks) {
		return Refusal{}, false
	}
	e, _ := errors.AsType[*databend.Error](err)
	return Refusal{statement, fmt.Sprintf("the server refuses its statement %d: %s (%d)", statement, e.Message, e.Code)}, true
}

// refused says of the steps which of them the server has turned down: in this process, or as the journal has it in an earlier one, as
// long as nothing that could be missing has come.
func (p Plan) refused(ctx context.Context, conn state.Session, h state.History, now map[int64]Refusal) (map[int64]Refusal, error) {
	all := maps.Clone(now)
	for _, s := range p.Steps {
		v := h.Versions[s.Version]
		if _, ok := all[s.Version]; ok || v.State != journal.Unsupported || v.Refused == 0 || v.Sums != s.Sums {
			continue
		}
		for _, f := range []feature{licensed(""), tasks} {
			if lack, err := f.missing(ctx, conn); lack == "" {
				return all, err
			}
		}
		if all == nil {
			all = map[int64]Refusal{}
		}
		all[s.Version] = Refusal{int(v.Refused), v.Reason}
	}
	return all, nil
}

// Supported takes the steps out of the plan that need what the server lacks, or that it turned down, and those that mention an object of
// one taken out, if the caller consents to that; else it refuses them. The server is asked only when a step needs to know.
func (p Plan) Supported(ctx context.Context, conn state.Session, h state.History, turned map[int64]Refusal, consent bool) (Plan, error) {
	turned, err := p.refused(ctx, conn, h, turned)
	if err != nil {
		return p, err
	}
	reasons := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		reasons[i] = turned[s.Version].Reason
	}
	spread(p.Steps, reasons)
	for _, f := range features {
		asked, lack := false, ""
		for i := range p.Steps {
			if reasons[i] != "" || !p.Steps[i].uses(f) {
				continue
			}
			if !asked {
				asked = true
				var err error
				if lack, err = f.missing(ctx, conn); err != nil {
					return p, err
				}
			}
			reasons[i] = lack
		}
		spread(p.Steps, reasons)
	}
	var steps []Step
	var errs []error
	for i, s := range p.Steps {
		if reasons[i] == "" {
			steps = append(steps, s)
			continue
		}
		v := h.Versions[s.Version]
		skip := Skip{
			Step: s, Reason: reasons[i], Refused: turned[s.Version].Statement,
			Known: v.State == journal.Unsupported && v.Sums == s.Sums && v.Reason == reasons[i],
		}
		p.Skipped = append(p.Skipped, skip)
		if !consent {
			errs = append(errs, &Error{
				Kind: Unsupported, Version: s.Version, Place: sqltext.Place{File: s.File}, Msg: reasons[i],
				hint: "`dbctl migrate up --skip-unsupported` leaves it out; skip_unsupported: true in the environment of dbctl.yaml says so for good",
			})
		}
	}
	p.Steps = steps
	return p, errors.Join(errs...)
}

// spread gives a reason to the steps that mention an object which a step with a reason makes.
func spread(steps []Step, reasons []string) {
	made := map[string]int64{}
	for i := range steps {
		if reasons[i] == "" {
			if o, by, ok := mentions(steps[i], made); ok {
				reasons[i] = fmt.Sprintf("it needs %s of version %d, which this server cannot run", o, by)
			}
		}
		if reasons[i] == "" {
			continue
		}
		for _, st := range steps[i].Statements {
			for _, w := range st.Effect.Writes {
				switch w.Verb {
				case effect.Create, effect.Replace, effect.CreateNew, effect.RenameIn, effect.Undrop:
					if _, ok := made[key(w.Object)]; !ok {
						made[key(w.Object)] = steps[i].Version
					}
				}
			}
		}
	}
}

// key names an object as far as a mention can know it: what is said to be a table may be a stream.
func key(o sqltext.Object) string {
	return strings.Join([]string{string(o.Kind), o.Database, o.Name}, "\x00")
}

func mentions(s Step, made map[string]int64) (sqltext.Object, int64, bool) {
	for _, st := range s.Statements {
		for _, o := range st.Effect.Names {
			if v, ok := made[key(o)]; ok {
				return o, v, true
			}
		}
		for _, w := range st.Effect.Writes {
			if v, ok := made[key(w.Object)]; ok {
				return w.Object, v, true
			}
		}
	}
	return sqltext.Object{}, 0, false
}

// explain is the statement of a file behind an EXPLAIN: errors stand where they do in the file.
func (st Statement) explain(prefix string) databend.Statement {
	return databend.Statement{
		SQL: prefix + st.SQL, Place: st.Place, At: func(offset int) sqltext.Place { return st.At(max(0, offset-len(prefix))) },
	}
}

// CheckSyntax lets the server read what it cannot run. A statement with a secret is left out: EXPLAIN SYNTAX would echo it.
func (s *Step) CheckSyntax(ctx context.Context, conn state.Session) error {
	for _, st := range s.Statements {
		if sqltext.Secretive(st.SQL) || st.Effect.Class == effect.None {
			continue
		}
		if _, err := conn.Query(ctx, st.explain("EXPLAIN SYNTAX ")); err != nil {
			return fmt.Errorf("check the syntax of version %d, which cannot run here: %w", s.Version, err)
		}
	}
	return nil
}

// Feature is something that not every server has, and whether this one has it.
type Feature struct {
	Name string // streams, tasks
	Lack string // why the server lacks it; "" where it has it
	Used bool   // one of the project's migrations needs it
}

// always is how many of the features are told of even where nothing uses them: streams and tasks.
const always = 2

// Features asks the server for those that the project uses, and for streams and tasks.
func Features(ctx context.Context, p *project.Project, s state.Session) ([]Feature, error) {
	var all []Feature
	for i, f := range features {
		one := Feature{Name: string(f.Feature)}
		for i := range p.Migrations {
			if step, err := NewStep(&p.Migrations[i], event.Up, p.Env); err == nil && step.uses(f) {
				one.Used = true
			}
		}
		if i >= always && !one.Used {
			continue
		}
		var err error
		if one.Lack, err = f.missing(ctx, s); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
