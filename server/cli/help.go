package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/drawbridge-app/drawbridge/assets"
)

// helpCommand stands in the table alone: [Run] makes --help of it.
type helpCommand struct {
	Command []string `arg:"" optional:""`
}

func (helpCommand) Run() error { return nil }

// describe gives each command, argument and flag its text from the catalogue:
// that of its own, else the one of all flags of its name.
func describe(n *kong.Node, texts *assets.Texts) {
	path := "help." + strings.ReplaceAll(n.Path(), " ", ".")
	if n.Parent == nil {
		path = "help.drawbridge"
	}
	n.Help = texts.Say(path)
	of := func(name string) string {
		if key := path + "." + name; texts.Has(key) {
			return texts.Say(key)
		}
		return texts.Say("help.flag." + name)
	}
	for _, f := range n.Flags {
		f.Help = of(f.Name)
	}
	for _, p := range n.Positional {
		p.Help = of(p.Name)
	}
	for _, c := range n.Children {
		describe(c, texts)
	}
}

// help prints what a command is for, and what it takes.
func (a *app) help(chosen *kong.Context) error {
	root, n := chosen.Model.Node, cmp.Or(chosen.Selected(), chosen.Model.Node)
	s := a.out
	say := func(key string, args ...any) { _ = s.print(s.texts.Say(key, args...)) }
	say("help.usage", strings.Join(strings.Fields("drawbridge "+n.Summary()), " "))
	_ = s.print("")
	_ = s.print(n.Help)
	section := func(key string, rows [][2]string) {
		if len(rows) == 0 {
			return
		}
		_ = s.print("")
		_ = s.line(cell{s.texts.Say("help.head." + key), heading})
		t := table{wrap: true, most: 1000}
		for _, row := range rows {
			t.addTexts("  "+row[0], row[1])
		}
		_ = s.table(t)
	}
	var args, commands [][2]string
	for _, p := range n.Positional {
		args = append(args, [2]string{strings.ToUpper(p.Name), p.Help})
	}
	section("arguments", args)
	for i, c := range n.Children {
		commands = append(commands, [2]string{c.Name, c.Help})
		if i == len(n.Children)-1 || groupOf(n.Children[i+1]) != groupOf(c) {
			section(cmp.Or(groupOf(c), "commands"), commands)
			commands = nil
		}
	}
	if n != root {
		section("flags", flagRows(asTyped(n)))
	}
	section("common", flagRows(root))
	if n == root {
		_ = s.print("")
		say("help.more")
	}
	return nil
}

func groupOf(n *kong.Node) string {
	if n.Group == nil {
		return ""
	}
	return n.Group.Key
}

func flagRows(n *kong.Node) (rows [][2]string) {
	for _, f := range n.Flags {
		rows = append(rows, [2]string{flagName(f), f.Help})
	}
	return rows
}

// flagName is a flag as it is typed.
func flagName(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() {
		name += " " + f.FormatPlaceHolder()
	}
	return name
}

// flagsOf are the flags that may be typed behind a command.
func flagsOf(n *kong.Node) []*kong.Flag { return slices.Concat(asTyped(n).AllFlags(true)...) }

// asTyped is the command that n is without one of its own behind it.
func asTyped(n *kong.Node) *kong.Node {
	if n.DefaultCmd != nil && n.Parent != nil {
		return n.DefaultCmd
	}
	return n
}
