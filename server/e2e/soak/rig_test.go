//go:build linux

package soak

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/e2e/edge"
	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

// What is configured: the client's secret at the provider, and those of the
// mounted servers, which these alone may know.
const (
	soakClientSecret = "client-secret-Tn4wE8gK2aS6hJ9x"
	soakFilesToken   = "files-token-Zk3vQ8sT1xW6yB9n"
	soakWebKey       = "web-key-Hq7mD2fL5rJ0uC4p"
)

// newSoak starts everything and waits until it works.
func newSoak(t *testing.T, inside bool) *soak {
	s := &soak{t: t, inside: inside, secrets: newSecretBook(t), done: map[string]*tally{}, work: map[string]func(testing.TB){}}
	s.edge = rig.StartEdge(t, edge.Options{})
	s.idp = rig.WatchProvider(t, "https://"+s.edge.Domain())
	s.idp.Saw, s.idp.Secret = s.secrets.provider, soakClientSecret
	s.secrets.keep("client secret", soakClientSecret)
	s.secrets.keep("authtoken", rig.Authtoken)
	s.secrets.keep("server", soakFilesToken, soakWebKey)
	files := rig.ConformanceServer(t, "stdio", "legacy")
	files.Env = map[string]string{"TOKEN": "${keychain:TOKEN}"}
	web := rig.MCPServer{URL: s.watchServer(rig.ConformanceServer(t, "http").URL), Headers: map[string]string{"X-Api-Key": "Key ${keychain:KEY}"}}
	s.servers = map[string]rig.MCPServer{"files": files, "web": web}
	if inside {
		s.startInside()
	} else {
		s.startOutside()
	}
	s.WaitForServers(t)
	for n := range s.pool {
		for i := range 3 { // each with an address of its own: the same registration gets the same id
			s.pool[n] = append(s.pool[n], s.Register(t, fmt.Sprintf("http://localhost:%d/callback", 7700+10*n+i)))
		}
	}
	s.cimd, s.keyed = rig.ServeMetadata(t, rig.ClientURI), newKeyedClient(t)
	if inside {
		s.pool[0] = append(s.pool[0], s.cimd.Client())
	}
	s.secrets.keep("control key", rig.ReadControlFile(t, s.App).Key)
	return s
}

func (s *soak) configure(c *config.Config) {
	cas := filepath.Join(s.t.TempDir(), "edge.pem")
	if err := os.WriteFile(cas, s.edge.CAs(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	c.Tunnel = config.Tunnel{Provider: "ngrok", Domain: s.edge.Domain(), ConnectURL: s.edge.AgentAddr(), ConnectCAs: cas}
}

func (s *soak) startInside() {
	keys := keystore.Memory()
	for account, secret := range map[string]string{keystore.NgrokAuthtoken: rig.Authtoken, "server/files/TOKEN": soakFilesToken, "server/web/KEY": soakWebKey} {
		if err := keys.Set(s.t.Context(), account, keystore.NewSecret(secret)); err != nil {
			s.t.Fatal(err)
		}
	}
	o := rig.Mounting(s.t, rig.AppOptions{Issuer: s.idp.Issuer, Secret: soakClientSecret, Keystore: keys, Access: soakRefresh / 2, Refresh: soakRefresh,
		Front: &http.Client{Transport: rig.ThroughEdges(false)}, Config: s.configure}, s.servers)
	s.file = o.ConfigFile
	s.App = rig.StartApp(s.t, o)
	key, err := keys.Get(s.t.Context(), keystore.DataKey)
	if err != nil {
		s.t.Fatal(err)
	}
	s.secrets.keep("data key", key.Reveal())
	rig.WaitFor(s.t, "the tunnel", func() bool { return s.Status(s.t).Tunnel.State == "up" })
}

func (s *soak) startOutside() {
	temp := s.t.TempDir()
	s.App = rig.StartBinary(s.t, rig.AppOptions{Issuer: s.idp.Issuer, Secret: soakClientSecret, Access: soakRefresh / 2, Refresh: soakRefresh, Config: s.configure, LogDir: s.t.TempDir(),
		Env: []string{"DRAWBRIDGE_NGROK_AUTHTOKEN=" + rig.Authtoken, "DRAWBRIDGE_SERVER_FILES_TOKEN=" + soakFilesToken, "DRAWBRIDGE_SERVER_WEB_KEY=" + soakWebKey, "TMPDIR=" + temp}})
	s.file = s.Program.Config
	s.temp = temp
	rig.WriteServers(s.t, s.file, s.servers)
	for _, v := range s.Program.Env {
		if key, ok := strings.CutPrefix(v, "DRAWBRIDGE_DATA_KEY="); ok {
			s.secrets.keep("data key", key)
		}
	}
	rig.WaitFor(s.t, "the tunnel", func() bool { return s.Status(s.t).Tunnel.State == "up" })
}

// watchServer stands before an HTTP server and notes the tokens that come.
func (s *soak) watchServer(target string) string {
	to, err := url.Parse(target)
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
		for name, values := range r.In.Header {
			for _, v := range values {
				if strings.Count(v, ".") == 2 && strings.Contains(v, "eyJ") {
					s.secrets.keep("identity "+name, strings.TrimPrefix(v, "Bearer "))
				}
			}
		}
	}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "Key "+soakWebKey {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		_ = http.NewResponseController(w).EnableFullDuplex() // see rig.SignedIn
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL + to.Path
}
