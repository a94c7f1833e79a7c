package gateway

import (
	"encoding/json"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// wants reports whether the client asked for a notification on this stream.
func (c *call) wants(method string, params json.RawMessage) bool {
	switch {
	case method == "notifications/message":
		return c.wantsLog(rpc.Get(params, "level"))
	case method == "notifications/progress":
		return rpc.Given(rpc.Get(c.meta, "progressToken")) != nil
	case c.session == nil: // MCP 2026-07-28, "Receiving Messages": these have streams of their own
		return !strings.HasSuffix(method, "/list_changed") && method != "notifications/resources/updated"
	}
	return true
}

// levels are those of RFC 5424 that MCP uses, the least severe first.
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

func severity(level string) int {
	for i, l := range levels {
		if l == level {
			return i
		}
	}
	return -1
}

// wantsLog compares a message's level with the one asked for. Who never asked
// gets everything in a transport session ("the server MAY decide", MCP
// 2025-11-25, "Logging"), and nothing since 2026-07-28 ("MUST NOT").
func (c *call) wantsLog(level json.RawMessage) bool {
	asked := c.LogLevel()
	if asked == "" {
		return c.session != nil
	}
	said, _ := rpc.String(level)
	return severity(said) >= severity(asked)
}
