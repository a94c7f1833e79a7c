package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func EchoCall(era, session string) (body, headers string) {
	if era == "2026-07-28" {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
			"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n"
	}
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}`,
		"MCP-Protocol-Version: " + era + "\r\nMcp-Session-Id: " + session + "\r\n"
}

// BareEnv tells the test binary to be the bare server.
const BareEnv = "DRAWBRIDGE_TEST_BARE"

// serveBare serves echo until standard input ends.
func serveBare() {
	s := server.NewMCPServer("bare", "1", server.WithToolCapabilities(true))
	s.AddTool(mcp.NewTool("echo", // as Drawbridge describes it
		mcp.WithDescription("Returns the message it is given. Use it to check that the connection to Drawbridge works."),
		mcp.WithString("message", mcp.Required(), mcp.Description("The text to return"))),
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			m, err := r.RequireString("message")
			if err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			return mcp.NewToolResultText("Echo: " + m), nil
		})
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.NewStreamableHTTPServer(s))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() { _ = http.Serve(listener, mux) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// StdioEnv tells the test binary to be a small MCP server on stdin and stdout,
// with as many tools as it says; the first is called echo.
const StdioEnv = "DRAWBRIDGE_TEST_STDIO"

// StdioSays is what the descriptions of its tools say besides.
const StdioSays = "DRAWBRIDGE_TEST_STDIO_SAYS"

// StdioGives is how many bytes its answers to calls are long.
const StdioGives = "DRAWBRIDGE_TEST_STDIO_GIVES"

func serveStdio(tools int) {
	var list []string
	for i := range tools {
		name := "echo"
		if i > 0 {
			name = fmt.Sprint("echo", i)
		}
		list = append(list, fmt.Sprintf(`{"name":%q,"description":"Returns its message`+os.Getenv(StdioSays)+`","inputSchema":{"type":"object","properties":{"message":{"type":"string"}}}}`, name))
	}
	answers := map[string]string{
		"initialize": `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"small","version":"1"}}`,
		"tools/list": `{"tools":[` + strings.Join(list, ",") + `]}`,
		"tools/call": `{"content":[{"type":"text","text":"Echo: hello"}]}`,
		"ping":       `{}`,
	}
	if n, err := strconv.Atoi(os.Getenv(StdioGives)); err == nil {
		answers["tools/call"] = `{"content":[{"type":"text","text":"` + strings.Repeat("x", n) + `"}]}`
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if json.Unmarshal(line, &m) != nil || m.ID == nil {
			continue
		}
		if result, ok := answers[m.Method]; ok {
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", m.ID, result)
		} else {
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`+"\n", m.ID)
		}
	}
}

// SmallServer is such a server in mcp.json.
func SmallServer(t testing.TB, tools int) MCPServer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return MCPServer{Command: self, Env: map[string]string{StdioEnv: strconv.Itoa(tools)}}
}
