package plan

import (
	"context"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/source"
)

// MakeStage makes the stage of a load that reads a location of its own, with the keys of now.
func (l *Planner) MakeStage(ctx context.Context, j *source.Load) error {
	if j.Unlisted() {
		return nil
	}
	secrets, err := l.Secrets(ctx, j.Secrets)
	if err != nil {
		return err
	}
	l.Made("DROP STAGE IF EXISTS " + j.Copy.Stage)
	_, err = l.Words.Exec(ctx, databend.Statement{
		SQL: j.MakeStage(), Secrets: secrets, Place: j.Statement.Place,
	})
	return j.Placed(err)
}

// leftStages are those that were made for a load while it read another location, more than a day ago: what made them was killed.
func leftStages(j *source.Load, stages map[string]databend.Row, now time.Time) (left []string) {
	for name, r := range stages {
		if j.OtherStage(name) && now.Sub(r.Time(4)) > 24*time.Hour {
			left = append(left, name)
		}
	}
	return left
}
