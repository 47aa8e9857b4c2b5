package migrate

import (
	"cmp"
	"context"

	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// AppliedMigration is a migration as the journal has it: its templates are expanded, but for secrets.
type AppliedMigration struct {
	Version  int64
	Name     string
	Up, Down string
	HasDown  bool
	file     string // the file itself; "" where the sections make it
}

// Applied returns a migration as it was applied.
func (m *Migrator) Applied(ctx context.Context, version int64) (AppliedMigration, error) {
	h, err := m.store.History(ctx)
	if err != nil {
		return AppliedMigration{}, err
	}
	v := h.Versions[version]
	if v.State != journal.Applied {
		return AppliedMigration{}, plan.NothingApplied(version)
	}
	texts, err := m.store.AppliedTexts(ctx, h, []int64{version})
	if err != nil {
		return AppliedMigration{}, err
	}
	return AppliedMigration{
		Version: version, Name: v.Name, Up: texts[version].Up, Down: texts[version].Down,
		HasDown: v.Sums.DownSum != "", file: texts[version].File,
	}, nil
}

// File is the migration's file. One whose text had keys written by hand cannot be written again: the journal has none.
func (a AppliedMigration) File() (string, error) {
	if sqltext.Masked(a.Up) || sqltext.Masked(a.Down) || sqltext.Masked(a.file) {
		return "", plan.KeysNotKept(a.Version, a.Name)
	}
	return cmp.Or(a.file, a.Text()), nil
}

// Text is a file of the sections as they ran, keys masked.
func (a AppliedMigration) Text() string { return plan.FileOf(a.Up, a.Down, a.HasDown) }
