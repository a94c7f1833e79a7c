package timeline

import "strings"

// programs are the clients that are told in their own words what to do, by a
// part of the name or agent that they give. The first that fits counts.
var programs = []struct{ part, name string }{
	{"claude code", "claude-code"}, {"claude-code", "claude-code"}, {"codex", "codex"}, {"gemini", "gemini"}, {"opencode", "opencode"},
	{"cursor", "cursor"}, {"visual studio code", "vscode"}, {"vscode", "vscode"}, {"chatgpt", "chatgpt"}, {"openai", "codex"}, {"claude", "claude"},
}

// program is which of them an attempt is of, "" if none.
func (a *attempt) program() string {
	for _, text := range []string{a.client, a.agent} {
		text = strings.ToLower(text)
		for _, p := range programs {
			if strings.Contains(text, p.part) {
				return p.name
			}
		}
	}
	return ""
}
