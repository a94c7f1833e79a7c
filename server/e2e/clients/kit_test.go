package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// kitClient is a real client that stays connected while things happen to
// Drawbridge. Its scripts are in kit/; they speak as kit/typescript.mjs says.
type kitClient struct {
	name    string
	program func(t *testing.T) []string // and its arguments
	options map[string]string

	// faults are what this client can't do, and why: its own faults, each by the
	// step of the life. One that is mended must go from here.
	faults map[string]string
}

var kit = []kitClient{
	{name: "TypeScript SDK 1.32", program: typescript, options: map[string]string{"sdk": "v1"}},
	{name: "TypeScript SDK 2.4, legacy", program: typescript, options: map[string]string{"sdk": "v2", "mode": "legacy"}},
	{name: "TypeScript SDK 2.4, 2026-07-28", program: typescript, options: map[string]string{"sdk": "v2", "mode": "2026-07-28"}},
	{name: "Python SDK 1.30", program: python("sdk1"), options: map[string]string{"library": "mcp"},
		faults: map[string]string{"pause, resume": "its connection ends at any status of 5xx"}},
	{name: "Python SDK 2.3, legacy", program: python("sdk2"), options: map[string]string{"library": "mcp", "mode": "legacy"}},
	{name: "Python SDK 2.3", program: python("sdk2"), options: map[string]string{"library": "mcp", "mode": "auto"}},
	{name: "FastMCP 2.14", program: python("sdk1"), options: map[string]string{"library": "fastmcp"},
		faults: map[string]string{"pause, resume": "as Python SDK 1.30, which it is made with"}},
	{name: "FastMCP 4.2", program: python("sdk2"), options: map[string]string{"library": "fastmcp"}},
	{name: "Go SDK 1.8", program: golang, options: map[string]string{"library": "sdk"}},
	{name: "mcp-go 1.2", program: golang, options: map[string]string{"library": "mcp-go"}},
}

func typescript(t *testing.T) []string {
	return []string{rig.NeedNode(t), "clients/kit/typescript.mjs"}
}

func python(packages string) func(*testing.T) []string {
	return func(t *testing.T) []string { return []string{rig.NeedPython(t, packages), "clients/kit/python.py"} }
}

// golang builds the programs of kit/golang, which is a module of its own.
func golang(t *testing.T) []string {
	t.Helper()
	path, err := buildGo()
	if err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

var buildGo = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("out/bin/kit-golang")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = "clients/kit/golang"
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// life is what a client lives through, on one connection.
var life = []struct {
	name string
	do   func(t testing.TB, app *rig.App, c *connection)
}{
	{"sign-in", func(t testing.TB, _ *rig.App, c *connection) { c.mustDo(t, "connect") }},
	{"calls", func(t testing.TB, _ *rig.App, c *connection) { c.mustCall(t); c.mustCall(t) }},
	{"refresh", func(t testing.TB, app *rig.App, c *connection) {
		before := app.CountEvents(t, "token.refreshed")
		rig.WaitFor(t, "a refresh", func() bool {
			c.mustCall(t)
			return app.CountEvents(t, "token.refreshed") > before
		})
	}},
	{"restart", func(t testing.TB, app *rig.App, c *connection) {
		app.Stop()
		app.Start()
		c.mustCall(t)
	}},
	{"pause, resume", func(t testing.TB, app *rig.App, c *connection) {
		if err := app.Srv.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := rig.Softly(t, func(testing.TB) { // a program may end of it
			if text, err := c.do("call"); err == nil {
				t.Errorf("while paused it answered %q", text)
			}
		})
		if resumed := app.Srv.Resume(t.Context()); resumed != nil {
			t.Fatal(resumed)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.mustCall(t)
	}},
	{"revoked, sign-in again", func(t testing.TB, app *rig.App, c *connection) {
		for _, s := range app.Sessions(t) {
			app.RevokeSession(t, s.ID)
		}
		c.mustCall(t)
		if n := len(app.Sessions(t)); n != 1 {
			t.Errorf("%d sessions, want the new one", n)
		}
	}},
	{"data folder lost", func(t testing.TB, app *rig.App, c *connection) {
		app.Stop()
		files, err := filepath.Glob(filepath.Join(app.Options.DataDir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
		}
		app.Start()
		c.mustCall(t)
	}},
}

// Every client library lives through all that a Drawbridge does in its days,
// on one connection. The table of it lands in out/clients.md.
func TestClientsLife(t *testing.T) {
	var mu sync.Mutex // guards rows
	rows := map[string]string{}
	t.Cleanup(func() { writeKitTable(t, rows) })
	for _, c := range kit {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			row := c.live(t)
			mu.Lock()
			defer mu.Unlock()
			rows[c.name] = row
		})
	}
}

// live takes c through the life, and returns its row of the table.
func (c kitClient) live(t *testing.T) string {
	app := rig.StartApp(t, rig.AppOptions{Access: 5 * time.Second})
	options := map[string]string{"url": app.MCPURL, "redirectURI": rig.ClientURI, "name": "Kit"}
	for k, v := range c.options {
		options[k] = v
	}
	arg, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	program := append(c.program(t), string(arg))
	var row strings.Builder
	var conn *connection
	for _, step := range life {
		err := rig.Softly(t, func(t testing.TB) {
			if conn == nil { // the first, or the last was left behind by a fault
				conn = &connection{t: t, script: rig.StartProcess(t, nil, program[0], program[1:]...)}
				if step.name != "sign-in" {
					conn.mustDo(t, "connect")
					conn.mustCall(t)
				}
			}
			step.do(t, app, conn)
		})
		fault := c.faults[step.name]
		switch {
		case err == nil && fault == "":
			row.WriteString(" ok |")
			continue
		case err == nil:
			t.Errorf("%s: works, but the list of its faults says: %s", step.name, fault)
			row.WriteString(" ok |")
			continue
		case fault == "":
			t.Errorf("%s: %v", step.name, err)
			row.WriteString(" **" + strings.ReplaceAll(rig.Clip(err.Error()), "|", "/") + "** |")
		default:
			t.Logf("%s: as known (%s): %v", step.name, fault, err)
			row.WriteString(" " + fault + " |")
		}
		conn = nil
	}
	return row.String()
}

// connection is a client's running program.
type connection struct {
	t      testing.TB
	script *rig.Script
}

// do has the program do something, signs alice in as often as it asks for it,
// and returns what it answered.
func (c *connection) do(what string) (string, error) {
	c.script.Write(map[string]string{"do": what})
	for range 4 {
		var answer struct {
			Authorize, Text, Error string
			Listens                bool
		}
		c.script.Read(&answer)
		switch {
		case answer.Error != "":
			return "", errors.New(answer.Error)
		case answer.Authorize == "":
			return answer.Text, nil
		}
		var callback string
		err := rig.Softly(c.t, func(t testing.TB) {
			b := rig.NewBrowser(t)
			if answer.Listens {
				waitForListener(t, b.Parse(answer.Authorize).Query().Get("redirect_uri"))
				b.Walk(b.Open(answer.Authorize), "alice", "").WantStatus(t, 200)
				return
			}
			callback = b.SignIn(answer.Authorize, rig.ClientURI, "alice").String()
		})
		if err != nil {
			return "", fmt.Errorf("the sign-in: %w", err)
		}
		if !answer.Listens {
			c.script.Write(map[string]string{"callback": callback})
		}
	}
	return "", errors.New("it asks for one sign-in after the other")
}

// waitForListener waits until somebody listens at address: FastMCP begins to
// after it has opened the browser.
func waitForListener(t testing.TB, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	rig.WaitFor(t, "the client's listener", func() bool {
		conn, err := net.Dial("tcp", u.Host)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (c *connection) mustDo(t testing.TB, what string) string {
	t.Helper()
	text, err := c.do(what)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return text
}

func (c *connection) mustCall(t testing.TB) {
	t.Helper()
	if got := c.mustDo(t, "call"); got != "Echo: grüezi" {
		t.Fatalf("the call gave %q", got)
	}
}

func writeKitTable(t *testing.T, rows map[string]string) {
	var table strings.Builder
	table.WriteString("| client |")
	for _, step := range life {
		table.WriteString(" " + step.name + " |")
	}
	table.WriteString("\n|" + strings.Repeat(" --- |", len(life)+1) + "\n")
	for _, c := range kit {
		if row, ok := rows[c.name]; ok {
			table.WriteString("| " + c.name + " |" + row + "\n")
		}
	}
	t.Log("\n" + table.String())
	if err := os.WriteFile("out/clients.md", []byte(table.String()), 0o644); err != nil {
		t.Error(err)
	}
}
