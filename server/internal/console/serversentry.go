package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// addView is the forms that add a server, and what they found.
type addView struct {
	Text, Name string
	Found      *config.Import
}

func addViewOf(r *Request) *addView {
	v := &addView{Text: r.PostForm.Get("text"), Name: r.PostForm.Get("name")}
	v.Found, _ = r.Result.(*config.Import)
	return v
}

// addServer mounts what was pasted, and shows it.
func (c *Console) addServer(r *Request) (string, error) {
	plan, err := c.backend.Pasted(r.PostForm.Get("text"), strings.TrimSpace(r.PostForm.Get("name")))
	if err != nil {
		return "", err
	}
	return c.add(r, plan)
}

func (c *Console) add(r *Request, plan config.Import) (string, error) {
	taken := plan.Taken()
	if len(taken) == 0 {
		why := r.Say("servers.import.none")
		for _, item := range plan.Items {
			why = r.Say("servers.add.left", item.Name, item.Why)
		}
		return "", errors.New(why)
	}
	if err := c.backend.Add(r.Context(), plan); err != nil {
		return "", err
	}
	if len(taken) > 1 {
		r.show()
		return r.Count("servers.did.import", len(taken)), nil
	}
	r.show("server", taken[0].As)
	return r.Say("servers.did.add", taken[0].As), nil
}

// findServers looks what other programs on this computer have.
func (c *Console) findServers(r *Request) (string, error) {
	plan, err := c.backend.Found()
	r.Result = &plan
	return "", err
}

// importServers mounts those that were chosen, as they were shown.
func (c *Console) importServers(r *Request) (string, error) {
	plan, err := c.backend.Found()
	if err != nil {
		return "", err
	}
	plan.Items = slices.DeleteFunc(plan.Items, func(item config.ImportItem) bool {
		return !slices.Contains(r.PostForm["item"], itemKey(item))
	})
	return c.add(r, plan)
}

// itemKey stands for all that somebody decides on: an item that has changed since
// it was shown is another one.
func itemKey(item config.ImportItem) string {
	return key(item.From, item.As, fmt.Sprint(item.Server()))
}

// entryForm is what mcp.json says of a server, to be changed: a value a line. One
// that a line does not show as it is stands there as JSON.
type entryForm struct {
	Name, Command, Dir, URL string
	Remote                  bool
	Args, Env, Headers      string
}

func (c *Console) entryForm(r *Request, name string) *entryForm {
	if r.PostForm.Has("remote") { // what was refused stays to be mended
		return &entryForm{name, r.PostForm.Get("command"), r.PostForm.Get("dir"), r.PostForm.Get("url"), r.PostForm.Get("remote") == "true",
			r.PostForm.Get("args"), r.PostForm.Get("env"), r.PostForm.Get("headers")}
	}
	s, _, _ := c.backend.Entry(name)
	return &entryForm{name, s.Command, s.Dir, s.URL, s.URL != "", strings.Join(shownLines(s.Args), "\n"), pairLines(s.Env, "="), pairLines(s.Headers, ": ")}
}

func pairLines(pairs map[string]string, between string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		lines = append(lines, name+between+shown(pairs[name]))
	}
	return strings.Join(lines, "\n")
}

func shownLines(values []string) (lines []string) {
	for _, value := range values {
		if value == "" {
			lines = append(lines, `""`) // else it would be no line
			continue
		}
		lines = append(lines, shown(value))
	}
	return lines
}

// shown is value as a line has it, and meant reads it back.
func shown(value string) string {
	if strings.ContainsAny(value, "\r\n") || strings.TrimSpace(value) != value || meant(value) != value {
		return asJSON(value)
	}
	return value
}

func meant(line string) string {
	var text string
	if line = strings.TrimSpace(line); strings.HasPrefix(line, `"`) && json.Unmarshal([]byte(line), &text) == nil {
		return text
	}
	return line
}

// saveServer changes an entry of mcp.json, and shows the server.
func (c *Console) saveServer(r *Request) (string, error) {
	name := r.URL.Query().Get("server")
	s, _, ok := c.backend.Entry(name)
	if !ok {
		return "", errors.New(r.Say("servers.gone"))
	}
	field := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	s.Command, s.Args, s.Dir, s.URL = field("command"), linesOf(r.PostForm.Get("args")), field("dir"), field("url")
	for i, line := range s.Args {
		s.Args[i] = meant(line)
	}
	var wrong error
	pairs := func(field, between string) map[string]string {
		all := map[string]string{}
		for _, line := range linesOf(r.PostForm.Get(field)) {
			name, value, ok := strings.Cut(line, between)
			if !ok {
				wrong = errors.New(r.Say("servers.edit.pair", line))
			}
			all[strings.TrimSpace(name)] = meant(value)
		}
		return all
	}
	s.Env, s.Headers = pairs("env", "="), pairs("headers", ":")
	if wrong != nil {
		return "", wrong
	}
	if err := c.backend.PutServer(r.Context(), s); err != nil {
		return "", err
	}
	r.PostForm = nil
	r.show("server", name)
	return r.Say("servers.did.save", name), nil
}

// linesOf are the lines that are not empty.
func linesOf(text string) []string {
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "" })
}

func (c *Console) removeServer(r *Request) (string, error) {
	name := r.URL.Query().Get("server")
	if err := c.backend.RemoveServer(r.Context(), name); err != nil {
		return "", err
	}
	r.show()
	return r.Say("servers.did.remove", name), nil
}

func (c *Console) setSecret(r *Request) (string, error) {
	name := r.PostFormValue("secret")
	return r.Say("servers.did.secret", name), c.backend.SetSecret(r.Context(), r.URL.Query().Get("server"), name, r.PostFormValue("value"))
}
