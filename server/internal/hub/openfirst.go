package hub

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// anew is what the requestState of a call holds that is to be made once more.
const anew = "anew"

// resumes reports whether a request goes on with a parked call. One that is
// to be made anew doesn't: it is a call like any other.
func (h *Hub) resumes(c gateway.Client, m mounted, method, target string, params object) bool {
	if c.Era() != rpc.Modern || m.cat.Speaks(c.Era()) != rpc.Legacy || !has(params["requestState"]) {
		return false
	}
	state, _ := params.text("requestState")
	if _, err := h.seal.open(state, anew, c.Caller().Session, m.server, method, target); err != nil {
		return true
	}
	delete(params, "requestState")
	delete(params, "inputResponses")
	return false
}

// openFirst turns a server's "open this address first, then call again" (MCP
// 2025-11-25, URLElicitationRequiredError) into what 2026-07-28 has for that:
// a question, and a state to come back with.
func (h *Hub) openFirst(c gateway.Client, m mounted, method, target string, failure error) (json.RawMessage, error) {
	var e *rpc.Error
	if !errors.As(failure, &e) || e.Code != codeURLRequired {
		return nil, failure
	}
	data, _ := fields(e.Data)
	var places []json.RawMessage
	if json.Unmarshal(data["elicitations"], &places) != nil || len(places) == 0 || len(places) > maxQuestions {
		return nil, failure
	}
	questions := object{}
	for i, raw := range places {
		place, err := fields(raw)
		if err != nil || !has(place["url"]) {
			return nil, failure
		}
		params := encode(object{"mode": quote("url"), "url": place["url"], "message": orText(place["message"], e.Message)})
		if needs, ok := capable(c.Capabilities(), "elicitation/create", params); !ok {
			return nil, &rpc.Error{Code: rpc.CodeMissingCapability, Message: e.Message, Data: encode(object{"requiredCapabilities": needs})}
		}
		questions[fmt.Sprint("q", i+1)] = encode(object{"method": quote("elicitation/create"), "params": params})
	}
	return encode(object{"resultType": quote("input_required"), "inputRequests": encode(questions),
		"requestState": quote(h.seal.seal(nil, anew, c.Caller().Session, m.server, method, target))}), nil
}

func orText(raw json.RawMessage, text string) json.RawMessage {
	if has(raw) {
		return raw
	}
	return quote(text)
}
