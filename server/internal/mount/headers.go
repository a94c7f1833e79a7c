package mount

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// headerName is a token (RFC 9110 §5.6.2).
var headerName = regexp.MustCompile("^[\\w!#$%&'*+.^`|~-]+$")

// maxDepth bounds how deep a schema is followed.
const maxDepth = 32

// checkHeaders takes out the tools whose annotations are wrong, as a client of
// Streamable HTTP must.
func (s *server) checkHeaders(c *Catalog) {
	if !s.http || c.Era != rpc.Modern {
		return
	}
	c.Tools = slices.DeleteFunc(c.Tools, func(tool Item) bool {
		err := annotated(make(http.Header), rpc.Get(tool.Raw, "inputSchema"), nil, 0)
		if err != nil {
			s.log.say("Its tool %q was left out: %v.", tool.Name, err)
		}
		return err != nil
	})
}

// annotated sets the headers in which arguments of a tool travel, too (MCP
// 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters"): those of
// the annotations of schema that are reached by properties alone. One without a
// value is there and empty.
func annotated(h http.Header, schema, value json.RawMessage, depth int) error {
	if depth > maxDepth {
		return nil
	}
	if annotation := rpc.Get(schema, "x-mcp-header"); annotation != nil {
		name, _ := rpc.String(annotation)
		header := http.CanonicalHeaderKey("Mcp-Param-" + name)
		_, twice := h[header]
		switch {
		case !headerName.MatchString(name):
			return errors.New("an x-mcp-header is no header name")
		case twice:
			return errors.New("two x-mcp-header are the same")
		case depth == 0 || !isPrimitive(rpc.Get(schema, "type")):
			return errors.New("an x-mcp-header is not at a string, an integer or a boolean")
		}
		h[header] = nil
		if text, ok := headerText(value); ok {
			h.Set(header, headerValue(text))
		}
	}
	for name, below := range rpc.Members(rpc.Get(schema, "properties")) {
		if err := annotated(h, below, rpc.Get(value, string(name)), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func isPrimitive(raw json.RawMessage) bool {
	var types []string
	var one string
	if json.Unmarshal(raw, &one) == nil {
		types = []string{one}
	} else if json.Unmarshal(raw, &types) != nil {
		return false
	}
	return len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool {
		return t != "string" && t != "integer" && t != "boolean"
	})
}

// paramHeaders returns the headers of a tools/call.
func (s *server) paramHeaders(params json.RawMessage) http.Header {
	h := make(http.Header)
	name, _ := rpc.String(rpc.Get(params, "name"))
	s.mu.Lock()
	catalog := s.catalog
	s.mu.Unlock()
	if catalog == nil {
		return h
	}
	if i := slices.IndexFunc(catalog.Tools, func(tool Item) bool { return tool.Name == name }); i >= 0 {
		_ = annotated(h, rpc.Get(catalog.Tools[i].Raw, "inputSchema"), rpc.Get(params, "arguments"), 0) // it was checked when it was listed
	}
	return h
}

// headerText is a string, an integer or a boolean as text.
func headerText(raw json.RawMessage) (string, bool) {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		const safe = 1<<53 - 1
		if v == math.Trunc(v) && math.Abs(v) <= safe {
			return strconv.FormatInt(int64(v), 10), true
		}
	}
	return "", false
}

// headerValue makes text fit for a header ("Value Encoding").
func headerValue(text string) string {
	const prefix, suffix = "=?base64?", "?="
	plain := strings.Trim(text, " \t") == text && !(strings.HasPrefix(text, prefix) && strings.HasSuffix(text, suffix))
	for i := 0; i < len(text) && plain; i++ {
		plain = text[i] == '\t' || text[i] >= 0x20 && text[i] <= 0x7e
	}
	if plain {
		return text
	}
	return prefix + base64.StdEncoding.EncodeToString([]byte(text)) + suffix
}
