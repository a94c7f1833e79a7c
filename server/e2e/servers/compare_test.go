package servers

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// compared is a real server, and what a client does with it both ways.
type compared struct {
	name   string
	server func(t *testing.T, c *comparison) rig.MCPServer
	steps  func(c *comparison) []step
	modern bool // it speaks 2026-07-28 too
}

// step is a request: its method and its params.
type step [2]any

func tool(name string, arguments map[string]any) step {
	if arguments == nil {
		arguments = map[string]any{}
	}
	return step{"tools/call", map[string]any{"name": name, "arguments": arguments}}
}

var (
	lists = []step{{"tools/list", map[string]any{}}}
	all   = append(lists, step{"prompts/list", map[string]any{}}, step{"resources/list", map[string]any{}}, step{"resources/templates/list", map[string]any{}})
)

var comparedServers = []compared{
	{name: "filesystem", server: func(t *testing.T, c *comparison) rig.MCPServer { return rig.Official(t, "filesystem", c.folder) },
		steps: func(c *comparison) []step {
			file := filepath.Join(c.folder, "a.txt")
			return append(lists, tool("write_file", map[string]any{"path": file, "content": "grüezi\u2028\U0001F600"}), tool("read_text_file", map[string]any{"path": file}),
				tool("list_directory", map[string]any{"path": c.folder}), tool("read_text_file", map[string]any{"path": "/etc/passwd"}), tool("read_text_file", map[string]any{"wrong": 1}))
		}},
	{name: "everything", server: func(t *testing.T, _ *comparison) rig.MCPServer { return rig.Official(t, "everything") },
		steps: func(*comparison) []step {
			return append(all, tool("echo", map[string]any{"message": "hello"}), tool("get-sum", map[string]any{"a": 19, "b": 23}), tool("get-tiny-image", nil),
				tool("get-annotated-message", map[string]any{"messageType": "error", "includeImage": true}), tool("get-structured-content", map[string]any{"location": "Chicago"}),
				tool("get-resource-links", map[string]any{"count": 2}), tool("trigger-long-running-operation", map[string]any{"duration": 0.2, "steps": 2}),
				tool("trigger-sampling-request", map[string]any{"prompt": "hi", "maxTokens": 5}), tool("trigger-elicitation-request", nil), tool("get-roots-list", nil),
				step{"prompts/get", map[string]any{"name": "args-prompt", "arguments": map[string]any{"city": "Bern"}}}, step{"logging/setLevel", map[string]any{"level": "debug"}},
				step{"completion/complete", map[string]any{"ref": map[string]any{"type": "ref/prompt", "name": "completable-prompt"}, "argument": map[string]any{"name": "department", "value": "E"}}})
		}},
	{name: "memory", server: func(t *testing.T, c *comparison) rig.MCPServer {
		s := rig.Official(t, "memory")
		s.Env = map[string]string{"MEMORY_FILE_PATH": filepath.Join(t.TempDir(), "memory.jsonl")}
		return s
	}, steps: func(*comparison) []step {
		return append(lists, tool("create_entities", map[string]any{"entities": []any{map[string]any{"name": "Ana", "entityType": "person", "observations": []string{"o"}}}}),
			tool("read_graph", nil), tool("search_nodes", map[string]any{"query": "Ana"}), tool("delete_entities", map[string]any{"entityNames": []string{"Ana"}}))
	}},
	{name: "git", server: pythonServer("sdk1", "-m", "mcp_server_git"), steps: func(c *comparison) []step {
		return append(lists, tool("git_status", map[string]any{"repo_path": c.repository}), tool("git_log", map[string]any{"repo_path": c.repository}), tool("git_diff_unstaged", map[string]any{"repo_path": "/nowhere"}))
	}},
	{name: "time", server: pythonServer("sdk1", "-m", "mcp_server_time"), steps: func(*comparison) []step {
		return append(lists, tool("convert_time", map[string]any{"source_timezone": "Europe/Zurich", "time": "25:99", "target_timezone": "Asia/Tokyo"}), tool("get_current_time", map[string]any{"timezone": "Nowhere"}))
	}},
	{name: "fetch", server: pythonServer("sdk1", "-m", "mcp_server_fetch", "--ignore-robots-txt"), steps: func(c *comparison) []step {
		return append(all[:2:2], tool("fetch", map[string]any{"url": c.page}), tool("fetch", map[string]any{"url": c.page + "missing"}), step{"prompts/get", map[string]any{"name": "fetch", "arguments": map[string]any{"url": c.page}}})
	}},
	{name: "python-sdk-1", server: pythonServer("sdk1", "servers/compare/fixture.py", "mcp"), steps: fixtureSteps},
	{name: "python-sdk-2", server: pythonServer("sdk2", "servers/compare/fixture.py", "mcp"), steps: fixtureSteps, modern: true},
	{name: "fastmcp-2", server: pythonServer("sdk1", "servers/compare/fixture.py", "fastmcp"), steps: fixtureSteps},
	{name: "fastmcp-4", server: pythonServer("sdk2", "servers/compare/fixture.py", "fastmcp"), steps: fixtureSteps, modern: true},
}

func pythonServer(packages string, arguments ...string) func(*testing.T, *comparison) rig.MCPServer {
	return func(t *testing.T, _ *comparison) rig.MCPServer {
		t.Helper()
		for i, a := range arguments {
			if strings.HasSuffix(a, ".py") {
				path, err := filepath.Abs(a)
				if err != nil {
					t.Fatal(err)
				}
				arguments = slices.Replace(slices.Clone(arguments), i, i+1, path)
			}
		}
		return rig.MCPServer{Command: rig.NeedPython(t, packages), Args: arguments}
	}
}

func fixtureSteps(*comparison) []step {
	return append(all, tool("person", map[string]any{"name": "Ana"}), tool("person", map[string]any{"age": "x"}), tool("fails", map[string]any{"why": "because"}), tool("asks", nil), tool("tells", nil),
		step{"resources/read", map[string]any{"uri": "note://one"}}, step{"resources/read", map[string]any{"uri": "note://by/Ana"}}, step{"resources/read", map[string]any{"uri": "note://none/at/all"}},
		step{"prompts/get", map[string]any{"name": "greet", "arguments": map[string]any{"name": "Ana"}}})
}

// comparison is what all servers of one run share.
type comparison struct {
	folder, repository, page string

	mu    sync.Mutex // guards found
	found map[string][]string
}

// Real servers are used by real clients, directly and through Drawbridge, with a
// tap at both ends, and what either got is compared field by field. What differs
// has a reason in differences; the table of it lands in out/compare.md.
func TestCompareDirect(t *testing.T) {
	c := &comparison{folder: t.TempDir(), repository: t.TempDir(), found: map[string][]string{}}
	for _, args := range [][]string{{"init", "-q"}, {"-c", "user.name=Ana", "-c", "user.email=ana@example.com", "commit", "-q", "--allow-empty", "-m", "one"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = c.repository
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git: %v %s", err, out)
		}
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>t</title><h1>grüezi</h1><p>and more</p>")
	}))
	t.Cleanup(page.Close)
	c.page = page.URL + "/"

	t.Cleanup(func() { c.report(t) })
	for _, s := range comparedServers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c.both(t, s)
		})
	}
}

// both compares the two ways to one server.
func (c *comparison) both(t *testing.T, s compared) {
	tapped := filepath.Join(t.TempDir(), "through")
	app := rig.StartApp(t, rig.Mounting(t, rig.AppOptions{}, map[string]rig.MCPServer{s.name: rig.Tap(t, s.server(t, c), tapped)}))
	app.WaitForServers(t)
	path := "/s/" + s.name + "/mcp"
	client := app.Register(t, rig.ClientURI)
	for _, era := range []struct{ sdk, mode string }{{"v1", "legacy"}, {"v2", rig.ModernVersion}} {
		if era.mode == rig.ModernVersion && !s.modern {
			continue // directly there is nothing to compare with
		}
		t.Run(era.sdk+" "+era.mode, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "direct")
			options := map[string]any{"sdk": era.sdk, "mode": era.mode, "steps": s.steps(c)}
			direct := tell(t, options, rig.Tap(t, s.server(t, c), file), "")
			before := len(rig.ReadTap(t, tapped))
			through := app.SignedIn(t, app.SignInAt(t, client, "alice", path).Access) + path // a conversation of its own
			got := tell(t, options, rig.MCPServer{}, through)
			who := s.name + ", " + era.mode
			modern := era.mode == rig.ModernVersion
			c.compare(t, who, story(direct, modern), story(got, modern))
			c.compare(t, who, asked(rig.ReadTap(t, file)), asked(rig.ReadTap(t, tapped)[before:]))
		})
	}
}

// told is what client.mjs noted in one step.
type told struct {
	Step  string
	In    []map[string]any
	Error string
}

// tell runs the client, directly with a server or through a URL.
func tell(t *testing.T, options map[string]any, server rig.MCPServer, url string) (steps []told) {
	t.Helper()
	o := maps.Clone(options)
	o["url"], o["command"], o["args"], o["env"] = nil, server.Command, server.Args, server.Env
	if url != "" {
		o["url"] = url
	}
	arg, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	rig.StartScript(t, nil, "servers/compare/client.mjs", string(arg)).Read(&steps)
	return steps
}

// story is what the client got: its step → each message's members, ids and
// tokens apart, since they are anybody's choice.
func story(steps []told, modern bool) map[string]any {
	all := map[string]any{}
	for n, s := range steps {
		if s.Step == "connect" && modern {
			continue // directly the SDK asks before anybody listens
		}
		kinds := map[string][]any{}
		for _, m := range s.In {
			kind, _ := m["method"].(string)
			if kind == "" {
				kind = "answer"
			}
			delete(m, "id")
			delete(m, "jsonrpc")
			if params, ok := m["params"].(map[string]any); ok {
				delete(params, "progressToken")
			}
			kinds[kind] = append(kinds[kind], m)
		}
		for kind, messages := range kinds {
			all[fmt.Sprintf("client: %s (%d): %s", s.Step, n, kind)] = messages
		}
		if s.Error != "" {
			all[fmt.Sprintf("client: %s (%d): error", s.Step, n)] = s.Error
		}
	}
	return all
}

// asked is what the server got of the client that was there: requests for
// anything but lists, which Drawbridge keeps, and how the client began.
func asked(passed []rig.Tapped) map[string]any {
	all := map[string]any{}
	calls := 0
	for _, p := range passed {
		var m struct {
			Method string
			Params map[string]any
		}
		if !p.ToServer || json.Unmarshal(p.Message, &m) != nil || m.Method == "" {
			continue
		}
		if meta, ok := m.Params["_meta"].(map[string]any); ok {
			delete(meta, "progressToken")
			if len(meta) == 0 {
				delete(m.Params, "_meta")
			}
		}
		switch {
		case m.Method == "initialize":
			if info, _ := m.Params["clientInfo"].(map[string]any); info["name"] != "Drawbridge" { // which is the catalog's own
				all["server: initialize"] = m.Params
			}
		case strings.HasSuffix(m.Method, "/list") || strings.HasPrefix(m.Method, "notifications/") || strings.HasPrefix(m.Method, "server/") || m.Method == "ping" || strings.HasPrefix(m.Method, "subscriptions/"):
		default:
			calls++
			all[fmt.Sprintf("server: %s (%d)", m.Method, calls)] = m.Params
		}
	}
	return all
}

// compare notes each member that is not the same.
func (c *comparison) compare(t *testing.T, who string, direct, through map[string]any) {
	t.Helper()
	a, b := map[string]string{}, map[string]string{}
	flatten(a, "", plain(t, direct))
	flatten(b, "", plain(t, through))
	paths := map[string]bool{}
	for p := range a {
		paths[p] = true
	}
	for p := range b {
		paths[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if a[p] == b[p] {
			continue
		}
		d := fmt.Sprintf("%s: %s: direct %s, through %s", who, p, shorten(a[p]), shorten(b[p]))
		i := slices.IndexFunc(differences, func(k difference) bool { return k.where.MatchString(d) })
		reason := ""
		if i < 0 {
			t.Errorf("%s", d)
		} else {
			reason = differences[i].reason
		}
		c.mu.Lock()
		c.found[reason] = append(c.found[reason], d)
		c.mu.Unlock()
	}
}

func plain(t *testing.T, v any) (out any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// flatten writes each leaf of v by its path.
func flatten(into map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			flatten(into, path+"/"+k, e)
		}
		if len(v) == 0 {
			into[path] = "{}"
		}
	case []any:
		for i, e := range v {
			key := fmt.Sprint(i)
			if m, ok := e.(map[string]any); ok { // what has a name is found by it
				if name, ok := m["name"].(string); ok {
					key = name
				}
			}
			flatten(into, path+"["+key+"]", e)
		}
		if len(v) == 0 {
			into[path] = "[]"
		}
	default:
		text, _ := json.Marshal(v)
		into[path] = string(text)
	}
}

func shorten(s string) string {
	if s == "" {
		return "nothing"
	}
	return rig.Clip(s)
}

// report writes the table, and says which reasons explain nothing any more.
func (c *comparison) report(t *testing.T) {
	var table strings.Builder
	table.WriteString("| what differs | members | for example |\n| --- | --- | --- |\n")
	for _, reason := range slices.Sorted(maps.Keys(c.found)) {
		list := c.found[reason]
		if reason == "" {
			reason = "**unexplained**"
		}
		fmt.Fprintf(&table, "| %s | %d | %s |\n", reason, len(list), strings.ReplaceAll(list[0], "|", "/"))
	}
	t.Log("\n" + table.String())
	if err := os.WriteFile("out/compare.md", []byte(table.String()), 0o644); err != nil {
		t.Error(err)
	}
}

// difference is one that stays, and why.
type difference struct {
	where  *regexp.Regexp
	reason string
}

const roots = "a client's roots are no folders of this computer, and open none: the owner says which"

var differences = []difference{
	{regexp.MustCompile(`/server: .*/_meta/drawbridge\.app/identity/`), "the server learns who calls"},
	{regexp.MustCompile(`/server: initialize/clientInfo/name: direct "comparer", through "comparer \(via Drawbridge\)"`), "the server learns that its client comes through Drawbridge"},
	{regexp.MustCompile(`roots/list\[\d\]/|/server: initialize/capabilities/roots/listChanged`), roots},
	{regexp.MustCompile(`filesystem.*read_text_file \(5\): answer.*through (true|nothing|"Access denied)`), roots},
	{regexp.MustCompile(`everything.*(tools/call get-roots-list .*text: |notifications/message\[\d\])`), roots + "; the server logs how many there are, when it likes"},
	{regexp.MustCompile(`everything.*(tools\[(get-roots-list|trigger-elicitation-request|trigger-sampling-request)\]|notifications/tools/list_changed\[)`),
		"a list is the copy that is kept for all: tools that depend on a client's capabilities come once this client's conversation has begun, and it is told"},
	{regexp.MustCompile(`connect.*/capabilities/tasks/`), "tasks of 2025-11-25, an experiment that the next revision took back, are not passed on"},
	{regexp.MustCompile(`2026-07-28: /client: .*/list \(\d\): .*/_meta/io.modelcontextprotocol/serverInfo/`), "a list comes from the kept copy; the server's name is in what server/discover says"},
}
