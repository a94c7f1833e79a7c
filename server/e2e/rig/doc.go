// Package rig is what the tests of server/e2e stand on: a Drawbridge in this
// process or as the real program, a browser, OpenID providers, real clients,
// ngrok's stand-in and MCP servers. It is test code and no part of the product:
// tests alone import it, and nothing of it is built into drawbridge. Start at
// [StartApp], [StartBinary] and [Browser]; every package of tests calls [Main].
package rig
