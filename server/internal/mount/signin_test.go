//go:build unix

package mount

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/serverauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// oneSignIn is a sign-in, as a state file has it.
type oneSignIn string

func (r oneSignIn) Load(_ string, each func(string, []byte) error) error {
	return each("x/", []byte(r))
}
func (oneSignIn) Save([]oauth.Change, ...status.Event) error { return nil }

// The token of a server goes to that server, and with no redirect elsewhere.
func TestTokenAndRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another origin was asked, with the header %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	var got atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		http.Redirect(w, r, elsewhere.URL+"/mcp", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	saved := oneSignIn(`{"v":1,"server":"x","written":"` + s.URL + `","url":"` + s.URL + `","access":"hush","secrets":{"access":"hush"}}`)
	signIns, err := serverauth.New(serverauth.Options{Keystore: keystore.Memory(), Saver: saved, Records: saved, Changed: func(string) {}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	servers := []config.Server{{Name: "x", URL: s.URL}}
	signIns.Keep(servers, true)
	r := newRig(t, quick, Options{SignIns: signIns})
	r.Apply(servers)
	if _, err := r.Catalog(within(t), "x", Client{}, Needed); err == nil {
		t.Error("it was followed")
	}
	if got.Load() != "Bearer hush" {
		t.Errorf("the server itself got %q", got.Load())
	}
}
