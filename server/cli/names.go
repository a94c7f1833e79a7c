package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// namesFile, in the data folder, holds the names of the secrets that were set:
// no values, and nothing that isn't lost without harm.
const namesFile = "secret-names.json"

// remembered returns the names of secrets that were set.
func (a *app) remembered() (names []string, err error) {
	data, err := os.ReadFile(filepath.Join(a.data, namesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the names of secrets: %w", err)
	}
	_ = json.Unmarshal(data, &names) // the next one that is set makes a broken file anew
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := parseSecretName(name)
		return err != nil
	}), nil
}

// remember notes that n is set, or is no more.
func (a *app) remember(n secretName, set bool) error {
	names, err := a.remembered()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(other string) bool { return other == n.String() })
	if set {
		names = append(names, n.String())
	}
	slices.Sort(names)
	data, err := json.Marshal(names)
	if err == nil {
		err = config.WriteFile(filepath.Join(a.data, namesFile), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note the secret's name: %w", err)
	}
	return nil
}
