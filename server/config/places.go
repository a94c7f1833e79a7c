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
var Sources = []string{"claude", "cursor", "vscode"}

// files are the candidates of source, which need not exist; named is false for
// a file by its path, which must.
func (p Places) files(source string) (files []string, named bool) {
	if source != "" && !slices.Contains(Sources, source) {
		return []string{source}, false
	}
	add := func(program, base string, path ...string) {
		if (source == "" || source == program) && base != "" {
			files = append(files, filepath.Join(append([]string{base}, path...)...))
		}
	}
	add("claude", p.Config, "Claude", "claude_desktop_config.json")
	add("cursor", p.Home, ".cursor", "mcp.json")
	add("vscode", p.Config, "Code", "User", "mcp.json")
	add("vscode", p.Config, "Code", "User", "settings.json")
	add("vscode", p.Folder, ".vscode", "mcp.json")
	return files, true
}
