package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// man prints the manual page, in the language of the person.
type man struct{}

func (man) Run(a *app) error {
	var page strings.Builder
	say := func(key string, args ...any) string { return roff(a.out.texts.Say(key, args...)) }
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
			fmt.Fprintf(&page, ".RS\n.TP\n.I %s\n%s\n.RE\n", roff(strings.ToUpper(p.Name)), roff(p.Help))
		}
		manFlags(&page, c.Flags)
	}
	section("flags")
	manFlags(&page, a.model.Flags)
	for _, key := range []string{"files", "exit"} {
		section(key)
		for line := range strings.Lines(a.out.texts.Say("man." + key + ".text")) {
			fmt.Fprintf(&page, ".PP\n%s\n", roff(strings.TrimSuffix(line, "\n")))
		}
	}
	return a.out.write(page.String())
}

func manFlags(page *strings.Builder, flags []*kong.Flag) {
	for _, f := range flags {
		fmt.Fprintf(page, ".RS\n.TP\n.B %s\n%s\n.RE\n", roff(flagName(f)), roff(f.Help))
	}
}

// roff writes text so that troff takes none of it for a request (groff_man(7)).
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
