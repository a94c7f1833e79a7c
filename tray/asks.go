package tray

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/assets"
	"github.com/drawbridge-app/drawbridge/server/status"
)

const (
	// maxAsked is how many calls may wait so that each has a note of its own,
	// askBurst how many such notes a minute brings. Beyond either, one note
	// stands for the rest: a client may ask as often as it likes.
	maxAsked = 3
	askBurst = 6
	askPause = time.Minute
	// askAgain is when to look again for the calls that had no note.
	askAgain = 5 * time.Second

	// manyName is the name of the note that stands for many; no call's ID.
	manyName = "many"

	// What a note shows of a call's arguments. A desktop cuts off more.
	maxArgumentLines = 8
	maxArguments     = 360 // characters
)

// approvalsPage is where the owner answers in the console.
const approvalsPage = "/approvals"

// asker decides which of the calls that wait for the owner's word get a note,
// and which notes are of no more use.
type asker struct {
	texts  *assets.Texts
	told   map[string]bool // the notes that are out: IDs of calls, or manyName
	times  []time.Time     // of the notes of the last minute, oldest first
	manyAt time.Time       // when many was last told
}

// look returns the notes that the calls of now give rise to, and after what
// time to look again though nothing changes; 0 for no need.
func (a *asker) look(waiting []status.Approval, now time.Time) (notes []note, again time.Duration) {
	for len(a.times) > 0 && now.Sub(a.times[0]) >= askPause {
		a.times = a.times[1:]
	}
	for _, c := range waiting {
		switch {
		case a.told[c.ID]:
		case len(waiting) <= maxAsked && len(a.times) < askBurst:
			notes = append(notes, asking(a.texts, c))
			a.told[c.ID], a.times = true, append(a.times, now)
		case again == 0:
			again = askAgain
		}
	}
	if again > 0 && !a.told[manyName] && now.Sub(a.manyAt) >= askPause {
		notes = append(notes, note{Title: a.texts.Say("tray.ask.many"), Body: a.texts.Say("tray.ask.many.body"),
			Urgent: true, Page: approvalsPage, Name: manyName, Otherwise: a.texts.Say("tray.ask.otherwise")})
		a.told[manyName], a.manyAt = true, now
	}
	return notes, again
}

// gone returns the notes to withdraw: those of calls that wait no longer, and
// that of many when each call has its own.
func (a *asker) gone(waiting []status.Approval) (names []string) {
	wait := map[string]bool{}
	for _, c := range waiting {
		wait[c.ID] = true
		wait[manyName] = wait[manyName] || !a.told[c.ID]
	}
	for name := range a.told {
		if !wait[name] {
			names = append(names, name)
		}
	}
	return names
}

// forget is told of a note that was withdrawn.
func (a *asker) forget(name string) { delete(a.told, name) }

// asking is the note of one call. Allow stands on it only if it shows all that
// would be allowed: what is cut off may be what matters.
func asking(t *assets.Texts, c status.Approval) note {
	user := field(c.User, 60)
	if user == "" {
		user = t.Say("tray.somebody")
	}
	arguments, whole := excerpt(c.Arguments)
	if arguments == "" {
		arguments = t.Say("tray.ask.none")
	}
	n := note{Title: t.Say("tray.ask"), Urgent: true, Page: approvalsPage, Name: c.ID, Otherwise: t.Say("tray.ask.otherwise")}
	n.Body = t.Say("tray.ask.body", user, clientName(t, c.Client), field(c.Server, 64), field(c.Tool, 128)) + "\n" + arguments
	first := button{t.Say("tray.ask.allow"), action{kind: allowCall, id: c.ID}}
	if !whole || utf8.RuneCountInString(c.Tool) > 128 {
		n.Body += "\n" + t.Say("tray.ask.cut")
		first = button{t.Say("tray.ask.read"), action{kind: openConsole, page: approvalsPage}}
	}
	n.Buttons = []button{first, {t.Say("tray.ask.refuse"), action{kind: refuseCall, id: c.ID}}}
	return n
}

// excerpt is the beginning of indented JSON, and whether that is all of it. A
// gap that would push the rest out of sight counts as a cut.
func excerpt(arguments string) (text string, whole bool) {
	const gap = "        "
	arguments = strings.TrimSpace(arguments)
	if arguments == "" || arguments == "{}" {
		return "", true
	}
	whole = true
	var lines []string
	left := maxArguments
	for line := range strings.SplitSeq(arguments, "\n") {
		line = status.Spell(line)
		if len(lines) == maxArgumentLines || left <= 0 {
			return strings.Join(lines, "\n"), false
		}
		if before, _, ok := strings.Cut(strings.TrimLeft(line, " "), gap); ok {
			line, whole = before+" …", false
		}
		if utf8.RuneCountInString(line) > left {
			line, whole = status.Clean(line, left), false
		}
		left -= utf8.RuneCountInString(line)
		lines = append(lines, line)
		if !whole {
			break
		}
	}
	return strings.Join(lines, "\n"), whole
}
