package console

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// access is who may sign in, who may use what, and what that means for a person.
func (c *Console) access() *Page {
	return &Page{
		Name:    "access",
		Draw:    func(r *Request) any { return c.accessOf(r) },
		Actions: map[string]Action{"save": c.saveForm, "look": c.look},
	}
}

type accessData struct {
	People *configForm
	Rules  []*configForm // and a new one, the last
	Look   *looked
}

// looked is what a person may use.
type looked struct {
	Email, Groups string
	Entries       []status.Entry
}

func (c *Console) accessOf(r *Request) accessData {
	names := []string{"people"}
	for i := range len(c.backend.Config().Access.Rules) + 1 {
		names = append(names, fmt.Sprint("rule-", i))
	}
	forms := c.formsOf(r, names...)
	found, _ := r.Result.(*looked)
	return accessData{forms[0], forms[1:], found}
}

// look finds out what a person would see. It is an action, so that the address
// names nobody.
func (c *Console) look(r *Request) (string, error) {
	found := &looked{Email: r.Query("email"), Groups: r.Query("groups")}
	var groups []string
	for group := range strings.SplitSeq(found.Groups, ",") {
		if group = strings.TrimSpace(group); group != "" {
			groups = append(groups, group)
		}
	}
	var err error
	if found.Entries, err = c.backend.Access(r.Context(), strings.TrimSpace(found.Email), groups); err != nil {
		return "", err
	}
	slices.SortStableFunc(found.Entries, func(x, y status.Entry) int { return strings.Compare(x.Server, y.Server) })
	r.Result = found
	return "", nil // the page says it beside the form
}
