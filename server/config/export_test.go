package config

import "fmt"

// RemoveServer takes the server of name out of mcp.json, with [ErrNoServer] if
// there is none.
func RemoveServer(path, name string) error {
	return edit(path, func(t *jsonText, table []string) error {
		if !t.has(table, name) {
			return fmt.Errorf("%w: %s", ErrNoServer, code(name))
		}
		t.remove(table, name)
		return nil
	})
}
