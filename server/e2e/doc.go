// Package e2e tests Drawbridge by its front door: a running server, real MCP
// clients, real OpenID providers and a browser. It holds tests only; nothing
// imports it. Start at README.md, then [StartApp] and [Browser].
package e2e
