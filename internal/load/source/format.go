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
		sql := "SELECT name, to_string(file_format_options) FROM system.stages WHERE name IN (" + sqltext.Literals(names) + ")"
		if err := ask(sql, byStage); err != nil {
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

// Unpacked is a file's name without the ending of a compressed one, and the COMPRESSION that reads it: AUTO goes by endings in lower case.
func Unpacked(name string) (plain, compression string) {
	for _, c := range [][2]string{{".gz", "GZIP"}, {".zst", "ZSTD"}, {".bz2", "BZ2"}, {".xz", "XZ"}} {
		plain := name[:max(0, len(name)-len(c[0]))]
		switch ending := name[len(plain):]; {
		case ending == c[0]:
			return plain, "AUTO"
		case strings.EqualFold(ending, c[0]):
			return plain, c[1]
		}
	}
	return name, ""
}

// LeftPacked is the COMPRESSION that a text file needs by its name, where the load reads it as if it were not compressed. meant is whether
// it says so.
func (j *Load) LeftPacked(name string) (need string, meant bool) {
	if !slices.Contains(textTypes, j.FileType()) {
		return "", false
	}
	_, need = Unpacked(name)
	if how := strings.ToUpper(j.FormatOptions()["COMPRESSION"]); how == "" || how == "NONE" || how == "AUTO" && need != "AUTO" {
		return need, how == "NONE"
	}
	return "", false
}

// textTypes are those of which a file may be compressed as a whole.
var textTypes = []string{"CSV", "TSV", "TEXT", "NDJSON", "JSON"}

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
