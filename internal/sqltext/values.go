package sqltext

// Row is a row of VALUES: where it starts, and the tokens of each of its values.
type Row struct {
	Start  int
	Values []Words
}

// InsertInto reads INSERT or REPLACE, up to what stands behind the name of the table; false for INSERT ALL and INSERT FIRST, which have
// several.
func (p *Reader) InsertInto() bool {
	if !p.Take("INSERT") && !p.Take("REPLACE") {
		return false
	}
	p.Take("OVERWRITE")
	if !p.Take("INTO") && (p.IsWord("ALL") || p.IsWord("FIRST")) {
		return false
	}
	p.Take("TABLE")
	_, ok := p.Name()
	return ok
}

// ValueRows returns the rows of an INSERT … VALUES or REPLACE … VALUES of one table, as far as they can be read; else none.
func ValueRows(sql string) []Row {
	words, err := ReadStatement(sql)
	if err != nil {
		return nil
	}
	p := Reader{Words: words}
	if !p.InsertInto() {
		return nil
	}
	at := p.Find("VALUES")
	if at < 0 {
		return nil
	}
	var rows []Row
	for p.I = at + 1; p.Symbol(p.I, "("); p.TakeSymbol(",") {
		row, from := Row{Start: p.Offset()}, p.I+1
		p.SkipBrackets()
		end := p.I - 1 // of the row's own bracket
		for q := (Reader{p.Words, from}); q.I <= end && from < end; q.Skip() {
			if q.I == end || q.Symbol(q.I, ",") {
				row.Values = append(row.Values, p.Slice(from, q.I))
				from = q.I + 1
			}
		}
		rows = append(rows, row)
	}
	return rows
}
