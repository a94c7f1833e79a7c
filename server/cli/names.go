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
func (a *app) remembered() ([]secretName, error) {
	data, err := os.ReadFile(filepath.Join(a.data, namesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the names of secrets: %w", err)
	}
	var texts []string
	if json.Unmarshal(data, &texts) != nil {
		return nil, nil // the next one that is set makes it anew
	}
	var names []secretName
	for _, text := range texts {
		if n, err := parseSecretName(text); err == nil {
			names = append(names, n)
		}
	}
	return names, nil
}

// remember notes that n is set, or is no more.
func (a *app) remember(n secretName, set bool) error {
	names, err := a.remembered()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(other secretName) bool { return other == n })
	if set {
		names = append(names, n)
	}
	texts := []string{}
	for _, n := range names {
		texts = append(texts, n.String())
	}
	slices.Sort(texts)
	data, err := json.Marshal(texts)
	if err != nil {
		return fmt.Errorf("note the secret's name: %w", err)
	}
	if err := config.WriteFile(filepath.Join(a.data, namesFile), append(data, '\n')); err != nil {
		return fmt.Errorf("note the secret's name: %w", err)
	}
	return nil
}
