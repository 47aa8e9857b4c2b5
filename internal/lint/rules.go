package lint

// rules are all of them, in the order of docs/lint.md. It is filled by init: the rules' checks ask for each other's names.
var rules []Rule

func init() {
	rules = []Rule{
		dropTable, dropColumn, emptyTable, narrowColumn, vacuum, replaceTable,
		replaceDependency, internalStage,
		irreversible, noDown, downIncomplete, dropsDefault,
		secretLiteral, unfilledPlaceholder,
		unknownType, unknownColumn, ignoredCheck, takenName, goneName, unqualifiedAfterUse,
		scheduleAndAfter, taskNotResumed, streamConsumed, consumeOutsideDML,
		loadColumn, loadCast, vectorWidth, loadTarget, positionalCopy, unfilledTable, twoLoads, stageSlash, strayFile,
		versionOrder, editedMigration,
		projectMistake, unusedIgnore,
	}
}

var projectMistake = Rule{
	Name: Mistake, Level: Error,
	Short: "a file that cannot be read as it is: a mistake in dbctl.yaml, an annotation, a template, a header, two files of one version",
	Why:   "Nothing that needs the file runs until it is mended. This rule cannot be silenced.",
}

var unusedIgnore = Rule{
	Name: "unused-ignore", Level: Warning,
	Short: "a lint-ignore that silences nothing, or names no rule",
	Why:   "It would silence the next finding, which nobody has seen.",
}

// ruleNames are the names of all rules.
func ruleNames() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return names
}

func find(name string) *Rule {
	for i := range rules {
		if rules[i].Name == name {
			return &rules[i]
		}
	}
	return nil
}
