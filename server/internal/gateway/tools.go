package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"runtime/debug"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
)

// Tools says which built-in tools are on.
type Tools struct {
	Echo, Add, Whoami bool
}

// AllTools is every built-in tool.
var AllTools = Tools{Echo: true, Add: true, Whoami: true}

func (t Tools) list() []server.ServerTool {
	var list []server.ServerTool
	if t.Echo {
		list = append(list, server.ServerTool{Handler: echo, Tool: mcp.NewTool("echo",
			mcp.WithDescription("Returns the message it is given. Use it to check that the connection to Drawbridge works."),
			mcp.WithString("message", mcp.Required(), mcp.Description("The text to return")),
			annotations("Echo"))})
	}
	if t.Add {
		list = append(list, server.ServerTool{Handler: add, Tool: mcp.NewTool("add",
			mcp.WithDescription("Adds two integers and returns the exact sum."),
			mcp.WithInteger("a", mcp.Required(), mcp.Description("The first integer")),
			mcp.WithInteger("b", mcp.Required(), mcp.Description("The second integer")),
			annotations("Add"))})
	}
	if t.Whoami {
		list = append(list, server.ServerTool{Handler: whoami, Tool: mcp.NewTool("whoami",
			mcp.WithDescription("Says who is signed in, with which client, and what the session may do."),
			mcp.WithOutputSchema[Identity](),
			annotations("Who am I"))})
	}
	for i := range list {
		list[i].Tool = withRawSchema(list[i].Tool)
	}
	return list
}

// withRawSchema writes the input schema once. mcp-go reads it at each call of
// 2026-07-28, to look for x-mcp-header, and would write it out anew each time.
func withRawSchema(t mcp.Tool) mcp.Tool {
	raw, err := json.Marshal(t.InputSchema)
	if err != nil {
		return t
	}
	t.InputSchema, t.RawInputSchema = mcp.ToolInputSchema{}, raw
	return t
}

// annotations tells clients that a tool changes nothing and reaches nothing
// outside.
func annotations(title string) mcp.ToolOption {
	yes, no := true, false
	return mcp.WithToolAnnotation(mcp.ToolAnnotation{
		Title: title, ReadOnlyHint: &yes, DestructiveHint: &no, IdempotentHint: &yes, OpenWorldHint: &no,
	})
}

// Wrong arguments are a result with isError, not a protocol error, so that the
// model reads what was wrong and tries again (MCP 2025-11-25 and later, "Tools",
// "Error Handling").

func echo(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	message, ok := r.GetArguments()["message"].(string)
	if !ok {
		return mcp.NewToolResultError("message is required and must be a string"), nil
	}
	return mcp.NewToolResultText("Echo: " + message), nil
}

func add(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	// The raw arguments: decoded into float64 they would be wrong from 2^53 on.
	var args struct{ A, B json.RawMessage }
	if err := json.Unmarshal(r.Params.RawArguments, &args); err != nil {
		return mcp.NewToolResultError("a and b are required and must be integers"), nil
	}
	a, err := integer("a", args.A)
	if err != nil {
		return mcp.NewToolResultError(err.Error()), nil
	}
	b, err := integer("b", args.B)
	if err != nil {
		return mcp.NewToolResultError(err.Error()), nil
	}
	return mcp.NewToolResultText(a.Add(a, b).String()), nil
}

// maxDigits bounds the work of one addition. mcp-go takes no number beyond
// float64's range, which ends at 308 digits.
const maxDigits = 300

// integer reads a JSON number without a fraction. "2.0" is one (JSON Schema
// 2020-12 §6.1.1); an exponent is not taken, because a few bytes of it can ask
// for gigabytes.
func integer(name string, raw json.RawMessage) (*big.Int, error) {
	digits := string(raw)
	if whole, fraction, ok := strings.Cut(digits, "."); ok && strings.Trim(fraction, "0") == "" {
		digits = whole
	}
	if len(digits) > maxDigits {
		return nil, fmt.Errorf("%s has more than %d digits", name, maxDigits)
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil, fmt.Errorf("%s is required and must be an integer written in digits", name)
	}
	return n, nil
}

// observe stands around every tool: it reports the call and turns a panic into
// an error, whose cause is for the log only.
func (g *Gateway) observe(next server.ToolHandlerFunc) server.ToolHandlerFunc {
	return func(ctx context.Context, r mcp.CallToolRequest) (result *mcp.CallToolResult, err error) {
		defer func() {
			if p := recover(); p != nil {
				g.opts.Log.Error("tool panicked", "tool", r.Params.Name, "cause", p, "stack", string(debug.Stack()))
				result, err = nil, errPanicked
			}
			outcome := err
			if err == nil && result != nil && result.IsError {
				outcome = errToolFailed
			}
			g.opts.OnCall(oauth.CallerOf(ctx), r.Params.Name, outcome)
		}()
		return next(ctx, r)
	}
}

var (
	errPanicked   = errors.New("the tool failed inside Drawbridge; its log says more")
	errToolFailed = errors.New("the tool answered with an error")
)
