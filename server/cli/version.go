package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCommand struct{}

func (versionCommand) Run(a *app) error { return a.out.print(a.versionLine()) }

// versionLine is the same in every language: bug reports quote it.
func (a *app) versionLine() string {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok { // what the Go tool recorded
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.time":
				revision += " of " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				revision += " (modified)"
			}
		}
	}
	return fmt.Sprintf("drawbridge %s, commit %s, %s", a.version, revision, runtime.Version())
}

// versionOf is the version that a release was linked with, else the module's.
func versionOf(linked string) string {
	if linked != "" {
		return linked
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
