package console

import "github.com/drawbridge-app/drawbridge/server/status"

// approvals are the calls that wait for a click.
func (c *Console) approvals() *Page {
	return &Page{
		Name:  "approvals",
		Draw:  func(*Request) any { return c.backend.Approvals() },
		Parts: []string{"approvals-list"},
		Actions: map[string]Action{
			"answer": c.answer,
		},
	}
}

func (c *Console) answer(r *Request) (string, error) {
	id, allow := r.PostFormValue("id"), r.PostFormValue("answer") == "allow"
	for _, a := range c.backend.Approvals() {
		if a.ID != id {
			continue
		}
		return r.Say(answerText(allow), approvalTool(a)), c.backend.Answer(r.Context(), id, allow)
	}
	return r.Say("approvals.gone"), nil
}

func answerText(allow bool) string {
	if allow {
		return "approvals.did.allow"
	}
	return "approvals.did.deny"
}

func approvalTool(a status.Approval) string {
	if a.Server == "" {
		return a.Tool
	}
	return a.Server + ": " + a.Tool
}
