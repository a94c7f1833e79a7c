//go:build unix

package mount

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// serveApp is an app that mounts a server, prints its processes, and waits.
func serveApp() {
	s, _ := New(Options{})
	s.Apply([]config.Server{own("x")})
	result, err := s.Call(context.Background(), "x", Client{Caller: person("ana")}, "tools/call", json.RawMessage(`{"name":"family"}`), nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var got struct{ Pids []int }
	_ = json.Unmarshal(result.Raw(), &got)
	result, _ = s.Call(context.Background(), "x", Client{Caller: person("ana")}, "tools/call", json.RawMessage(`{"name":"params"}`), nil)
	var self struct{ PID int }
	_ = json.Unmarshal(result.Raw(), &self)
	fmt.Println(append(got.Pids, self.PID))
	select {}
}

func TestKilledAppLeavesNothing(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		cmd := exec.Command(os.Args[0], "fixture-app")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		var pids []int
		for _, field := range strings.Fields(strings.Trim(line, "[]\n")) {
			pid, _ := strconv.Atoi(field)
			pids = append(pids, pid)
		}
		if err != nil || len(pids) != 3 || !exists(pids[0]) {
			t.Fatalf("the app said %q, %v", line, err)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		gone(t, pids...)
	}
}
