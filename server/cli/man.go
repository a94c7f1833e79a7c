package cli

import (
	"fmt"
	"strings"
)

// man prints the manual page, in the language of the person.
type man struct{}

func (man) Run(a *app) error {
	var page strings.Builder
	say := func(key string, args ...any) string { return roff(a.out.texts.Say(key, args...)) }
	item := func(font, name, help string) {
		fmt.Fprintf(&page, ".RS\n.TP\n.%s %s\n%s\n.RE\n", font, roff(name), roff(help))
	}
	section := func(key string) { fmt.Fprintf(&page, ".SH %s\n", say("man."+key)) }
	fmt.Fprintf(&page, ".TH DRAWBRIDGE 1 \"\" \"drawbridge %s\"\n", roff(a.version))
	section("name")
	fmt.Fprintf(&page, "drawbridge \\- %s\n", strings.TrimSuffix(roff(a.model.Help), "."))
	section("synopsis")
	fmt.Fprintf(&page, ".B drawbridge\n%s\n", roff(strings.TrimSpace(a.model.Summary())))
	section("commands")
	for _, c := range a.model.Leaves(true) {
		fmt.Fprintf(&page, ".TP\n.B %s\n%s\n", roff(c.Summary()), roff(c.Help))
		for _, p := range c.Positional {
			item("I", strings.ToUpper(p.Name), p.Help)
		}
		for _, row := range flagRows(c) {
			item("B", row[0], row[1])
		}
	}
	section("flags")
	for _, row := range flagRows(a.model) {
		item("B", row[0], row[1])
	}
	for _, key := range []string{"files", "exit"} {
		section(key)
		for line := range strings.Lines(a.out.texts.Say("man." + key + ".text")) {
			fmt.Fprintf(&page, ".PP\n%s\n", roff(strings.TrimSuffix(line, "\n")))
		}
	}
	return a.out.write(page.String())
}

// roff writes text so that troff takes none of it for a request (groff_man(7)).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
