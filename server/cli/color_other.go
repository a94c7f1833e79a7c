//go:build !windows

package cli

import "os"

// takesColor reports whether the terminal acts on colours: all do.
func takesColor(*os.File) bool { return true }
