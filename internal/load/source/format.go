package source

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
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
		names := slices.Sorted(maps.Keys(byStage))
		if err := ask("SELECT name, to_string(file_format_options) FROM system.stages WHERE name IN ("+Quoted(names)+")", byStage); err != nil {
			return nil, err
		}
	}
	loads = slices.Clone(loads)
	for i := range loads {
		if name := formatNamed(loads[i]); name != "" {
			loads[i].Format = byName[name]
		} else if loads[i].FileType() == "" {
			loads[i].Format = optionsOf(byStage[loads[i].Copy.Stage])
		}
	}
	return loads, nil
}

// formatNamed is the FORMAT_NAME of a load's FILE_FORMAT, or "".
func formatNamed(ld project.Load) string {
	o, _ := ld.Copy.Option("FILE_FORMAT")
	return copytext.FormatOptions(o.Value)["FORMAT_NAME"]
}

// optionsOf writes a stage's format, which the server tells as JSON, as a COPY has it.
func optionsOf(told string) string {
	var options map[string]any
	if json.Unmarshal([]byte(told), &options) != nil {
		return told
	}
	var out []string
	for name, value := range options {
		out = append(out, name+" = "+sqltext.Quote(fmt.Sprint(value)))
	}
	return strings.Join(out, " ")
}
