package server

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// Options is what a [Server] is made of.
type Options struct {
	Config   config.Config
	DataDir  string // state, and the control listener's key; one instance at a time
	Keystore keystore.Store
	Version  string // "": dev, as a plain `go run .` is

	// ConfigFile is where Config came from: changes of it take effect, and
	// Setup writes it. mcp.json stands beside it. "": neither, as in the demo.
	ConfigFile string
	// Listen, if set, stands for the file's own listen.
	Listen string
	// Unusable says why there is no Config yet: then the console serves Setup,
	// and nothing else is served until it has a result. Without it a Config
	// that lacks something is an error of New.
	Unusable error

	// ThrowAway forgets what an earlier run left in DataDir: for the demo,
	// whose keys do not outlive it.
	ThrowAway bool
	// Front reaches the public URL from outside, to see whether it leads here.
	// It is for tests; nil means a client as strangers have.
	Front *http.Client
	// Documents fetches Client ID Metadata Documents. It is for tests; nil
	// means a client that reaches public addresses alone.
	Documents *http.Client
	// AskWait is how long a call waits for the owner's word. It is for tests;
	// 0 means as long as a person needs.
	AskWait time.Duration
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: none
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "dev"
	}
}

// providerTime bounds one request at the provider.
const providerTime = 10 * time.Second

// network is the way out that the configuration names.
func (o *Options) network(n config.Network) *outbound.Network {
	return wizard.WayOut(n, keystore.Secret{}, o.Keystore)
}

// mcpFile is the file of the mounted servers; "" where there is none.
func (o *Options) mcpFile() string {
	if o.ConfigFile == "" {
		return ""
	}
	return config.ServersPath(o.ConfigFile)
}
