package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// message is one JSON-RPC message of a client, its parts as they stood there,
// on one line.
type message struct {
	id     json.RawMessage // a string or a number; nil: none
	method string          // "": a response
	params json.RawMessage // an object; nil: none
	meta   json.RawMessage // params._meta, an object; nil: none
	result json.RawMessage // of a response
	err    json.RawMessage // of a response
}

func (m *message) isRequest() bool { return m.id != nil && m.method != "" }

const (
	// maxDepth is how deep a message may nest: what every decoder behind reads
	// (System.Text.Json: 64), since each level costs it a stack frame.
	maxDepth = 64

	// maxMembers is how many members a message, its params and its _meta may
	// have. No revision defines more than a dozen.
	maxMembers = 64
)

var (
	notJSON   = refusalf(http.StatusBadRequest, rpc.CodeParse, "The message is not JSON.")
	tooDeep   = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "The message nests too deeply.")
	doubtful  = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "The message, its params or its _meta have a member twice, or too many of them.")
	badID     = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "The id of a request must be a string or a number.")
	not2      = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, `The message is no JSON-RPC message: "jsonrpc" must be "2.0".`)
	noMethod  = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "The message is neither a request, nor a notification, nor a response.")
	noParams  = refusalf(http.StatusBadRequest, rpc.CodeInvalidParams, "The params of a message, and the _meta in them, must be objects.")
	noBatches = refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "JSON-RPC batches are of protocol version 2025-03-26 alone: send one message a request.")
)

// parse reads a message. Members that are null count as if they were left out:
// serializers of Java, Kotlin and C# write them, and no method of MCP has a
// parameter that may be null. Of a refused one the id is set if it could be read.
func parse(body []byte) (m message, f *refusal) {
	if rpc.Depth(body) > maxDepth {
		return m, tooDeep
	}
	if !rpc.Valid(body) || !utf8.Valid(body) { // RFC 8259 §8.1
		return m, notJSON
	}
	body = rpc.OneLine(body)
	var version, method json.RawMessage
	for name, value := range rpc.Members(body) {
		switch string(name) {
		case "jsonrpc":
			version = value
		case "id":
			m.id = value
		case "method":
			method = value
		case "params":
			m.params = value
		case "result":
			m.result = value
		case "error":
			m.err = value
		}
	}
	method, m.params = rpc.Given(method), rpc.Given(m.params)
	if name, _ := rpc.String(method); strings.HasPrefix(name, "notifications/") {
		m.id = rpc.Given(m.id)
	}
	if m.id != nil && m.id[0] != '"' && m.id[0] != '-' && (m.id[0] < '0' || m.id[0] > '9') {
		m.id = nil
		return m, badID
	}
	if !distinct(body) {
		return m, doubtful
	}
	if v, _ := rpc.String(version); v != "2.0" {
		return m, not2
	}
	if m.method, _ = rpc.String(method); m.method == "" {
		if method != nil || m.id == nil || (m.result == nil && m.err == nil) {
			return m, noMethod
		}
		if m.result != nil {
			m.err = rpc.Given(m.err)
		}
		return m, nil
	}
	return m, m.parseParams()
}

func (m *message) parseParams() *refusal {
	if m.params == nil {
		return nil
	}
	if !rpc.IsObject(m.params) {
		return noParams
	}
	if !distinct(m.params) {
		return doubtful
	}
	m.params = rpc.DropNulls(m.params)
	if m.meta = rpc.Get(m.params, "_meta"); m.meta == nil {
		return nil
	}
	if !rpc.IsObject(m.meta) {
		return noParams
	}
	if !distinct(m.meta) {
		return doubtful
	}
	return nil
}

// distinct reports whether no two members of an object share a name, letter
// case aside. Decoders differ in which of two they take, and Go's takes "Name"
// for name: what is checked here must be what the server behind sees.
func distinct(object json.RawMessage) bool {
	var seen [maxMembers][]byte
	n := 0
	for name := range rpc.Members(object) {
		for _, other := range seen[:n] {
			if bytes.EqualFold(other, name) {
				return false
			}
		}
		if n == len(seen) {
			return false
		}
		seen[n] = name
		n++
	}
	return true
}
