//go:build unix

package mount

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// It handles a list that fails or never comes, and capabilities that say nothing:
// what can be listed is offered.
func TestListsApart(t *testing.T) {
	for flag, want := range map[string]struct{ tools, prompts, resources, unlisted int }{
		"fails=prompts/list":   {2, 0, 1, 1},
		"fails=resources/list": {2, 1, 0, 1},
		"fails=tools/list":     {0, 1, 1, 1},
		"hangs=resources/list": {2, 1, 0, 1},
		"hangs=prompts/list":   {2, 0, 1, 1},
		"nothing":              {2, 1, 1, 0},
	} {
		t.Run(flag, func(t *testing.T) {
			tune := quick
			tune.rest = time.Second
			if strings.HasPrefix(flag, "hangs") {
				tune.rest = 200 * time.Millisecond
			}
			r := newRig(t, tune, Options{})
			r.Apply([]config.Server{own("x", flag)})
			c, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Tools) != want.tools || len(c.Prompts) != want.prompts || len(c.Resources) != want.resources || len(c.Unlisted) != want.unlisted {
				t.Errorf("%d tools, %d prompts, %d resources, unlisted %v", len(c.Tools), len(c.Prompts), len(c.Resources), c.Unlisted)
			}
			if st := r.state(); st.State != "ok" {
				t.Errorf("state %+v", st)
			}
			if caps := string(c.Description.Capabilities); !strings.Contains(caps, `"tools"`) {
				t.Errorf("clients would not ask for its tools: %s", caps)
			}
		})
	}
}

// It handles a server that changes what it offers and tells nobody.
func TestReadAgain(t *testing.T) {
	for _, how := range []How{Fresh, Anew, Again} {
		s := newHTTPServer(t, true)
		s.tools = strings.Replace(s.tools, `[{`, `[{"name":"old","inputSchema":{"type":"object"}},{`, 1)
		r := newRig(t, quick, Options{Now: time.Now})
		r.Apply([]config.Server{{Name: "x", URL: s.URL}})
		ana := r.client("ana")
		s.mu.Lock()
		s.tools = `[{"name":"new","inputSchema":{"type":"object"}}]`
		s.mu.Unlock()
		one, _ := r.find("x")
		one.mu.Lock()
		one.catalog.ttl = 0 // as of a server that says so
		one.mu.Unlock()
		reads := s.count("tools/list")
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				c, err := r.Catalog(within(t), "x", ana, how)
				if err != nil || len(c.Tools) != 1 || c.Tools[0].Name != "new" {
					t.Errorf("%v: %v, %+v", how, err, c)
				}
			})
		}
		all.Wait()
		if n := s.count("tools/list") - reads; n < 1 || n > 10 {
			t.Errorf("it was read %d times", n)
		}
		known, _ := r.Catalog(within(t), "x", ana, Known)
		reads = s.count("tools/list")
		if again, _ := r.Catalog(within(t), "x", ana, Fresh); again != known || s.count("tools/list") != reads {
			t.Error("a fresh copy was read again") // ttlMs absent: 10 s
		}
	}
}

// memory is a state file.
type memory struct {
	mu sync.Mutex // guards of
	of map[string][]byte
}

func (m *memory) Save(changes []oauth.Change, _ ...status.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		if m.of[c.Key] = c.Value; c.Value == nil {
			delete(m.of, c.Key)
		}
	}
	return nil
}

func (m *memory) Load(_ string, fn func(key string, value []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, value := range m.of {
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// It handles a restart: what was offered before it is there at once, while the
// server starts, and as long as it is the same server.
func TestCatalogsLast(t *testing.T) {
	for era, flags := range fixtureEras {
		t.Run(era, func(t *testing.T) {
			disk := &memory{of: map[string][]byte{}}
			start := func(conf config.Server) *rig {
				r := newRig(t, quick, Options{Saver: disk, Records: disk})
				if err := r.records.load(disk); err != nil {
					t.Fatal(err)
				}
				r.Apply([]config.Server{conf})
				return r
			}
			flag := filepath.Join(t.TempDir(), "late")
			conf := own("x", append(flags, "waits="+flag)...)
			if err := os.WriteFile(flag, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r := start(conf)
			before, err := r.Catalog(within(t), "x", Client{}, Needed)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is saved", func() bool { disk.mu.Lock(); defer disk.mu.Unlock(); return disk.of["x"] != nil })
			r.Close()
			_ = os.Remove(flag) // so that it does not start now
			r = start(conf)
			for _, how := range []How{Known, Fresh, Needed} {
				c, err := r.Catalog(within(t), "x", Client{}, how)
				if err != nil || !c.same(before) {
					t.Errorf("%v: %v, %+v", how, err, c)
				}
			}
			if err := os.WriteFile(flag, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is read", func() bool { return r.state().State == "ok" })
			conf.Args = append(conf.Args, "another")
			r.Close()
			r = start(conf)
			if c, _ := r.Catalog(context.Background(), "x", Client{}, Known); c != nil && !c.same(before) {
				t.Errorf("another server is offered as %+v", c)
			}
			r.Apply(nil)
			eventually(t, "a removed server is forgotten", func() bool { disk.mu.Lock(); defer disk.mu.Unlock(); return len(disk.of) == 0 })
		})
	}
}

// It handles the record of an earlier build, and one that can't be read.
func TestSavedFormat(t *testing.T) {
	value, err := os.ReadFile("testdata/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	disk := &memory{of: map[string][]byte{"files": value, "bad": []byte("{"), "new": []byte(strings.Replace(string(value), `"v":1`, `"v":2`, 1))}}
	var r records
	if err := r.load(disk); err != nil {
		t.Fatal(err)
	}
	conf := config.Server{Name: "files", Command: "npx", Args: []string{"-y", "@modelcontextprotocol/server-filesystem", "/srv"}}
	c := r.get("files", startOf(conf))
	if c == nil || len(c.Tools) != 1 || c.Tools[0].Name != "read" || !c.Both || c.Era.String() != "modern" || c.Description.Instructions != "Be kind." {
		t.Errorf("got %+v", c)
	}
	for _, name := range []string{"bad", "new", "none"} {
		if c := r.get(name, startOf(conf)); c != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	conf.Dir = "/elsewhere"
	if r.get("files", startOf(conf)) != nil {
		t.Error("it is started in another way")
	}
}
