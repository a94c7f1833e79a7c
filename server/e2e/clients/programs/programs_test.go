//go:build programs

package programs

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// program is one that people install.
type program struct {
	name   string
	env    func(p *person) []string
	files  func(p *person) map[string]string // in the home folder, before all else
	add    []string                          // adds Drawbridge; it may sign in
	signIn []string
	stays  bool     // signIn does not end by itself
	hasty  bool     // it asks the model before it has connected, with tools of the last time
	run    []string // a conversation with the model; or a call, where there is none
	plain  bool     // no model: run is one call, and prints what came of it

	// faults are what this program can't do, and why: its own faults, each by
	// the step of the life. One that is mended must go from here.
	faults map[string]string
}

// person is somebody who uses a program: a home folder, and a browser in which
// alice signs in whenever the program opens a page.
type person struct {
	t     *testing.T
	app   *rig.App
	model *model
	home  string
	env   []string
	urls  string // file of the addresses that were opened
}

func newPerson(t *testing.T, c program, change ...func(*config.Config)) *person {
	p := &person{t: t, model: startModel(t), home: t.TempDir()}
	p.app = rig.StartBinary(t, rig.AppOptions{Config: func(cfg *config.Config) {
		cfg.Clients.MetadataDocuments = false // their makers' can't be fetched without internet
		for _, f := range change {
			f(cfg)
		}
	}})
	p.urls = filepath.Join(p.home, "opened")
	bin := filepath.Join(p.home, "bin")
	p.write("opened", "")
	for _, name := range []string{"xdg-open", "open", "browser", "www-browser", "x-www-browser"} {
		p.write("bin/"+name, fmt.Sprintf("#!/bin/sh\nfor a; do case $a in http*) echo \"$a\" >>%q;; esac; done\n", p.urls))
	}
	folder, err := filepath.Abs("clients/programs/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, _ := filepath.Glob(folder + "/node-linux-*/bin")
	if len(node) == 0 {
		t.Fatal("not installed: bash server/e2e/clients/programs.sh does")
	}
	p.env = []string{"HOME=" + p.home, "PATH=" + strings.Join([]string{bin, node[0], folder + "/.bin", os.Getenv("PATH")}, ":"),
		"BROWSER=" + bin + "/browser", "DISPLAY=:9", "XDG_CONFIG_HOME=" + p.home + "/.config", "XDG_DATA_HOME=" + p.home + "/.local/share",
		"XDG_CACHE_HOME=" + p.home + "/.cache", "XDG_STATE_HOME=" + p.home + "/.state", "DBUS_SESSION_BUS_ADDRESS=", "NO_COLOR=1", "CI="}
	if c.env != nil {
		p.env = append(p.env, c.env(p)...)
	}
	if c.files != nil {
		for name, text := range c.files(p) {
			p.write(name, text)
		}
	}
	go p.browse()
	return p
}

func (p *person) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// browse signs alice in at each page that is opened, until the test ends.
func (p *person) browse() {
	f, err := os.Open(p.urls)
	if err != nil {
		return
	}
	defer f.Close()
	var line string
	for r := bufio.NewReader(f); p.t.Context().Err() == nil; {
		part, err := r.ReadString('\n')
		if line += part; err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		address := strings.TrimSpace(line)
		line = ""
		err = rig.Softly(p.t, func(t testing.TB) {
			b := rig.NewBrowser(t)
			waitForListener(t, b.Parse(address).Query().Get("redirect_uri"))
			b.Walk(b.Open(address), "alice", "").WantStatus(t, 200)
		})
		if err != nil && p.t.Context().Err() == nil {
			p.t.Logf("the browser: %v", err)
		}
	}
}

// waitForListener waits until somebody listens at address: some programs begin
// to after they have opened the browser.
func waitForListener(t testing.TB, address string) {
	t.Helper()
	host := regexp.MustCompile(`^https?://([^/]+)`).FindStringSubmatch(address)
	if host == nil {
		return
	}
	rig.WaitFor(t, "the program's listener", func() bool {
		conn, err := net.Dial("tcp", host[1])
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// command runs one of the program's commands to its end, bounded.
func (p *person) command(t testing.TB, args []string) string {
	t.Helper()
	out, code := p.start(args).Wait()
	p.t.Logf("%s: exit code %d: %s", strings.Join(args, " "), code, tail(out))
	return out
}

// start runs a command in the home folder, with nothing to read and a bound.
func (p *person) start(args []string) *rig.Script {
	read := "</dev/null"
	if args[0] == "script" { // a terminal, at which nobody types
		read = ""
	}
	all := []string{"-c", `cd "$0" && exec timeout 60 "$@" 2>&1 ` + read, p.home}
	for _, a := range args {
		all = append(all, strings.ReplaceAll(a, "{url}", p.app.MCPURL))
	}
	return rig.StartProcess(p.t, p.env, "/bin/sh", all...)
}

// signIn has the program sign in.
func (p *person) signIn(t testing.TB, c program) {
	t.Helper()
	if !c.stays {
		p.command(t, c.signIn)
		return
	}
	s := p.start(c.signIn)
	err := rig.Softly(p.t, func(t testing.TB) {
		rig.WaitFor(t, "its first request", func() bool { return p.requests(t) > 0 })
	})
	_ = s.Cmd.Process.Signal(syscall.SIGTERM) // timeout hands it on
	out, _ := s.Wait()
	p.t.Logf("%s: %s", strings.Join(c.signIn, " "), tail(out))
	if err != nil {
		t.Fatal(err)
	}
}

func tail(s string) string {
	if n := len(s) - 1500; n > 0 {
		s = "…" + s[n:]
	}
	return s
}

const greeting = "Echo: grüezi"

// calls has the program call echo once for each step, after doing it, and
// returns what the program made of each.
func (p *person) calls(t testing.TB, c program, steps ...func()) []string {
	t.Helper()
	if c.plain {
		var out []string
		for _, step := range steps {
			if step != nil {
				step()
			}
			out = append(out, p.command(t, c.run))
		}
		return out
	}
	if c.hasty {
		first, before := steps[0], p.requests(t)
		steps = append([]func(){func() {
			_ = rig.Softly(p.t, func(t testing.TB) {
				rig.WaitFor(t, "the connection", func() bool { return p.requests(t) >= before+2 })
			})
			if first != nil {
				first()
			}
		}}, steps[1:]...)
	}
	p.model.plan(steps...)
	p.command(t, c.run)
	results, asked := p.model.said()
	if len(results) != len(steps) {
		p.t.Logf("the model was asked: %v", asked)
		t.Fatalf("%d of %d calls", len(results), len(steps))
	}
	return results
}

func (p *person) mustCall(t testing.TB, c program, steps ...func()) {
	t.Helper()
	for i, text := range p.calls(t, c, steps...) {
		if !strings.Contains(text, greeting) {
			t.Fatalf("call %d gave %s", i+1, rig.Clip(text))
		}
	}
}

// requests counts those of the newest session.
func (p *person) requests(t testing.TB) int64 {
	sessions := p.app.Sessions(t)
	if len(sessions) == 0 {
		return 0
	}
	return sessions[0].Requests
}

func (p *person) restart() {
	p.app.Stop()
	p.app.Start()
}

func (p *person) pause() { p.control("pause") }

func (p *person) control(name string) {
	if out, code := p.app.Command(name); code != 0 {
		p.t.Errorf("%s: exit code %d: %s", name, code, out)
	}
}

// life is what each program lives through. A conversation keeps its connection
// open; what has no model is run anew for each call.
var life = []struct {
	name string
	do   func(t testing.TB, p *person, c program)
}{
	{"sign-in", func(t testing.TB, p *person, c program) {
		if c.add != nil {
			p.command(t, c.add)
		}
		if len(p.app.Sessions(t)) == 0 {
			p.signIn(t, c)
		}
		p.mustCall(t, c, nil)
		if n := len(p.app.Sessions(t)); n != 1 {
			t.Errorf("%d sessions, want one", n)
		}
	}},
	{"calls", func(t testing.TB, p *person, c program) { p.mustCall(t, c, nil, nil) }},
	{"restart", func(t testing.TB, p *person, c program) { p.mustCall(t, c, nil, p.restart) }},
	{"pause, resume", func(t testing.TB, p *person, c program) {
		got := p.calls(t, c, nil, p.pause, func() { p.control("resume") })
		if !strings.Contains(got[0], greeting) || strings.Contains(got[1], greeting) || !strings.Contains(got[2], greeting) {
			t.Fatalf("before, while paused and after it gave %q", got)
		}
	}},
	{"revoked, sign-in again", func(t testing.TB, p *person, c program) {
		for _, s := range p.app.Sessions(t) {
			p.app.RevokeSession(t, s.ID)
		}
		p.signIn(t, c)
		p.mustCall(t, c, nil)
		if n := len(p.app.Sessions(t)); n != 1 {
			t.Errorf("%d sessions, want the new one", n)
		}
	}},
}

// Every program lives through what a Drawbridge does in its days. The table of
// it lands in out/programs.md.
func TestPrograms(t *testing.T) {
	var table strings.Builder
	table.WriteString("| program |")
	for _, step := range life {
		table.WriteString(" " + step.name + " |")
	}
	table.WriteString("\n|" + strings.Repeat(" --- |", len(life)+1) + "\n")
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) {
			p := newPerson(t, c)
			table.WriteString("| " + c.name + " |")
			for _, step := range life {
				err := rig.Softly(t, func(t testing.TB) { step.do(t, p, c) })
				fault := c.faults[step.name]
				switch {
				case err == nil && (fault == "" || strings.HasPrefix(fault, "at times ")): // a race of its own
					table.WriteString(" ok |")
				case err == nil:
					t.Errorf("%s: works, but the list of its faults says: %s", step.name, fault)
				case fault != "":
					t.Logf("%s: as known (%s): %v", step.name, fault, err)
					table.WriteString(" " + fault + " |")
				default:
					t.Errorf("%s: %v", step.name, err)
					table.WriteString(" **" + strings.NewReplacer("|", "/", "\n", " ").Replace(rig.Clip(err.Error())) + "** |")
				}
			}
			table.WriteString("\n")
		})
	}
	t.Log("\n" + table.String())
	if err := os.WriteFile("out/programs.md", []byte(table.String()), 0o644); err != nil {
		t.Error(err)
	}
}
