package draft

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Request is what a load is to be written for. From is required.
type Request struct {
	Name       string
	From       string // @stage/path/ or a URI
	Table      string // [database.]table; "" the name's last word
	Type       string // of the files: PARQUET …; "" what their names say
	Connection string // of a URI: the name of a CONNECTION, or options of one, "REGION=eu-1 …"; keys not among them are secrets
}

// copyText is a COPY of the place into a table.
func (r Request) copyText(table, list, format string) string {
	from := r.From
	if !strings.HasPrefix(from, "@") {
		from = sqltext.Quote(from) + r.connection()
	} else if strings.ContainsAny(from, " '\"();,") {
		from = sqltext.Quote(from)
	}
	if list != "" {
		from = list + "  FROM " + from + "\n)"
	}
	if format == "" {
		format = "(TYPE = " + cmp.Or(strings.ToUpper(r.Type), "PARQUET") + ")"
	}
	return "COPY INTO " + table + "\nFROM " + from + "\nFILE_FORMAT = " + format
}

// connection is the CONNECTION of a URI: a name, or the keys of its scheme as secrets.
func (r Request) connection() string {
	scheme, _, _ := strings.Cut(r.From, "://")
	if r.Connection != "" && !strings.Contains(r.Connection, "=") {
		return " CONNECTION = (CONNECTION_NAME = " + sqltext.Quote(r.Connection) + ")"
	}
	keys := map[string][]string{
		"s3":  {"ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"},
		"gcs": {"CREDENTIAL", "GCS_CREDENTIAL"},
		"oss": {"ACCESS_KEY_ID", "OSS_ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "OSS_ACCESS_KEY_SECRET"},
		"obs": {"ACCESS_KEY_ID", "OBS_ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "OBS_SECRET_ACCESS_KEY"},
		"cos": {"SECRET_ID", "COS_SECRET_ID", "SECRET_KEY", "COS_SECRET_KEY"},
	}[scheme]
	var parts []string
	given := map[string]bool{}
	for _, o := range options(r.Connection) {
		parts, given[o.name] = append(parts, o.name+" = "+o.value), true
	}
	for i := 0; i+1 < len(keys) && !given["ROLE_ARN"]; i += 2 {
		if !given[keys[i]] {
			parts = append(parts, fmt.Sprintf("%s = {{ secret %q }}", keys[i], keys[i+1]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " CONNECTION = (" + strings.Join(parts, " ") + ")"
}

// option is one of a connection: its value is a literal or {{ secret "NAME" }}.
type option struct{ name, value string }

// options reads NAME=VALUE, parted by spaces; a value with spaces stands in quotes or in braces.
func options(text string) (out []option) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, value, _ := strings.Cut(text, "=")
		value = strings.TrimSpace(value)
		end := " \t\n"
		switch {
		case strings.HasPrefix(value, "{{"):
			end = "}}"
		case strings.HasPrefix(value, "'"), strings.HasPrefix(value, `"`):
			value, end = value[1:], value[:1]
		}
		n := len(value)
		if end == "}}" {
			if at := strings.Index(value, end); at >= 0 {
				n = at + len(end)
			}
		} else if at := strings.IndexAny(value, end); at >= 0 {
			n = at
		}
		text = strings.TrimLeft(value[n:], `'"`)
		if value = value[:n]; end != "}}" {
			value = sqltext.Quote(value)
		} else if words := strings.Fields(strings.Trim(value, "{}")); len(words) == 2 && words[0] == "secret" {
			value = "{{ secret " + words[1] + " }}"
		}
		out = append(out, option{strings.ToUpper(strings.TrimSpace(name)), value})
	}
	return out
}

// Check refuses keys in clear: what is written goes into a file. It names them, and says none.
func (r Request) Check() error {
	hint := fmt.Sprintf(`dbctl load create %s --from … --connection NAME, of a CONNECTION; or --connection 'NAME={{ secret "NAME" }}', `+
		"with its value in the environment. A key that stood on a command line should be made void", r.Name)
	if from := sqltext.Quote(r.From); sqltext.Mask(from) != from {
		return fault.Errorf(r.Name, exit.Usage, hint, "--from holds a key in clear")
	}
	if !strings.HasPrefix(r.From, "@") && !strings.Contains(r.From, "://") {
		return fault.Errorf(r.Name, exit.Usage, "--from @stage/path/, or a URI such as s3://bucket/path/: dbctl reads no folder of this machine",
			"--from %s is neither a stage nor a URI", r.From)
	}
	if !strings.Contains(r.Connection, "=") {
		return nil
	}
	for _, o := range options(r.Connection) {
		text := "CONNECTION = (" + o.name + " = " + o.value + ")"
		if names, err := sqltext.SecretNames(text); err != nil || strings.Contains(text, "{{") && len(names) == 0 {
			return fault.Errorf(r.Name, exit.Usage, hint, "--connection: the value of %s is no secret's name", o.name)
		}
		if sqltext.Mask(text) != text {
			return fault.Errorf(r.Name, exit.Usage, hint, "--connection holds %s in clear", o.name)
		}
	}
	return nil
}

// atTheFlag is err with a hint that is about the command: there is no file yet to mend.
func (r Request) atTheFlag(err error) error {
	if own, ok := errors.AsType[*fault.Error](err); ok && own.Exit == exit.Failed && !strings.HasPrefix(r.From, "@") {
		own.Advice = fmt.Sprintf("dbctl load create %s --from %s --connection 'REGION=… ENDPOINT_URL=…' (as far as the store needs them), "+
			"or the name of a CONNECTION", r.Name, shell.Quote(r.From))
	}
	return err
}
