// Drawbridge lets a person's AI client use the tools on their own computer,
// from anywhere, without opening that computer to the world.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server"
	"github.com/drawbridge-app/drawbridge/server/cli"
)

// versionLinked is set by -ldflags "-X main.versionLinked=v1.2.3" in releases.
var versionLinked string

func main() {
	keystore.ChildMain()
	server.ChildMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := cli.Run(ctx, os.Args[1:], versionLinked, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
