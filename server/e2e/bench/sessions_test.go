package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// BenchmarkManySessions prints what the real program takes, in time and memory, with ten
// to a hundred thousand sessions. DRAWBRIDGE_BENCH_BEFORE names another program
// that is measured beside it, each number of sessions in turns. Run it with
// -benchtime=1x; it takes some minutes, so no run of the tests does.
func BenchmarkManySessions(b *testing.B) {
	programs := []string{""}
	if before := os.Getenv("DRAWBRIDGE_BENCH_BEFORE"); before != "" {
		programs = []string{before, ""}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nprogram\tsessions\tstart\tMB after start\tcall p50\tMB after calls\tsessions\tconsole\trevoke one\ttokens dead\trevoke --all\tpanic\tmass expiry")
	for _, n := range []int{10, 1000, 20_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for _, program := range programs {
				m := many{B: b, program: program, n: n}
				row := append(m.use(), m.panic(), m.expire())
				name := map[bool]string{true: "now", false: "before"}[program == ""]
				fmt.Fprintf(table, "%s\t%d\t%s\n", name, n, strings.Join(row, "\t"))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	table.Flush()
}

// signedIn is how many sessions have tokens. There can be 100,000 in all.
const signedIn = 20

// many measures one program with n sessions.
type many struct {
	*testing.B
	program string
	n       int
}

// start starts the program on n sessions that last until expires.
func (m many) start(expires time.Time) (app *rig.App, took time.Duration) {
	app = rig.StartBinary(m, rig.AppOptions{Plain: true, Binary: m.program})
	app.Stop()
	for _, env := range app.Program.Env {
		if key, ok := strings.CutPrefix(env, "DRAWBRIDGE_DATA_KEY="); ok {
			fill(m.B, app, key, min(m.n, 100_000-signedIn), expires)
		}
	}
	began := time.Now()
	app.Start()
	return app, time.Since(began)
}

func (m many) use() (row []string) {
	app, took := m.start(time.Now().Add(time.Hour))
	add := func(what any) { row = append(row, fmt.Sprint(what)) }
	since := func(began time.Time) { add(time.Since(began).Round(100 * time.Microsecond)) }
	memory := func() { add(fmt.Sprintf("%.0f", resident(m.B, app))) }
	add(took.Round(time.Millisecond))
	memory()
	client, to := app.Register(m, rig.ClientURI), []target{}
	for range signedIn {
		to = append(to, target{strings.TrimPrefix(app.URL, "http://"), app.SignIn(m, rig.NewBrowser(m), client, "alice").Access})
	}
	var calls measure
	for i := range 12 {
		calls.add(load(m.B, to[i], rig.ModernVersion, 1))
	}
	add(calls.p50().Round(time.Microsecond))
	memory()
	began := time.Now()
	m.command(app, "sessions", "--json")
	since(began)
	m.console(app, &row)
	newest := app.Sessions(m)[0].ID
	began = time.Now()
	m.command(app, "revoke", newest)
	since(began)

	began = time.Now()
	done := make(chan time.Duration, 1)
	go func() {
		m.command(app, "revoke", "--all")
		done <- time.Since(began)
	}()
	for open := to[:signedIn-1]; len(open) > 0; { // of the newest session the token is dead already
		open = slices.DeleteFunc(open, func(t target) bool {
			return app.Do(m, "GET", "/mcp", nil, "Authorization", "Bearer "+t.token).Status == http.StatusUnauthorized
		})
	}
	since(began)
	add((<-done).Round(time.Millisecond))
	app.Kill() // the provider is still told of each
	return row
}

// command runs a command, and says so if it failed.
func (m many) command(app *rig.App, args ...string) {
	program := m.program
	if program == "" {
		program = app.Program.Script.Cmd.Path
	}
	cmd := exec.Command(program, append(args, app.Flags()...)...)
	cmd.Env = append(os.Environ(), app.Program.Env...)
	cmd.Stdout = io.Discard
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		m.Logf("%s: %v: %s", strings.Join(args, " "), err, said.String())
	}
}

// console opens the page of the sessions.
func (m many) console(app *rig.App, row *[]string) {
	c := rig.ReadControlFile(m, app)
	key, _ := json.Marshal(map[string]string{"key": c.Key}) // a string is always JSON
	var in struct{ Token string }
	c.Send(m, http.MethodPost, "/session", string(key)).JSON(m, &in)
	began := time.Now()
	if r := c.Send(m, http.MethodGet, "/sessions", "", "Authorization", "Bearer "+in.Token); r.Status != http.StatusOK {
		m.Fatal("the console: ", r.Status)
	}
	*row = append(*row, fmt.Sprint(time.Since(began).Round(100*time.Microsecond)))
}

// panic is done in this process, since the environment's data key can't be
// changed.
func (m many) panic() string {
	if m.program != "" {
		return "-"
	}
	app := rig.StartApp(m, rig.AppOptions{Keystore: keystore.Memory()})
	app.Stop()
	secret, err := app.Options.Keystore.Get(m.Context(), keystore.DataKey)
	if err != nil {
		m.Fatal(err)
	}
	fill(m.B, app, secret.Reveal(), m.n, time.Now().Add(time.Hour))
	app.Start()
	began := time.Now()
	if _, err := app.Srv.Panic(m.Context()); err != nil {
		m.Fatal(err)
	}
	took := time.Since(began)
	app.Stop()
	return fmt.Sprint(took.Round(time.Millisecond))
}

// expire is from the start of the program on sessions that have all expired
// until it rests.
func (m many) expire() string {
	app, _ := m.start(time.Now().Add(-time.Second))
	began := time.Now()
	for last := m.cpu(app); ; {
		time.Sleep(250 * time.Millisecond) // the window that is looked at
		now := m.cpu(app)
		if now-last <= 2 { // hundredths of a second
			break
		}
		last = now
	}
	took := time.Since(began) - 250*time.Millisecond
	app.Stop()
	return fmt.Sprint(took.Round(10 * time.Millisecond))
}

// cpu is how much time the program has used, in hundredths of a second (proc(5)).
func (m many) cpu(app *rig.App) int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", app.Program.Script.Cmd.Process.Pid))
	if err != nil {
		m.Skip("CPU time is read from /proc, which is Linux's: ", err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	f := strings.Fields(rest)
	var user, system int
	_, _ = fmt.Sscan(f[11]+" "+f[12], &user, &system)
	return user + system
}
