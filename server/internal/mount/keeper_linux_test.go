package mount

import (
	"syscall"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// A keeper that is itself killed takes the server with it on Linux.
func TestKilledKeeper(t *testing.T) {
	r := newRig(t, quick, Options{})
	r.Apply([]config.Server{own("x")})
	pid := r.pid("ana")
	if err := syscall.Kill(parent(pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
	eventually(t, "another starts", func() bool {
		_, err := r.tool(within(t), "ana", "params", "", 0, nil)
		return err == nil
	})
}
