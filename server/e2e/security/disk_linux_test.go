package security

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

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

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
	disk := rig.TinyDisk(t, "2m")
	app := rig.StartApp(t, rig.AppOptions{DataDir: filepath.Join(disk, "data")})
	c := app.Register(t, rig.ClientURI)
	owned, dropped := app.SignIn(t, rig.NewBrowser(t), c, "alice"), app.SignIn(t, rig.NewBrowser(t), c, "bob")
	ended := app.SignIn(t, rig.NewBrowser(t), c, "bob")
	endedID := app.Sessions(t)[0].ID
	free := fillDisk(t, disk)

	// Some writes still fit into pages that were free; soon none does.
	var answered []rig.Tokens
	var refused *rig.Reply
	for i := 0; i < 200 && refused == nil; i++ {
		req := app.NewAuthRequest(c)
		if r := app.Redeem(t, req, app.Code(t, rig.NewBrowser(t), req, "alice")); r.Status == http.StatusOK {
			answered = append(answered, app.MustTokens(t, r))
		} else {
			refused = r
		}
	}
	if refused == nil {
		t.Fatal("the disk never got full")
	}
	refused.Want(t, http.StatusInternalServerError, "server_error")
	rig.MustNotShow(t, refused.Body)
	if !app.Log.Contains("the disk is full") {
		t.Error("the log does not say that the disk is full")
	}
	app.MustWorkWith(t, owned.Access) // calls need no disk
	r := app.Refresh(t, c, owned.Refresh)
	if r.Status != http.StatusOK {
		r.Want(t, http.StatusInternalServerError, "server_error")
		rig.MustNotShow(t, r.Body)
	}
	revoked := app.Revoke(t, c, dropped.Refresh)
	if revoked.Status != http.StatusOK {
		revoked.Want(t, http.StatusInternalServerError, "server_error")
	}
	ctl := app.Control(t)
	err := ctl.Revoke(context.Background(), endedID)
	ctl.Close()
	if err != nil && !strings.Contains(err.Error(), "full") {
		t.Errorf("the owner is told: %v", err)
	}

	free()
	owned = app.MustRefresh(t, c, owned.Refresh)
	app.Stop()
	app.Start()
	app.MustWorkWith(t, owned.Access)
	app.MustRefresh(t, c, owned.Refresh)
	if revoked.Status == http.StatusOK {
		app.MustBeDead(t, c, dropped)
	}
	if err == nil {
		app.MustBeDead(t, c, ended)
	}
	for _, a := range answered {
		app.MustRefresh(t, c, a.Refresh)
	}
	app.MustWorkWith(t, app.SignIn(t, rig.NewBrowser(t), c, "bob").Access)
}

// It handles a start on a full disk: it says so, and starts once there is room.
func TestSecStartOnFullDisk(t *testing.T) {
	disk := rig.TinyDisk(t, "2m")
	app := rig.StartApp(t, rig.AppOptions{DataDir: filepath.Join(disk, "data")})
	c := app.Register(t, rig.ClientURI)
	tokens := app.SignIn(t, rig.NewBrowser(t), c, "alice")
	app.Stop()
	free := fillDisk(t, disk)
	err := rig.TryRun(t, app, app.Options.Keystore)
	if err == nil || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("it says: %v", err)
	}
	free()
	app.Start()
	app.MustWorkWith(t, tokens.Access)
	app.MustRefresh(t, c, tokens.Refresh)
}
