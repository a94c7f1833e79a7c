package builtin

import (
	"context"
	"encoding/json"
	"math/big"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
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
