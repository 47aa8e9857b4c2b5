package local

import (
	"path/filepath"
	"strings"
)

// ownerName is the file that says which engine of a project stands in .dbctl itself; the others are in folders of their names in it.
const ownerName = "owner"

// Home is the folder in whose .dbctl the engine of a name is found: that of the project dir for the one that was named first when an engine
// was first started there. It stays so when the environments of dbctl.yaml change their order, so that no engine is taken for another.
func Home(dir, first, name string) string {
	if owner, err := readOwn(filepath.Join(dir, folder, ownerName)); err == nil {
		first = strings.TrimSpace(string(owner))
	}
	if name == first {
		return dir
	}
	return filepath.Join(dir, folder, name)
}

// Claim is Home for an engine that is about to start: what it says holds from now on.
func Claim(dir, first, name string) (string, error) {
	if err := prepareFolder(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, folder, ownerName)
	if _, err := readOwn(path); err != nil {
		if err := writeFile(path, []byte(first+"\n"), 0o600); err != nil {
			return "", err
		}
	}
	return Home(dir, first, name), nil
}
