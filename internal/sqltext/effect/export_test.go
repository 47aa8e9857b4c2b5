package effect

// Statements is the table of statements, for the tests that need the engine and so another package.
func Statements() []string {
	var list []string
	for _, e := range effects {
		list = append(list, e.sql)
	}
	return list
}
