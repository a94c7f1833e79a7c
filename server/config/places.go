package config

import (
	"os"
	"path/filepath"
	"slices"
)

// Places is where other programs keep their files on this system.
type Places struct {
	Home   string // the person's home folder
	Config string // ~/.config, ~/Library/Application Support, %APPDATA%
	Folder string // the current one, for .vscode/mcp.json
}

// ThisComputer is the places of the person who runs Drawbridge.
func ThisComputer() Places {
	var p Places
	p.Home, _ = os.UserHomeDir()
	p.Config, _ = os.UserConfigDir()
	p.Folder, _ = os.Getwd()
	return p
}

// Sources are the programs whose servers can be imported by their name.
var Sources = []string{"claude", "claude-code", "cursor", "vscode", "windsurf", "gemini", "codex", "opencode", "zed"}

// files are the candidates of source, which need not exist; named is false for
// a file by its path, which must.
func (p Places) files(source string) (files []string, named bool) {
	if source != "" && !slices.Contains(Sources, source) {
		return []string{source}, false
	}
	add := func(program, base string, path ...string) {
		file := filepath.Join(append([]string{base}, path...)...)
		if (source == "" || source == program) && base != "" && !slices.Contains(files, file) { // the folder may be the home
			files = append(files, file)
		}
	}
	add("claude", p.Config, "Claude", "claude_desktop_config.json")
	add("claude-code", p.Home, ".claude.json")
	add("claude-code", p.Folder, ".mcp.json")
	add("cursor", p.Home, ".cursor", "mcp.json")
	add("cursor", p.Folder, ".cursor", "mcp.json")
	add("vscode", p.Config, "Code", "User", "mcp.json")
	add("vscode", p.Config, "Code", "User", "settings.json")
	add("vscode", p.Folder, ".vscode", "mcp.json")
	add("windsurf", p.Home, ".codeium", "windsurf", "mcp_config.json")
	add("gemini", p.Home, ".gemini", "settings.json")
	add("gemini", p.Folder, ".gemini", "settings.json")
	add("codex", p.Home, ".codex", "config.toml")
	for _, name := range []string{"opencode.json", "opencode.jsonc"} {
		add("opencode", p.Home, ".config", "opencode", name)
		add("opencode", p.Folder, name)
	}
	add("zed", p.Home, ".config", "zed", "settings.json")
	add("zed", p.Config, "Zed", "settings.json")
	return files, true
}
