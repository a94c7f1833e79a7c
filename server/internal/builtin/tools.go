package builtin

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// table is the tools. Arguments are checked against the input schema before a
// handler sees them: what is required is there, of its type and spelt so.
func table() []server.ServerTool {
	return []server.ServerTool{
		{Handler: echo, Tool: mcp.NewTool("echo", harmless("Echo"),
			mcp.WithDescription("Returns the message it is given. Use it to check that the connection to Drawbridge works."),
			mcp.WithString("message", mcp.Required(), mcp.Description("The text to return")))},
		{Handler: add, Tool: mcp.NewTool("add", harmless("Add"),
			mcp.WithDescription("Adds two integers and returns the exact sum."),
			mcp.WithInteger("a", mcp.Required(), mcp.Description("The first integer")),
			mcp.WithInteger("b", mcp.Required(), mcp.Description("The second integer")),
			mcp.WithRawOutputSchema(json.RawMessage(sumSchema)))},
		{Handler: whoami, Tool: mcp.NewTool("whoami", harmless("Who am I"),
			mcp.WithDescription("Says who is signed in, with which client, and what the session may do."),
			mcp.WithRawOutputSchema(identitySchema))},
	}
}

// harmless are the hints of a tool that changes nothing and reaches nothing
// outside.
func harmless(title string) mcp.ToolOption {
	yes, no := true, false
	return mcp.WithToolAnnotation(mcp.ToolAnnotation{Title: title, ReadOnlyHint: &yes, DestructiveHint: &no, IdempotentHint: &yes, OpenWorldHint: &no})
}

func echo(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	message, err := request.RequireString("message")
	if err != nil {
		return nil, err
	}
	return mcp.NewToolResultText("Echo: " + message), nil
}

const sumSchema = `{"type":"object","properties":{"sum":{"type":"integer","description":"The sum"}},"required":["sum"],"additionalProperties":false}`

// add reads the arguments as they were written: past 2^53 a float64 is another
// number.
func add(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	var numbers struct{ A, B json.RawMessage }
	if err := request.BindArguments(&numbers); err != nil {
		return nil, err
	}
	sum := new(big.Int)
	for _, number := range []json.RawMessage{numbers.A, numbers.B} {
		n, _ := new(big.Int).SetString(whole(number), 10)
		sum.Add(sum, n)
	}
	return mcp.NewToolResultStructured(map[string]any{"sum": sum}, sum.String()), nil
}

// identitySchema is what whoami answers.
//
//go:embed whoami.json
var identitySchema []byte

func whoami(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	c := oauth.CallerOf(ctx)
	if c == nil {
		return nil, errors.New("nobody is signed in")
	}
	type person struct {
		status.User
		Groups []string `json:"groups"`
	}
	answer := struct {
		User    person            `json:"user"`
		Client  map[string]string `json:"client"`
		Session string            `json:"session"` // as the list of sessions shows it
		Scopes  []string          `json:"scopes"`
		Through string            `json:"through"`
	}{person{c.User, present(c.Groups)}, map[string]string{"id": c.Client.ID, "name": c.Client.Name}, c.Session, present(c.Scopes), cmp.Or(c.Through, "browser")}
	who := cmp.Or(c.User.Email, c.User.Sub)
	if c.User.Email != "" && c.User.Name != "" {
		who = c.User.Name + " <" + c.User.Email + ">"
	}
	// The sentence is for clients that show only text.
	return mcp.NewToolResultStructured(answer, fmt.Sprintf("Signed in as %s with %s.", who, c.Client.Name)), nil
}

// present makes an absent list an empty one: JSON null is no array.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
