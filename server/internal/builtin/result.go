package builtin

import (
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
)

// encode writes a result as JSON. One text alone is what most tools answer, and
// is written without the detour through a map that mcp-go makes.
func encode(r *mcp.CallToolResult) (json.RawMessage, error) {
	text, ok := onlyText(r)
	if !ok {
		return json.Marshal(r)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(quoted)+64)
	b = append(append(b, `{"content":[{"type":"text","text":`...), quoted...)
	b = append(b, `}]`...)
	if r.IsError {
		b = append(b, `,"isError":true`...)
	}
	return append(b, '}'), nil
}

func onlyText(r *mcp.CallToolResult) (string, bool) {
	if len(r.Content) != 1 || r.Meta != nil || r.StructuredContent != nil || r.RawStructuredContent != nil || r.ResultType != "" {
		return "", false
	}
	c, ok := r.Content[0].(mcp.TextContent)
	return c.Text, ok && c.Meta == nil && c.Annotations == nil
}
