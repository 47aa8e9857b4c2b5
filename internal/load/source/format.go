package source

import (
	"context"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Formats asks the server for the formats of those loads whose text leaves them to a name or to the stage, and returns the loads with
// them. Where the server knows neither, the load itself will say so. Of loads that name a TYPE nothing is asked.
func Formats(ctx context.Context, session *databend.Session, loads []project.Load) ([]project.Load, error) {
	byName, byStage := map[string]string{}, map[string]string{} // options
	for _, ld := range loads {
		if name := formatNamed(ld); name != "" {
			byName[name] = "TYPE = " + name // of the engine's own, unless somebody has made one
		} else if ld.FileType() == "" {
			byStage[ld.Copy.Stage] = ""
		}
	}
	ask := func(sql string, into map[string]string) error {
		_, err := session.Each(ctx, databend.Statement{SQL: sql}, func(r databend.Row) error {
			if _, ok := into[r[0].String]; ok {
				into[r[0].String] = r[1].String
			}
			return nil
		})
		return err
	}
	if len(byName) > 0 {
		if err := ask("SHOW FILE FORMATS", byName); err != nil {
			return nil, err
		}
	}
	if len(byStage) > 0 {
		names := make([]string, 0, len(byStage))
		for s := range byStage {
			names = append(names, sqltext.Quote(s))
		}
		if err := ask("SELECT name, to_string(file_format_options) FROM system.stages WHERE name IN ("+strings.Join(names, ", ")+")",
			byStage); err != nil {
			return nil, err
		}
	}
	loads = slices.Clone(loads)
	for i := range loads {
		if name := formatNamed(loads[i]); name != "" {
			loads[i].Format = byName[name]
		} else if loads[i].FileType() == "" {
			loads[i].Format = byStage[loads[i].Copy.Stage]
		}
	}
	return loads, nil
}

// formatNamed is the FORMAT_NAME of a load's FILE_FORMAT, or "".
func formatNamed(ld project.Load) string {
	o, _ := ld.Copy.Option("FILE_FORMAT")
	if m := formatName.FindStringSubmatch(o.Value); m != nil {
		return m[1]
	}
	return ""
}
