package databend

import (
	"database/sql"
	"strconv"
	"time"
)

// Row is one row that a query gave, as the server's text. A value that is NULL, or not of the asked type, is that type's zero.
type Row []sql.NullString

// Int is column i as a whole number.
func (r Row) Int(i int) int64 {
	n, _ := strconv.ParseInt(r[i].String, 10, 64)
	return n
}

// Bool is column i as a BOOLEAN, which a server writes as 1 or as true.
func (r Row) Bool(i int) bool { return r[i].String == "1" || r[i].String == "true" }

// Time is column i, to_int64 of a timestamp, as a time in UTC; 0 is the zero time.
func (r Row) Time(i int) time.Time {
	if n := r.Int(i); n != 0 {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
}

// Texts are the values as clean has them, nil for NULL.
func (r Row) Texts(clean func(string) string) []*string {
	texts := make([]*string, len(r))
	for i, v := range r {
		if v.Valid {
			text := clean(v.String)
			texts[i] = &text
		}
	}
	return texts
}

// Scan reads column i into field: a *string, *int64, *bool or *time.Time.
func (r Row) Scan(i int, field any) {
	switch p := field.(type) {
	case *string:
		*p = r[i].String
	case *int64:
		*p = r.Int(i)
	case *bool:
		*p = r.Bool(i)
	case *time.Time:
		*p = r.Time(i)
	}
}
