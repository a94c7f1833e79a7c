package mount

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/mend"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// maxMessage bounds one message of a server, in bytes: a line, an SSE event, a
// JSON body.
const maxMessage = 16 << 20

// message is a JSON-RPC 2.0 message as a server sent it. Params and Result are
// its very bytes.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`

	members rpc.Object // of Result
	nulls   bool       // somewhere in it is one
}

var errNoMessage = errors.New("this is no JSON-RPC message")

// parse reads a message, or a batch of them (MCP 2025-03-26).
func parse(data []byte) ([]message, error) {
	data = bytes.TrimSpace(data)
	parts := []json.RawMessage{data}
	if len(data) > 0 && data[0] == '[' {
		if parts = nil; json.Unmarshal(data, &parts) != nil || len(parts) == 0 {
			return nil, errNoMessage
		}
	}
	found := make([]message, len(parts))
	for i, part := range parts {
		if !found[i].read(part) {
			return nil, errNoMessage
		}
	}
	return found, nil
}

// read takes the parts of a message in one walk and without a copy: a result may
// be long.
func (m *message) read(data json.RawMessage) (ok bool) {
	named := true
	members, result, nulls, valid := rpc.Read(data, "result")
	m.members, m.nulls = result, nulls
	for _, one := range members {
		switch string(one.Name) {
		case "id":
			m.ID = rpc.Given(one.Value)
		case "method":
			m.Method, named = rpc.String(one.Value)
			named = named || rpc.Given(one.Value) == nil
		case "params":
			m.Params = one.Value
		case "result":
			m.Result = one.Value
		case "error":
			m.Error = rpc.Given(one.Value)
		}
	}
	// An error without an id answers a request that the server could not read.
	return valid && named && (m.Method != "" || m.Error != nil || m.ID != nil && m.Result != nil)
}

func (m *message) isAnswer() bool  { return m.Method == "" }
func (m *message) isRequest() bool { return m.Method != "" && m.ID != nil }

// numberOf reads one of our numbers: the id of a request, a progress token. Some
// servers send back "1" or 1.0 for 1.
func numberOf(raw json.RawMessage) (int64, bool) {
	text := string(raw)
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil && quoted != "" {
		text = quoted
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return 0, false // else forms that JSON has not
	}
	f, err := strconv.ParseFloat(text, 64)
	const safe = 1 << 53 // beyond it a float is no one number
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= safe {
		return 0, false
	}
	return int64(f), true
}

func (m *message) number() (int64, bool) { return numberOf(m.ID) }

// outcome is what an answer to a request of that method says.
func (m *message) outcome(method string) (rpc.Object, error) {
	if m.Error == nil && m.nulls { // which few have
		return rpc.ObjectOf(mend.Result(method, m.Result)), nil
	}
	if m.Error == nil {
		return m.members, nil
	}
	var e rpc.Error
	if json.Unmarshal(m.Error, &e) != nil {
		return nil, rpc.Errorf(rpc.CodeInternal, "The server answered with an error that it did not explain.")
	}
	return nil, &e
}

// encode writes v without the escapes for HTML that json.Marshal adds.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return json.RawMessage("null") // only unmarshalable types, of which there are none here
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

type outgoing struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpc.Error      `json:"error,omitempty"`
}

func (o outgoing) encode() []byte {
	o.Version = "2.0"
	return encode(o)
}
