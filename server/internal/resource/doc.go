// Package resource guards the MCP paths: it decides which requests may come in
// at all (Host, Origin), which access token opens a path (RFC 6750), and tells
// a client without one where to get it (RFC 9728).
//
// It never issues a token, never reads a body, and trusts no X-Forwarded-*
// header. Start at [Guard]; [Boundary] stands in front of the whole public
// listener.
package resource
