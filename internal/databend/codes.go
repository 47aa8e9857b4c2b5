package databend

import (
	_ "embed"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Codes of an Error that callers tell apart.
const (
	CodeInternal         = 1001
	CodeUnimplemented    = 1002
	CodeUnknownDatabase  = 1003
	CodeSyntax           = 1005
	CodeBadArguments     = 1006
	CodeUnknownFunction  = 1008
	CodeBadValueType     = 1010
	CodeUnknownTable     = 1025
	CodeNoProcesses      = 1035 // NotFoundClusterNode: the bare embedded engine has no system.processes
	CodeBadBytes         = 1046
	CodeUnknownColumn    = 1058
	CodePermissionDenied = 1063
	CodeSemantic         = 1065 // an unknown column, for one
	CodeBadCompression   = 1076 // a file that cannot be unpacked; the text names it
	CodeGeometry         = 1090
	CodeUnwind           = 1104 // a panic of the server
	CodeUnknownDatamask  = 1113
	CodeUnknownCatalog   = 1119
	CodeUnknownRowPolicy = 1131
	CodeSchemaMismatch   = 1303 // COPY: the files' schemas differ
	CodeNoLicence        = 1402
	CodeNoTasks          = 1702
	CodeMetaService      = 2001 // CREATE STAGE: a storage that the server makes none over, for one
	CodeVersionMismatch  = 2009 // somebody committed to the table meanwhile
	CodeNoHistory        = 2013 // FLASHBACK: no such snapshot
	CodeUnknownUser      = 2201
	CodeUnknownRole      = 2204
	CodeTableExists      = 2302
	CodeUndropNoHistory  = 2309
	CodeUndropNoDatabase = 2312
	CodeUndropVacuumed   = 2326
	CodeUnknownStage     = 2501
	CodeUnknownFormat    = 2507
	CodeIllegalFormat    = 2508 // options of a file format
	CodeIllegalReference = 2747 // FLASHBACK: an index or constraint needs a column that the snapshot lacks
	CodeStorageNotFound  = 3001
	CodeNoProcedure      = 3130
	CodeStorageDenied    = 3002
	CodeStorageOther     = 4000
	CodeConflict         = 4001 // two transactions

	CodeTransactionTimeout = 4003 // the server no longer has the transaction
	CodeSessionLost        = 5111 // the server was started again, and has no such session
)

// Codes that the package itself acts on.
const (
	codeAbortedSession = 1042
	codeAbortedQuery   = 1043
	codeUnknownSession = 1053
	codeAuth           = 5100
)

//go:embed codes.txt
var codesText string

// known is what codes.txt says of a code.
type known struct{ name, hint string }

// codes are Databend's, by number. The server sends the number only.
var codes = sync.OnceValue(func() map[int]known {
	all := map[int]known{}
	for line := range strings.Lines(codesText) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if code, err := strconv.Atoi(number); err == nil {
			name, hint, _ := strings.Cut(rest, " ")
			all[code] = known{name, hint}
		}
	}
	return all
})

// hintAbout is a hint with the name of the table that it is about; "" is none.
func hintAbout(hint, table, file string) string {
	columns, create := "`dbctl sql 'SHOW TABLES'` lists the tables", "`dbctl sql 'SHOW TABLES'`"
	if table != "" {
		columns = "`" + shell.Join("dbctl", "sql", "DESC "+table) + "` lists the columns"
		create = "`" + shell.Join("dbctl", "sql", "SHOW CREATE TABLE "+table) + "`"
	}
	return strings.NewReplacer(
		"{columns}", columns, "{create}", create,
		"{exists}", "it is there already: choose another name, say IF NOT EXISTS"+adopted(file),
	).Replace(hint)
}

// adopted is the part of a hint that tells how a migration's objects, which are there, become the migration's.
func adopted(file string) string {
	number, _, _ := strings.Cut(path.Base(file), "_")
	version := strings.TrimLeft(number, "0")
	if version == "" || strings.Trim(version, "0123456789") != "" {
		return ""
	}
	return ", or, where the warehouse is as the migration makes it, adopt it with `dbctl migrate baseline " + version + " --reason why`"
}

// tableOf is the table that a statement is about, as a hint writes it: what it reads, else what it changes; "" where it names none.
func tableOf(sql, database string) string {
	e := effect.Analyze(sql, database)
	objects := slices.Clone(e.Names)
	for _, w := range e.Writes {
		if w.Verb == effect.Alter || w.Verb == effect.WriteData {
			objects = append(objects, w.Object)
		}
	}
	for _, o := range objects {
		if o.Kind == sqltext.Table && o.Name != "" {
			return o.Pasted()
		}
	}
	return ""
}

// drops says whether a statement is the DROP of an object.
func drops(sql string) bool {
	e := effect.Analyze(sql, "")
	return len(e.Writes) > 0 && e.Writes[0].Verb == effect.Drop
}

// hintOfDrop is a hint about an object that is not there, for a statement that would have dropped it: to make it first is no help.
func hintOfDrop(hint string) string {
	if _, check, ok := strings.Cut(hint, " first (a migration), or "); ok {
		hint = check
	}
	return "it is not there: say IF EXISTS, or " + hint
}

// nested is an error that the server quotes in the text of another: a stage whose connection does not exist is a 4000.
var nested = regexp.MustCompile(`\b[A-Z]\w+\. Code: (\d+), Text = `)

func hintFor(code int, message string) string {
	if m := nested.FindStringSubmatch(message); m != nil {
		if inner, err := strconv.Atoi(m[1]); err == nil && codes()[inner].hint != "" {
			code = inner
		}
	}
	if strings.Contains(message, severalMatch) {
		return "let the source have each key of ON once: SELECT DISTINCT, or QUALIFY row_number() OVER (PARTITION BY key ORDER BY …) = 1"
	}
	if strings.Contains(message, "connection params invalid") {
		return "mend the option of the CONNECTION, or take it out: the message names those that such a location takes"
	}
	if m := misfit.FindStringSubmatch(message); m != nil && m[1] != "" {
		code = CodeUnknownColumn
	}
	return codes()[code].hint
}
