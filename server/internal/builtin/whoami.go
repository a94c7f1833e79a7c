package builtin

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// identitySchema is the schema of [Identity].
//
//go:embed whoami.json
var identitySchema []byte

// Identity is what whoami answers.
type Identity struct {
	User    Person   `json:"user"`
	Client  Program  `json:"client"`
	Session string   `json:"session"` // as the list of sessions shows it
	Scopes  []string `json:"scopes"`
}

// Person is the signed-in person, as the identity provider describes them.
type Person struct {
	Sub    string   `json:"sub"`
	Email  string   `json:"email"`
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
}

// Program is the client.
type Program struct {
	ID   string `json:"id"`   // its OAuth client id
	Name string `json:"name"` // which it gave itself
}

func whoami(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	c := oauth.CallerOf(ctx)
	if c == nil {
		return nil, errors.New("nobody is signed in")
	}
	id := Identity{
		User:    Person{Sub: c.User.Sub, Email: c.User.Email, Name: c.User.Name, Groups: present(c.Groups)},
		Client:  Program{ID: c.Client.ID, Name: c.Client.Name},
		Session: c.Session,
		Scopes:  present(c.Scopes),
	}
	return mcp.NewToolResultStructured(id, id.String()), nil
}

// String is the answer as a sentence, for clients that show only text.
func (id Identity) String() string {
	who := id.User.Email
	switch {
	case who == "":
		who = id.User.Sub
	case id.User.Name != "":
		who = id.User.Name + " <" + who + ">"
	}
	return fmt.Sprintf("Signed in as %s with %s.", who, id.Client.Name)
}

// present makes an absent list an empty one: JSON null is no array.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
