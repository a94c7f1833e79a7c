package console

import (
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// approvals are the calls that wait for a click.
func (c *Console) approvals() *Page {
	return &Page{
		Name:    "approvals",
		Draw:    func(r *Request) any { return c.approvalRows(r) },
		Parts:   []string{"approvals-list"},
		Actions: map[string]Action{"answer": c.answer},
	}
}

// approvalRow is a call that waits, or has until a moment ago: then its row
// stays, so that no other one's buttons come under the pointer.
type approvalRow struct {
	status.Approval
	Gone bool
	Args folded
	Seen string // goes with Allow: the page held all of the arguments
}

func (c *Console) approvalRows(r *Request) []approvalRow {
	var rows []approvalRow
	add := func(list []status.Approval, gone bool) {
		for _, a := range list {
			rows = append(rows, approvalRow{a, gone, fold(a.Arguments, r.Query("open") == a.ID), key(a.Arguments)})
		}
	}
	add(c.backend.Approvals(), false)
	add(c.backend.Gone(), true)
	slices.SortStableFunc(rows, func(a, b approvalRow) int { return a.Time.Compare(b.Time) })
	return rows
}

// answer allows nothing that was not on the page to its end.
func (c *Console) answer(r *Request) (string, error) {
	id, answer := r.PostFormValue("id"), r.PostFormValue("answer")
	for _, a := range c.backend.Approvals() {
		if a.ID != id {
			continue
		}
		if answer != "deny" && !fold(a.Arguments, false).Whole && r.PostFormValue("seen") != key(a.Arguments) {
			return "", errors.New(r.Say("approvals.unread"))
		}
		tool := strings.TrimPrefix(a.Server+": "+a.Tool, ": ")
		switch answer {
		case "allow":
			return r.Say("approvals.did.allow", tool), c.backend.Answer(r.Context(), id, true)
		case "tool":
			return r.Say("approvals.did.tool", tool), c.backend.AllowTool(r.Context(), id)
		}
		return r.Say("approvals.did.deny", tool), c.backend.Answer(r.Context(), id, false)
	}
	return r.Say("approvals.gone"), nil
}

// folded is a text as far as a page shows it at first.
type folded struct {
	Text  string
	More  int // lines that are not shown
	Whole bool
}

// What is not folded, and what is left of a text that is.
const (
	shortLines, shortText   = 40, 3000
	foldedLines, foldedText = 12, 1000
)

// fold shortens a text that is long, unless it is opened.
func fold(text string, open bool) folded {
	lines := strings.Split(text, "\n")
	if open || len(lines) <= shortLines && len(text) <= shortText {
		return folded{Text: text, Whole: true}
	}
	shown := min(len(lines), foldedLines)
	head := strings.Join(lines[:shown], "\n")
	if len(head) > foldedText {
		head = strings.ToValidUTF8(head[:foldedText], "")
		shown = strings.Count(head, "\n") // the last of them is not whole
	}
	return folded{Text: head, More: len(lines) - shown}
}
