package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tinyDisk mounts a file system of its own, of size bytes, until the test ends.
func tinyDisk(t testing.TB, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("drawbridge-test", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0700,size="+size); err != nil {
		missing(t, "the right to mount a tmpfs (root; "+err.Error()+")")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk writes until nothing more fits, and returns what makes room again.
func fillDisk(t testing.TB, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1 << 16, 4096, 1} {
		for err = nil; err == nil; {
			_, err = io.CopyN(f, zeros{}, n)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// It handles a disk that is full while people sign in, refresh and revoke:
// refusals say no more than that, nothing that was answered is lost, and with
// room again everything goes on. The disk is a tmpfs.
func TestSecFullDisk(t *testing.T) {
	disk := tinyDisk(t, "2m")
	app := StartApp(t, AppOptions{DataDir: filepath.Join(disk, "data")})
	c := app.Register(t, clientURI)
	owned, dropped := app.SignIn(t, NewBrowser(t), c, "alice"), app.SignIn(t, NewBrowser(t), c, "bob")
	ended := app.SignIn(t, NewBrowser(t), c, "bob")
	endedID := app.Sessions(t)[0].ID
	free := fillDisk(t, disk)

	// Some writes still fit into pages that were free; soon none does.
	var answered []Tokens
	var page *Page
	for i := 0; i < 200; i++ {
		req := app.NewAuthRequest(c)
		b := NewBrowser(t)
		if page = b.Walk(b.OpenUntil(req.URL(app), clientURI), "alice", clientURI); page.Query("code") == "" {
			break
		}
		if r := app.Redeem(t, req, page.Query("code")); r.Status == http.StatusOK {
			answered = append(answered, app.mustTokens(t, r))
		}
	}
	if page.Query("error") != "server_error" {
		t.Fatalf("the disk never got full: error %q", page.Query("error"))
	}
	mustNotShow(t, page.Query("error_description"))
	if !app.Log.Contains("the disk is full") {
		t.Error("the log does not say that the disk is full")
	}
	app.mustWorkWith(t, owned.Access) // calls need no disk
	r := app.Refresh(t, c, owned.Refresh)
	if r.Status != http.StatusOK {
		r.want(t, http.StatusInternalServerError, "server_error")
		mustNotShow(t, r.Body)
	}
	revoked := app.Revoke(t, c, dropped.Refresh)
	if revoked.Status != http.StatusOK {
		revoked.want(t, http.StatusInternalServerError, "server_error")
	}
	ctl := app.control(t)
	err := ctl.Revoke(context.Background(), endedID)
	ctl.Close()
	if err != nil && !strings.Contains(err.Error(), "full") {
		t.Errorf("the owner is told: %v", err)
	}

	free()
	owned = app.MustRefresh(t, c, owned.Refresh)
	app.Stop()
	app.Start()
	app.mustWorkWith(t, owned.Access)
	app.MustRefresh(t, c, owned.Refresh)
	if revoked.Status == http.StatusOK {
		app.mustBeDead(t, c, dropped)
	}
	if err == nil {
		app.mustBeDead(t, c, ended)
	}
	for _, a := range answered {
		app.MustRefresh(t, c, a.Refresh)
	}
	app.mustWorkWith(t, app.SignIn(t, NewBrowser(t), c, "bob").Access)
}

// It handles a start on a full disk: it says so, and starts once there is room.
func TestSecStartOnFullDisk(t *testing.T) {
	disk := tinyDisk(t, "2m")
	app := StartApp(t, AppOptions{DataDir: filepath.Join(disk, "data")})
	c := app.Register(t, clientURI)
	tokens := app.SignIn(t, NewBrowser(t), c, "alice")
	app.Stop()
	free := fillDisk(t, disk)
	err := tryRun(t, app, app.Options.Keystore)
	if err == nil || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("it says: %v", err)
	}
	free()
	app.Start()
	app.mustWorkWith(t, tokens.Access)
	app.MustRefresh(t, c, tokens.Refresh)
}
