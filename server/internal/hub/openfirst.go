package hub

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/drawbridge-app/drawbridge/server/internal/gateway"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
)

// anew is the requestState of a call that is to be made once more.
const anew = "anew"

// openFirst turns a server's "open this address first, then call again" (MCP
// 2025-11-25, URLElicitationRequiredError) into what 2026-07-28 has for that:
// a question, and a state to come back with.
func openFirst(c *gateway.Client, failure error) (rpc.Object, error) {
	var e *rpc.Error
	if !errors.As(failure, &e) || e.Code != codeURLRequired {
		return nil, failure
	}
	var places []json.RawMessage
	if json.Unmarshal(rpc.Get(e.Data, "elicitations"), &places) != nil || len(places) == 0 || len(places) > maxQuestions {
		return nil, failure
	}
	questions := object{}
	for i, raw := range places {
		place := fields(raw)
		if !has(place["url"]) {
			return nil, failure
		}
		message := place["message"]
		if !has(message) {
			message = rpc.Quote(e.Message)
		}
		params := encode(object{"mode": rpc.Quote("url"), "url": place["url"], "message": message})
		if needs, err := refused(c.Capabilities, "elicitation/create", params); err != nil {
			return nil, &rpc.Error{Code: rpc.CodeMissingCapability, Message: e.Message, Data: encode(object{"requiredCapabilities": needs})}
		}
		questions[fmt.Sprint("q", i+1)] = encode(object{"method": rpc.Quote("elicitation/create"), "params": params})
	}
	return inputRequired(questions, anew), nil
}

// signInFirst leads a person to where they sign in at a server: by their client, if
// it opens addresses (MCP 2025-11-25 and 2026-07-28, "URL Mode Elicitation"), else
// by a sentence.
func signInFirst(c *gateway.Client, method string, why error, needed *serverauth.Needed) (rpc.Object, error) {
	place := encode(object{"mode": rpc.Quote("url"), "elicitationId": rpc.Quote(needed.Asked), "url": rpc.Quote(needed.Link), "message": rpc.Quote(why.Error())})
	ask := &rpc.Error{Code: codeURLRequired, Message: why.Error(), Data: encode(object{"elicitations": json.RawMessage("[" + string(place) + "]")})}
	_, cannot := refused(c.Capabilities, "elicitation/create", place)
	switch text := why.Error() + " Open " + needed.Link + " in your browser, sign in, then try again."; {
	case cannot != nil && method == "tools/call":
		return failed(text), nil
	case cannot != nil:
		return nil, rpc.Errorf(rpc.CodeInternal, "%s", text)
	case c.Era == rpc.Modern:
		return openFirst(c, ask)
	}
	return nil, ask
}
