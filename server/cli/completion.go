package cli

import (
	"embed"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/drawbridge-app/drawbridge/server/control"
)

// The scripts ask this program what could come next, so that they know no
// command themselves.
//
//go:embed shells
var shells embed.FS

// completion prints the script of a shell; with words behind it, those that
// could come next.
type completion struct {
	Shell string   `arg:"" enum:"bash,zsh,fish,powershell"`
	Words []string `arg:"" optional:"" passthrough:"" hidden:""`
}

func (c completion) Run(a *app) error {
	if len(c.Words) == 0 {
		script, _ := shells.ReadFile("shells/" + c.Shell) // kong knows no other
		return a.out.write(string(script))
	}
	words := c.Words
	if words[0] == "--" {
		words = words[1:]
	}
	for _, next := range a.next(words) {
		word, separator := next[0], "\t"
		if c.Shell == "zsh" {
			word, separator = strings.ReplaceAll(word, ":", `\:`), ":"
		}
		_ = a.out.write(strings.TrimSuffix(word+separator+next[1], separator) + "\n")
	}
	return a.out.err
}

// next is what could stand in the place of the last of words, each with what it
// is. It is empty where a file or a text of the person's own comes.
func (a *app) next(words []string) (all [][2]string) {
	word := strings.TrimPrefix(words[len(words)-1], "=") // PowerShell passes no empty word
	add := func(next, about string) {
		if next != "" && strings.HasPrefix(next, word) {
			all = append(all, [2]string{next, about})
		}
	}
	n, values := a.model, 0
	for i, w := range words[:len(words)-1] {
		if flag := takesValue(n, w); flag != nil {
			if i == len(words)-2 {
				for _, value := range flag.EnumSlice() {
					add(value, "")
				}
				return all
			}
		} else if !strings.HasPrefix(w, "-") && (i == 0 || takesValue(n, words[i-1]) == nil) {
			if child := slices.IndexFunc(n.Children, func(c *kong.Node) bool { return c.Name == w }); child >= 0 {
				n = n.Children[child]
			} else {
				values++
			}
		}
	}
	if strings.HasPrefix(word, "-") {
		for _, f := range flagsOf(n) {
			add("--"+f.Name, f.Help)
		}
		return all
	}
	for _, c := range n.Children {
		add(c.Name, c.Help)
	}
	if values >= len(n.Positional) {
		return all
	}
	for _, value := range n.Positional[values].EnumSlice() {
		add(value, "")
	}
	switch path := strings.TrimPrefix(n.Path(), a.model.Name+" "); path {
	case "help":
		for _, c := range a.model.Children {
			add(c.Name, c.Help)
		}
	default:
		a.nextOfRunning(path, add)
	}
	return all
}

// nextOfRunning adds what the running instance knows.
func (a *app) nextOfRunning(command string, add func(next, about string)) {
	switch command {
	case "logs", "server remove", "server sign-in", "server sign-out":
		st, _ := ask(a, (*control.Client).Status)
		for _, server := range st.Servers {
			add(server.Name, server.State)
		}
	case "client rotate", "client delete":
		list, _ := ask(a, (*control.Client).Clients)
		for _, c := range list {
			if c.Known {
				add(c.ID, c.Name)
			}
		}
	case "sessions unblock":
		list, _ := ask(a, (*control.Client).Blocked)
		for _, b := range list {
			add(b.ID, join(b.User.Email, b.Client))
		}
	case "revoke":
		list, _ := ask(a, (*control.Client).Sessions)
		for _, session := range list {
			add(session.ID, join(session.User.Email, session.Client.Name, session.Label))
		}
	}
}

// takesValue is the flag that word is, if its value comes behind it.
func takesValue(n *kong.Node, word string) *kong.Flag {
	for _, f := range flagsOf(n) {
		if !f.IsBool() && (word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short)) {
			return f
		}
	}
	return nil
}
