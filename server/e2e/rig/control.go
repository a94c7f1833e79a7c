package rig

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// controlFile is what Drawbridge's own commands read to reach it.
type controlFile struct{ URL, Key string }

func ReadControlFile(t testing.TB, app *App) controlFile {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(app.Options.DataDir, "control.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c controlFile
	if err := json.Unmarshal(data, &c); err != nil || c.Key == "" {
		t.Fatalf("control.json: %v", err)
	}
	return c
}

// Send makes one request at the control side.
func (c controlFile) Send(t testing.TB, method, path, body string, headers ...string) *Reply {
	t.Helper()
	return (&App{URL: c.URL}).Do(t, method, path, strings.NewReader(body), headers...)
}

func (c controlFile) Get(t testing.TB, path string) *Reply {
	t.Helper()
	return c.Send(t, http.MethodGet, path, "", "Authorization", "Bearer "+c.Key)
}
