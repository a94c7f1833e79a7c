package control

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/status"
)

var sampleLogs = []status.LogLine{
	{Time: time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC), Text: "listening\x1b[2J"},
	{Time: time.Date(2026, 11, 22, 14, 3, 0, 0, time.UTC), Text: "it ended with exit code 1", Own: true},
}

var sampleAccess = []status.Entry{
	{Server: "files", Kind: "tool", Name: "read_file", As: "files_read_file", ReadOnly: true},
	{Server: "files", Kind: "tool", Name: "write_file", As: "files_write_file", Ask: true, Held: true},
}

func TestLogsAndAccess(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "data"))
	c, ctx := dial(t, r.dir), t.Context()
	if got, err := c.Logs(ctx, "my.files"); err != nil || !slices.Equal(got, sampleLogs) {
		t.Errorf("logs: %+v, %v", got, err)
	}
	for _, name := range []string{"nowhere", "a/b", ".."} {
		if _, err := c.Logs(ctx, name); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "No server in mcp.json is called") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := c.Access(ctx, "ana+x@example.com", []string{"Team B", "a&b"}); err != nil || !slices.Equal(got, sampleAccess) {
		t.Errorf("access: %+v, %v", got, err)
	}
	if want := `access "ana+x@example.com" ["Team B" "a&b"]`; !slices.Contains(r.backend.told, want) {
		t.Errorf("told %q", r.backend.told)
	}
	if _, err := c.Access(ctx, "", nil); err == nil || !strings.Contains(err.Error(), "as whom") {
		t.Errorf("as nobody: %v", err)
	}
	r.backend.fail = errors.New("the server files can't start: its command is not there")
	if _, err := c.Access(ctx, "ana@example.com", nil); err == nil || err.Error() != r.backend.fail.Error() {
		t.Errorf("a failure: %v", err)
	}
}
