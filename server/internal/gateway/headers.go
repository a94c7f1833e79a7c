package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// checkHeaders compares the headers that repeat a request's body with the
// body (MCP 2026-07-28, "Server Validation"): something between the client and
// us may have decided by them. Revisions with sessions don't have them, but one
// that is there must say the same.
func (c *call) checkHeaders(h http.Header) *refusal {
	if method, ok := one(h, methodHeader); c.needs(h, methodHeader) && (!ok || method != c.method) {
		return mismatch("Mcp-Method must be sent once, and be the request's method") // TR-17
	}
	source := "name"
	switch c.method {
	case "resources/read":
		source = "uri"
	case "tools/call", "prompts/get":
	default:
		return nil
	}
	said, sent := one(h, nameHeader)
	said, ok := headerValue(said)
	name, isString := rpc.String(rpc.Get(c.params, source))
	if c.needs(h, nameHeader) && (!sent || !ok || !isString || said != name) {
		return mismatch("Mcp-Name must be sent once, and be the request's " + source)
	}
	return nil
}

func (c *call) needs(h http.Header, name string) bool { return c.version == modern || len(h[name]) > 0 }

func mismatch(what string) *refusal {
	return refusalf(http.StatusBadRequest, rpc.CodeHeaderMismatch, "Header mismatch: %s.", what)
}

// headerValue decodes a header value ("Value Encoding"); false if it has
// characters that none may have, or is no base64 though it says so.
func headerValue(v string) (string, bool) {
	for _, c := range []byte(v) {
		if (c < ' ' && c != '\t') || c > '~' {
			return "", false
		}
	}
	coded, ok := strings.CutPrefix(v, "=?base64?")
	if !ok || !strings.HasSuffix(coded, "?=") {
		return v, true
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(coded, "?="))
	return string(text), err == nil
}

// checkParams compares the Mcp-Param-* headers that a tool's schema asks for
// with the arguments ("Custom Headers from Tool Parameters"). It walks the schema
// along properties, which is the only way to an annotation that counts, and
// reports whether there is one.
func checkParams(h http.Header, schema, arguments json.RawMessage) (annotated bool, f *refusal) {
	if !bytes.Contains(schema, []byte("x-mcp-header")) {
		return false, nil
	}
	header, _ := rpc.String(rpc.Get(schema, "x-mcp-header"))
	annotated = header != ""
	if annotated && !matches(h[textproto.CanonicalMIMEHeaderKey("Mcp-Param-"+header)], arguments) {
		return true, mismatch("Mcp-Param-" + status.Clean(header, 64) + " must be sent exactly if the call has that argument, and be its value") // TR-18
	}
	for key, inner := range rpc.Members(rpc.Get(schema, "properties")) {
		name := string(key)
		below, f := checkParams(h, inner, rpc.Get(arguments, name))
		if f == nil && below && hasSibling(arguments, name) {
			f = mismatch("an argument that a header repeats must be sent under its own name only")
		}
		if f != nil {
			return true, f
		}
		annotated = annotated || below
	}
	return annotated, nil
}

// hasSibling reports whether an object has a member that is not name, and that
// decoders which fold the case of letters, such as Go's, take for it.
func hasSibling(object json.RawMessage, name string) bool {
	for other := range rpc.Members(object) {
		if string(other) != name && strings.EqualFold(string(other), name) {
			return true
		}
	}
	return false
}

// maxSafe is the largest integer of JavaScript, to which integers in headers
// are limited.
const maxSafe = 1<<53 - 1

// matches compares a header with an argument.
func matches(said []string, value json.RawMessage) bool {
	if value == nil || string(value) == "null" {
		return len(said) == 0
	}
	if len(said) != 1 {
		return false
	}
	text, ok := headerValue(said[0])
	if !ok {
		return false
	}
	switch string(value) {
	case "true", "false":
		return text == string(value)
	}
	if s, ok := rpc.String(value); ok {
		return text == s
	}
	want, err := strconv.ParseFloat(string(value), 64)
	got, err2 := strconv.ParseFloat(text, 64)
	return err == nil && err2 == nil && want == got && want == math.Trunc(want) && math.Abs(want) <= maxSafe
}
