package servers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// foldingEnv tells the test binary to be a server written in Go: "mcp-go", or
// "json" for one on nothing but encoding/json. Both do what reading.mjs does.
const foldingEnv, foldingFolder = "DRAWBRIDGE_TEST_FOLDING", "DRAWBRIDGE_TEST_FOLDER"

func serveFolding(kind string) {
	if kind == "mcp-go" {
		serveMCPGo()
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct {
				Name, URI string
				Arguments struct{ Path string }
				Ref       struct{ Type, Name, URI string }
				Argument  struct{ Name, Value string }
			}
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.ID == nil {
			continue
		}
		result := "{}"
		switch p := m.Params; m.Method {
		case "initialize":
			result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"resources":{"subscribe":true},"prompts":{},"completions":{}},"serverInfo":{"name":"json","version":"1"}}`
		case "tools/list":
			result = `{"tools":[{"name":"write","inputSchema":{"type":"object"}}]}`
		case "prompts/list":
			result = `{"prompts":[{"name":"hello"}]}`
		case "resources/list":
			result = `{"resources":[]}`
		case "resources/templates/list":
			result = `{"resourceTemplates":[{"name":"files","uriTemplate":"file:///X/public/{+path}"}]}`
		case "tools/call":
			note(p.Arguments.Path)
			result = `{"content":[{"type":"text","text":"written"}]}`
		case "resources/read":
			text, _ := json.Marshal(readURI(p.URI))
			result = fmt.Sprintf(`{"contents":[{"uri":%q,"text":%s}]}`, p.URI, text)
		case "resources/subscribe":
			note("subscribed to " + p.URI)
		case "completion/complete":
			note("completed " + p.Ref.Type + p.Ref.URI + p.Argument.Value)
			result = `{"completion":{"values":["a.txt"]}}`
		}
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", m.ID, result)
	}
}

func serveMCPGo() {
	s := server.NewMCPServer("mcp-go", "1", server.WithResourceCapabilities(true, false), server.WithPromptCapabilities(false))
	s.AddTool(mcp.NewTool("write"), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		note(r.GetString("path", ""))
		return mcp.NewToolResultText("written"), nil
	})
	s.AddPrompt(mcp.NewPrompt("hello"), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{}, nil
	})
	s.AddResourceTemplate(mcp.NewResourceTemplate("file:///X/public/{+path}", "files"), func(_ context.Context, r mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: r.Params.URI, Text: readURI(r.Params.URI)}}, nil
	})
	_ = server.ServeStdio(s)
}

func readURI(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "not a URI"
	}
	text, _ := os.ReadFile(filepath.Join(os.Getenv(foldingFolder), u.Path))
	return string(text)
}

func note(what string) {
	f, err := os.OpenFile(filepath.Join(os.Getenv(foldingFolder), "written"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintln(f, what)
		f.Close()
	}
}
