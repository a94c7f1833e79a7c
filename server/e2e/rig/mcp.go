package rig

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The protocol revisions that the tests' own MCP client speaks: the last with
// sessions and the first without.
const (
	LegacyVersion = "2025-11-25"
	ModernVersion = "2026-07-28"
)

// PlainHTTP is how programs, not browsers, reach Drawbridge.
var PlainHTTP = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
}

// MCP is a minimal MCP client over Streamable HTTP. It lets a test say exactly
// what goes over the wire, which the real clients don't.
type MCP struct {
	T       testing.TB
	URL     string
	Token   string // access token; "" sends none
	Session string // Mcp-Session-Id, once initialized
	Modern  bool   // speak 2026-07-28, without a session
	ID      int

	Capabilities map[string]any // that it declares; nil: none
}

// RPC is the answer to one JSON-RPC request.
type RPC struct {
	*Reply
	Result  json.RawMessage
	Code    int // of the JSON-RPC error, 0 if there was none
	Message string
}

// MCP returns a client of /mcp with an access token. It speaks the revision
// with sessions and initializes itself at the first call.
func (app *App) MCP(t testing.TB, accessToken string) *MCP {
	return &MCP{T: t, URL: app.MCPURL, Token: accessToken}
}

// CallTool calls a tool and returns its first text. The test fails if the call
// does.
func (m *MCP) CallTool(name string, args map[string]any) string {
	m.T.Helper()
	r := m.TryTool(name, args)
	var result struct {
		Content []struct{ Text string }
		IsError bool
	}
	if r.Status != http.StatusOK || r.Code != 0 || json.Unmarshal(r.Result, &result) != nil || result.IsError || len(result.Content) == 0 {
		m.T.Fatalf("%s answered %d, code %d: %s", name, r.Status, r.Code, Clip(r.Body))
	}
	return result.Content[0].Text
}

// TryTool calls a tool and returns whatever came.
func (m *MCP) TryTool(name string, args map[string]any) *RPC {
	m.T.Helper()
	return m.Call("tools/call", map[string]any{"name": name, "arguments": args})
}

// Call makes one JSON-RPC request, after initialize if that is still to do. If
// initialize itself is refused, its answer is returned.
func (m *MCP) Call(method string, params map[string]any) *RPC {
	m.T.Helper()
	if m.Modern {
		params["_meta"] = map[string]any{
			"io.modelcontextprotocol/protocolVersion":    ModernVersion,
			"io.modelcontextprotocol/clientCapabilities": m.declared(),
			"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "e2e", "version": "1"},
		}
		name, _ := params["name"].(string)
		if name == "" {
			name, _ = params["uri"].(string)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(name) != name {
			name = "=?base64?" + base64.StdEncoding.EncodeToString([]byte(name)) + "?="
		}
		return m.post(method, params, "MCP-Protocol-Version", ModernVersion, "Mcp-Method", method, "Mcp-Name", name)
	}
	if m.Session == "" {
		if r := m.Initialize(); r.Status != http.StatusOK || r.Code != 0 {
			return r
		}
	}
	return m.post(method, params)
}

func (m *MCP) declared() map[string]any {
	if m.Capabilities == nil {
		return map[string]any{}
	}
	return m.Capabilities
}

// Initialize opens a transport session (2025-11-25).
func (m *MCP) Initialize() *RPC {
	m.T.Helper()
	r := m.post("initialize", map[string]any{
		"protocolVersion": LegacyVersion, "capabilities": m.declared(),
		"clientInfo": map[string]any{"name": "e2e", "version": "1"},
	})
	m.Session = r.Header.Get("Mcp-Session-Id")
	if r.Status == http.StatusOK {
		m.Post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	}
	return r
}

func (m *MCP) post(method string, params map[string]any, headers ...string) *RPC {
	m.T.Helper()
	m.ID++
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": m.ID, "method": method, "params": params})
	if err != nil {
		m.T.Fatal(err)
	}
	reply := m.Post(string(body), headers...)
	return &RPC{Reply: reply, Result: parseRPC(reply).Result, Code: parseRPC(reply).Error.Code, Message: parseRPC(reply).Error.Message}
}

// Post sends body as it is, with more headers as pairs of name and value.
func (m *MCP) Post(body string, headers ...string) *Reply {
	m.T.Helper()
	req := m.Request(http.MethodPost, strings.NewReader(body), headers...)
	resp, err := PlainHTTP.Do(req)
	if err != nil {
		m.T.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		m.T.Fatal(err)
	}
	return &Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(data)}
}

// Request builds a request as this client would send it. An empty value takes
// a header out.
func (m *MCP) Request(method string, body io.Reader, headers ...string) *http.Request {
	m.T.Helper()
	req, err := http.NewRequestWithContext(m.T.Context(), method, m.URL, body)
	if err != nil {
		m.T.Fatal(err)
	}
	defaults := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream"}
	if m.Token != "" {
		defaults = append(defaults, "Authorization", "Bearer "+m.Token)
	}
	if m.Session != "" {
		defaults = append(defaults, "Mcp-Session-Id", m.Session, "MCP-Protocol-Version", LegacyVersion)
	}
	headers = append(defaults, headers...)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req
}

// Stream opens the session's stream of notifications (GET). The channel closes
// when the server ends the stream, whether by its end or by a reset.
func (m *MCP) Stream() (ended <-chan struct{}) {
	m.T.Helper()
	if m.Session == "" {
		m.Initialize()
	}
	resp, err := (&http.Client{Transport: PlainHTTP.Transport}).Do(m.Request(http.MethodGet, nil, "Accept", "text/event-stream"))
	if err != nil {
		m.T.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		m.T.Fatalf("the stream answered %d", resp.StatusCode)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return done
}

type rpcAnswer struct {
	Result json.RawMessage
	Error  struct {
		Code    int
		Message string
	}
}

// parseRPC reads the answer from a JSON body or from the last event with a
// result or an error of an event stream.
func parseRPC(r *Reply) (answer rpcAnswer) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
		_ = json.Unmarshal([]byte(r.Body), &answer)
		return answer
	}
	lines := bufio.NewScanner(bytes.NewReader([]byte(r.Body)))
	lines.Buffer(nil, 32<<20)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
			var a rpcAnswer
			if json.Unmarshal([]byte(data), &a) == nil && (a.Result != nil || a.Error.Code != 0) {
				answer = a
			}
		}
	}
	return answer
}

// Decode reads the result into v; the test fails if there is none.
func (r *RPC) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.Result, v); err != nil {
		t.Fatalf("status %d, code %d: %s", r.Status, r.Code, Clip(r.Body))
	}
}

// Listing is the names of a list, of all its pages.
func (m *MCP) Listing(t testing.TB, method string) []string {
	t.Helper()
	var names []string
	for params := map[string]any{}; ; {
		var page struct {
			Tools, Prompts, Resources, ResourceTemplates []struct{ Name, URI, URITemplate string }
			NextCursor                                   string
		}
		m.Call(method, params).Decode(t, &page)
		for _, it := range slices.Concat(page.Tools, page.Prompts) {
			names = append(names, it.Name)
		}
		for _, it := range slices.Concat(page.Resources, page.ResourceTemplates) {
			names = append(names, it.URI+it.URITemplate)
		}
		if page.NextCursor == "" {
			return names
		}
		params = map[string]any{"cursor": page.NextCursor}
	}
}

// MCPAt returns a client of another MCP path than /mcp.
func (app *App) MCPAt(t testing.TB, access, path string) *MCP {
	return &MCP{T: t, URL: app.URL + path, Token: access}
}
