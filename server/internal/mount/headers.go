package mount

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// paramHeader is an argument of a tool that travels in a header, too (MCP
// 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").
type paramHeader struct {
	path []string // of property names
	name string   // of the header
}

// schema is what matters here of an input schema.
type schema struct {
	Type       json.RawMessage            `json:"type"`
	Header     json.RawMessage            `json:"x-mcp-header"`
	Properties map[string]json.RawMessage `json:"properties"`
}

// headerName is a token (RFC 9110 §5.6.2).
var headerName = regexp.MustCompile("^[\\w!#$%&'*+.^`|~-]+$")

// maxDepth bounds how deep a schema is followed.
const maxDepth = 32

// checkHeaders takes out the tools whose annotations are wrong, as a client of
// Streamable HTTP must, and returns those of the others.
func (s *server) checkHeaders(c *Catalog) map[string][]paramHeader {
	if !s.http || c.Era != rpc.Modern {
		return nil
	}
	headers := make(map[string][]paramHeader)
	c.Tools = slices.DeleteFunc(c.Tools, func(tool Item) bool {
		found, err := annotated(rpc.Get(tool.Raw, "inputSchema"), nil, make(map[string]bool))
		if err != nil {
			s.log.say("Its tool %q was left out: %v.", tool.Name, err)
			return true
		}
		if len(found) > 0 {
			headers[tool.Name] = found
		}
		return false
	})
	return headers
}

// annotated returns the annotations that are reached by properties alone.
func annotated(raw json.RawMessage, path []string, seen map[string]bool) ([]paramHeader, error) {
	var s schema
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &s) != nil || len(path) > maxDepth {
		return nil, nil
	}
	var found []paramHeader
	if s.Header != nil {
		name, _ := rpc.String(s.Header)
		lower := strings.ToLower(name)
		switch {
		case !headerName.MatchString(name):
			return nil, errors.New("an x-mcp-header is no header name")
		case seen[lower]:
			return nil, errors.New("two x-mcp-header are the same")
		case len(path) == 0 || !isPrimitive(s.Type):
			return nil, errors.New("an x-mcp-header is not at a string, an integer or a boolean")
		}
		seen[lower] = true
		found = append(found, paramHeader{slices.Clone(path), "Mcp-Param-" + name})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		below, err := annotated(s.Properties[name], append(path, name), seen)
		if err != nil {
			return nil, err
		}
		found = append(found, below...)
	}
	return found, nil
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
	name, _ := rpc.String(rpc.Get(params, "name"))
	s.mu.Lock()
	wanted := s.headers[name]
	s.mu.Unlock()
	h := make(http.Header)
	for _, one := range wanted {
		value := rpc.Get(params, "arguments")
		for _, name := range one.path {
			value = rpc.Get(value, name)
		}
		if text, ok := headerText(value); ok {
			h.Set(one.name, headerValue(text))
		}
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
