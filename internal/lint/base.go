package lint

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Base is the migrations of another git commit: the branch that this one is to be merged into.
type Base struct {
	Ref     string
	Files   []BaseFile
	Deleted []string // files of migrations/ that this branch took away
}

// BaseFile is a migration of the base.
type BaseFile struct {
	Path    string // relative to the project's folder
	Version int64
	Edited  bool   // this branch changed it
	Text    string // where it is edited
}

// ReadBase reads the migrations of a commit, a branch or a tag. git runs git in the project's folder dir, and returns what it writes. It
// is asked for what is committed alone: of a link or a pipe in the folder it would read without end.
func ReadBase(ref, dir string, git func(args ...string) (string, error)) (*Base, error) {
	if strings.HasPrefix(ref, "-") {
		return nil, fmt.Errorf("%q is no git commit", ref)
	}
	commit, err := git("rev-parse", "--verify", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("there is no git commit %q here", ref)
	}
	commit = strings.TrimSpace(commit)
	files := func(commit string) (map[string]string, error) { // path → blob
		out, err := git("ls-tree", "-z", commit, "--", project.MigrationsDir+"/")
		blobs := map[string]string{}
		for line := range strings.SplitSeq(out, "\x00") {
			about, name, ok := strings.Cut(line, "\t")
			if fields := strings.Fields(about); ok && len(fields) == 3 && fields[1] == "blob" {
				blobs[path.Join(project.MigrationsDir, path.Base(name))] = fields[2]
			}
		}
		return blobs, err
	}
	base := &Base{Ref: ref}
	theirs, err := files(commit)
	if err != nil {
		return nil, err
	}
	// What this branch did to a file is told from the commit that both have in common: the base may be ahead.
	common := theirs
	if ancestor, err := git("merge-base", "HEAD", commit); err == nil {
		if common, err = files(strings.TrimSpace(ancestor)); err != nil {
			return nil, err
		}
	}
	for file, blob := range theirs {
		version, _, err := project.VersionOf(path.Base(file))
		if err != nil || path.Ext(file) != ".sql" {
			continue
		}
		f := BaseFile{Path: file, Version: version}
		text, err := project.ReadFile(dir, file, maxFile)
		switch now := blobID(text, len(blob)); {
		case errors.Is(err, fs.ErrNotExist) && common[file] != "":
			base.Deleted = append(base.Deleted, file)
		case err != nil: // not there, or told with the project's other mistakes
		case now != blob && now != common[file]:
			f.Edited = true
			if f.Text, err = git("cat-file", "blob", blob); err != nil {
				return nil, err
			}
		}
		base.Files = append(base.Files, f)
	}
	slices.Sort(base.Deleted)
	slices.SortFunc(base.Files, func(a, b BaseFile) int { return strings.Compare(a.Path, b.Path) })
	return base, nil
}

const maxFile = 64 << 20 // more than a file of the project may have

// blobID is the name that git gives to a text: of so many hexadecimal digits, as the repository's hash has.
func blobID(text []byte, digits int) string {
	sum := sha1.New()
	if digits == hex.EncodedLen(sha256.Size) {
		sum = sha256.New()
	}
	fmt.Fprintf(sum, "blob %d\x00", len(text))
	sum.Write(text)
	return hex.EncodeToString(sum.Sum(nil))
}

var versionOrder = Rule{
	Name: "version-order", Level: Error,
	Short: "with --base REF: a new migration whose version REF has, or that is older than the newest of REF",
	Why: "After the merge two files have one version, and dbctl reads neither; or the new one is out of order where the newer ones " +
		"are applied, and `migrate up` refuses it.",
	whole: func(p *pass) {
		if p.base == nil {
			return
		}
		var newest int64
		at, known := map[int64]string{}, map[string]bool{}
		for _, f := range p.base.Files {
			newest = max(newest, f.Version)
			at[f.Version], known[f.Path] = f.Path, true
		}
		for _, m := range p.migrations {
			if known[m.Path] {
				continue
			}
			next := fmt.Sprintf("git mv %s %s/%05d_%s.sql", m.Path, project.MigrationsDir, newest+1, m.Name)
			switch {
			case at[m.Version] != "":
				p.add(m.Up.Place, nil, fmt.Sprintf("version %d is that of %s in %s", m.Version, at[m.Version], p.base.Ref), next)
			case m.Version < newest && !consents(m.Headers, "out-of-order"):
				p.add(m.Up.Place, nil, fmt.Sprintf("version %d is older than %d, the newest in %s", m.Version, newest, p.base.Ref),
					next+`, or say in it: -- dbctl: allow=out-of-order "why"`)
			}
		}
	},
}

var editedMigration = Rule{
	Name: "edited-migration", Level: Warning,
	Short: "with --base REF: a migration of REF whose Up section is changed, or that is deleted",
	Why:   "Where it is applied, `migrate up` stops: the warehouse has what the old text made.",
	whole: func(p *pass) {
		if p.base == nil {
			return
		}
		for _, file := range p.base.Deleted {
			p.add(sqltext.Place{File: file}, nil, fmt.Sprintf("%s has this migration, and it is deleted here", p.base.Ref),
				fmt.Sprintf("git checkout %s -- %s", p.base.Ref, file))
		}
		for _, f := range p.base.Files {
			i := slices.IndexFunc(p.migrations, func(m *migration) bool { return m.Path == f.Path })
			if !f.Edited || i < 0 || sameUp(f.Text, p.migrations[i].Text) {
				continue
			}
			p.add(p.migrations[i].Up.Place, nil,
				fmt.Sprintf("its Up section is not that of %s", p.base.Ref),
				"write a new migration; where the old text is applied nowhere, "+reasonHint(p.rule.Name))
		}
	},
}

// sameUp says whether two texts of a migration have the same tokens in Up: comments and white space do not count.
func sameUp(a, b string) bool {
	one, err1 := sqltext.ParseFile(a)
	other, err2 := sqltext.ParseFile(b)
	return err1 == nil && err2 == nil && sqltext.SameWords(one.Up.Text, other.Up.Text)
}
