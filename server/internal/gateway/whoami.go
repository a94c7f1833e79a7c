package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Identity is what whoami answers.
type Identity struct {
	User    Person   `json:"user" jsonschema:"The signed-in person, as the identity provider describes them"`
	Client  Program  `json:"client" jsonschema:"The program that acts for them"`
	Session string   `json:"session" jsonschema:"The id of this session, as the list of sessions shows it"`
	Scopes  []string `json:"scopes" jsonschema:"What the session may do"`
}

// Person is the signed-in person.
type Person struct {
	Sub    string   `json:"sub" jsonschema:"The provider's identifier of the person"`
	Email  string   `json:"email" jsonschema:"The person's e-mail address, or an empty string"`
	Name   string   `json:"name" jsonschema:"The person's name, or an empty string"`
	Groups []string `json:"groups" jsonschema:"The groups the provider puts the person in"`
}

// Program is the client.
type Program struct {
	ID   string `json:"id" jsonschema:"The client's OAuth client id"`
	Name string `json:"name" jsonschema:"The name the client gave itself"`
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
