package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

const (
	// maxBody is how much of a message is read, in bytes. A tool's arguments
	// may hold a file; a message this long is already unusual.
	maxBody = 4 << 20

	// maxDepth is how deep a message may nest. Arguments of tools stay far
	// below, and each level costs every decoder a stack frame.
	maxDepth = 128
)

// readBody reads a message whole, or says why not.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // don't read the rest to keep the connection
		return nil, tooLarge
	}
	var body []byte
	var err error
	if r.ContentLength >= 0 { // net/http gives no more than that
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, codeInvalid, "The request ended early."}
	}
	return body, nil
}

var (
	tooLarge = &refusal{http.StatusRequestEntityTooLarge, codeInvalid, "The message is larger than 4 MiB."}
	tooDeep  = &refusal{http.StatusBadRequest, codeInvalid, "The message nests too deeply."}

	// MCP 2025-03-26 had servers accept batches; 2025-06-18 took them out
	// again. No client we know sends one, and a batch would evade the limits
	// and headers that each message is checked against.
	noBatches = &refusal{http.StatusBadRequest, codeInvalid, "JSON-RPC batches are not supported: send one message a request."}
)

// inspect looks at a message's outline without decoding it: a batch or too
// deep a nesting is refused, all else is left to the decoder.
func inspect(body []byte) *refusal {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '[', '{':
			if depth == 0 && c == '[' {
				return noBatches
			}
			if depth++; depth > maxDepth {
				return tooDeep
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}

// idOf returns the id of a message as it stands there, or nil.
func idOf(body []byte) json.RawMessage {
	var message struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(body, &message) != nil || string(message.ID) == "null" {
		return nil
	}
	return message.ID
}
