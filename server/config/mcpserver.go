package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// The keys of a server that are read. Programs call the URL by several names.
var serverNames = []string{"type", "transport", "command", "args", "env", "cwd", "url", "serverUrl", "httpUrl", "headers", "disabled", "enabled"}

// otherNames are what people and other programs call our keys, too far off to
// be a slip of the hand.
var otherNames = map[string]string{"cmd": "command", "executable": "command", "program": "command", "arguments": "args", "argv": "args",
	"environment": "env", "variables": "env", "workdir": "cwd", "workingDirectory": "cwd", "working_directory": "cwd", "directory": "cwd",
	"endpoint": "url", "baseUrl": "url", "address": "url", "authorization": "headers", "Authorization": "headers"}

// server reads one member of mcpServers.
func (r *serverReader) server(m member) Server {
	s := Server{Name: m.name}
	o := &serverObject{serverReader: r, name: m.name, node: m.value}
	if says := checkName(m.name); says != "" && !r.foreign {
		r.fail(m.at, m.name, "the server %s: %s", code(m.name), says)
	}
	if m.value.kind != jsonObject {
		r.fail(m.value.start, m.name, `the server %s must be an object: {"command": …} or {"url": …}`, code(m.name))
		return s
	}
	o.slips()
	s.Command, s.Args, s.Dir = o.text("command"), o.texts("args"), o.text("cwd")
	s.Env, s.Headers = o.pairs("env"), o.pairs("headers")
	s.URL = o.url()
	s.Off = o.yes("disabled", false) || !o.yes("enabled", true)
	s.SSE = o.transport(s)
	o.placeholders(s)
	return s
}

// serverObject reads the members of one server. Each method says what is wrong
// and returns what comes nearest to nothing.
type serverObject struct {
	*serverReader
	name string
	node *node
}

// bad refuses a key's value.
func (o *serverObject) bad(at int, key, says string) {
	o.fail(at, o.name+"."+key, "%s of the server %s %s", code(key), code(o.name), says)
}

// slips refuses keys that come twice or look like a misspelt one of ours.
func (o *serverObject) slips() {
	o.unique(o.node, o.name, " in the server "+code(o.name))
	for _, m := range o.node.members {
		if slices.Contains(serverNames, m.name) || slices.Contains(remarks, m.name) {
			continue
		}
		key := o.name + "." + m.name
		switch near := Nearest(m.name, serverNames); {
		case m.name == "envFile" && o.foreign:
			o.fail(m.at, key, "its variables stand in a file of their own (`envFile`), which is not read here")
		case m.name == "envFile":
			o.bad(m.at, m.name, "is not read here: put the variables into `env`, and secrets into the keychain with `drawbridge secret set`")
		case otherNames[m.name] != "":
			o.fail(m.at, key, "unknown key %s in the server %s%s", code(m.name), code(o.name), suggest(otherNames[m.name]))
		case near != "":
			o.fail(m.at, key, "unknown key %s in the server %s%s", code(m.name), code(o.name), suggest(near))
		}
	}
}

func (o *serverObject) text(key string) string {
	v := o.node.member(key)
	switch {
	case v == nil, v.kind == jsonNull:
		return ""
	case v.kind != jsonString:
		o.bad(v.start, key, "must be a text in quotes")
	case key != "cwd" && strings.TrimSpace(v.text) == "":
		o.bad(v.start, key, "is empty")
	case strings.ContainsRune(v.text, 0):
		o.bad(v.start, key, "holds a zero character")
	default:
		return v.text
	}
	return ""
}

func (o *serverObject) texts(key string) []string {
	v := o.node.member(key)
	if v == nil || v.kind == jsonNull {
		return nil
	}
	var all []string
	const says = `must be a list of texts in quotes, such as ["--verbose", "/home/ana"]`
	if v.kind != jsonList {
		o.bad(v.start, key, says)
	}
	for _, item := range v.items {
		if item.kind != jsonString && item.kind != jsonNumber || strings.ContainsRune(item.text, 0) {
			o.bad(item.start, key, says)
			return nil
		}
		all = append(all, item.text)
	}
	return all
}

func (o *serverObject) yes(key string, usual bool) bool {
	v := o.node.member(key)
	switch {
	case v == nil:
		return usual
	case v.kind != jsonTrue && v.kind != jsonFalse:
		o.bad(v.start, key, "must be true or false, without quotes")
		return usual
	}
	return v.kind == jsonTrue
}

// pairs reads variables or headers.
func (o *serverObject) pairs(key string) map[string]string {
	v := o.node.member(key)
	if v == nil || v.kind == jsonNull {
		return nil
	}
	if v.kind != jsonObject {
		o.bad(v.start, key, `must be an object of texts: {"NAME": "value"}`)
		return nil
	}
	o.unique(v, o.name+"."+key, " in "+code(key)+" of the server "+code(o.name))
	all := map[string]string{}
	for _, m := range v.members {
		where := code(m.name) + " in `" + key + "` of the server " + code(o.name)
		at, says := m.value.start, ""
		switch {
		case key == "env" && (m.name == "" || strings.ContainsAny(m.name, "=\x00")):
			at, says = m.at, "is no name of a variable"
		case key == "headers" && !httpguts.ValidHeaderFieldName(m.name):
			at, says = m.at, "is no name of a header"
		case m.value.kind != jsonString && m.value.kind != jsonNumber:
			says = "must be a text in quotes"
		case strings.ContainsRune(m.value.text, 0), key == "headers" && strings.ContainsAny(m.value.text, "\r\n"):
			says = "holds a character that can't be sent"
		}
		if says != "" {
			o.fail(at, o.name+"."+key+"."+m.name, "%s %s", where, says)
		}
		all[m.name] = m.value.text
	}
	return all
}

// urlNames in the order in which they are believed.
var urlNames = []string{"url", "serverUrl", "httpUrl"}

func (o *serverObject) url() string {
	found, name := "", ""
	for _, key := range urlNames {
		v := o.text(key)
		if v == "" {
			continue
		}
		at := o.node.member(key).start
		if found != "" && v != found {
			o.bad(at, key, "differs from "+code(name)+": keep one of them")
		}
		if says := checkServerURL(v); says != "" && !hasUses(v) { // else once it is filled in
			o.bad(at, key, says)
		}
		found, name = v, key
	}
	return found
}

// checkServerURL takes where a server may be. Servers on this machine and in
// the house speak http.
func checkServerURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", strings.ContainsFunc(s, notVisible):
		return "must be a whole URL with http or https, such as \"http://127.0.0.1:3000/mcp\""
	case u.User != nil:
		return "holds a user or password: put it into `headers` as Authorization, with ${keychain:NAME} for the secret"
	case strings.Contains(s, "#"):
		return "must have no # in it"
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "has a port above 65535, which is the last there is"
		}
	}
	return ""
}

// transport checks that the server is reached in one way, and that it is one
// that Drawbridge speaks. sse is the one of MCP 2024-11-05.
func (o *serverObject) transport(s Server) (sse bool) {
	for _, key := range []string{"type", "transport"} {
		kind := o.text(key)
		if kind == "" {
			continue
		}
		at := o.node.member(key).start
		switch strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(kind)) {
		case "stdio", "local":
			if s.URL != "" && s.Command == "" {
				o.bad(at, key, `says "stdio", and the server has a URL: write "http"`)
			}
		case "http", "streamablehttp", "remote", "sse":
			if s.URL == "" && s.Command != "" {
				o.bad(at, key, `says "http", and the server has a command: write "stdio", or give its `+"`url`")
			}
			sse = sse || strings.EqualFold(kind, "sse")
		default:
			o.bad(at, key, `must be "stdio", "http" or "sse"`)
		}
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return o.node.member(k) != nil })
	}
	switch command, url := has("command"), has(urlNames...); {
	case command && url:
		o.fail(o.node.start, o.name, "the server %s has both a `command` and a URL: keep one of them", code(o.name))
	case !command && !url:
		o.fail(o.node.start, o.name, "the server %s has neither a `command` to run nor a `url`", code(o.name))
	case command && len(s.Headers) > 0:
		o.bad(o.node.member("headers").start, "headers", "go to a server with a URL only: give a command its settings in `env`")
	case url && (len(s.Args) > 0 || len(s.Env) > 0 || s.Dir != ""):
		o.fail(o.node.start, o.name, "the server %s has a URL, so nothing is run: `args`, `env` and `cwd` have no use there, take them out", code(o.name))
	}
	return sse
}
