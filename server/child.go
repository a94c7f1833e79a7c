package server

import "github.com/drawbridge-app/drawbridge/server/internal/mount/process"

// ChildMain must be called first in main. It returns at once, unless this
// process is one that keeps a mounted server: then it does that, and exits.
func ChildMain() { process.KeeperMain() }
