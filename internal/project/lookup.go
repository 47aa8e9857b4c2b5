package project

import (
	"path"
	"strconv"
	"strings"
)

// FindLoads returns the loads that these names or globs mean, each once, in the order of their names. A * does not match a /.
// A pattern that means none is an *Error with the name that was probably meant.
func (p *Project) FindLoads(patterns ...string) ([]*Load, error) {
	chosen := make([]bool, len(p.Loads))
	var names []string
	for i := range p.Loads {
		names = append(names, p.Loads[i].Name)
	}
	for _, pattern := range patterns {
		found := false
		for i, name := range names {
			ok, err := path.Match(pattern, name)
			if err != nil {
				return nil, &Error{Msg: "bad pattern " + pattern, Hint: "close its [ with ]"}
			}
			if ok || name == pattern {
				chosen[i], found = true, true
			}
		}
		if !found {
			otherwise := "there are " + strings.Join(names, ", ")
			if len(names) == 0 {
				otherwise = "there is no file in " + LoadsDir + "/"
			}
			return nil, &Error{Msg: "no load " + pattern, Hint: didYouMean(pattern, names, otherwise)}
		}
	}
	var all []*Load
	for i, ok := range chosen {
		if ok {
			all = append(all, &p.Loads[i])
		}
	}
	return all, nil
}

// Migration returns the migration with this version, or nil.
func (p *Project) Migration(version int64) *Migration {
	for i := range p.Migrations {
		if p.Migrations[i].Version == version {
			return &p.Migrations[i]
		}
	}
	return nil
}

// FindMigration returns the migration that arg names: its version, with or without leading zeros, its name, or both as in
// the file's name.
func (p *Project) FindMigration(arg string) (*Migration, error) {
	arg = strings.TrimSuffix(path.Base(arg), ".sql")
	number, name, both := strings.Cut(arg, "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err == nil {
		if m := p.Migration(version); m != nil && (!both || m.Name == name) {
			return m, nil
		}
	}
	var names []string
	for i := range p.Migrations {
		m := &p.Migrations[i]
		if m.Name == arg {
			return m, nil
		}
		names = append(names, m.Name, strings.TrimSuffix(path.Base(m.Path), ".sql"))
	}
	otherwise := "there is no file in " + MigrationsDir + "/"
	if n := len(p.Migrations); n > 0 {
		otherwise = "the newest is " + path.Base(p.Migrations[n-1].Path)
	}
	return nil, &Error{Msg: "no migration " + arg, Hint: didYouMean(arg, names, otherwise)}
}
