package wizard

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// Fields of [network], which are asked for where nothing can be reached without.
const (
	FieldProxy         = outbound.KeyProxy
	FieldProxyPassword = outbound.KeyPassword
	FieldNoProxy       = "no_proxy"
	FieldCAFile        = outbound.KeyCAFile
)

// elsewhere is reached by everybody who reaches anything, and will be needed.
const elsewhere = "connect.ngrok-agent.com:443"

// networkField is the field of [network] that an error at the provider is about,
// or "". That the provider alone can't be reached is no reason to ask for a proxy.
func (w *Wizard) networkField(ctx context.Context, err error) string {
	switch why := outbound.Why(err); {
	case why == nil:
		return ""
	case why.Key != "":
		return why.Key
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	dial := w.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", elsewhere)
	if err == nil {
		_ = conn.Close()
		return ""
	}
	return FieldProxy
}

// Network reads [network] from what a person typed: a password in the proxy's
// URL is taken out of it, since it is a secret.
func Network(proxy, noProxy, caFile string) (n config.Network, password keystore.Secret) {
	n = config.Network{Proxy: Trim(proxy), CAFile: strings.TrimSpace(caFile)}
	if n.Proxy != "" && !strings.Contains(n.Proxy, "://") {
		n.Proxy = "http://" + n.Proxy
	}
	if u, err := url.Parse(n.Proxy); err == nil && u.User != nil {
		if p, has := u.User.Password(); has {
			password = keystore.NewSecret(p)
			u.User = url.User(u.User.Username())
			n.Proxy = u.String()
		}
	}
	for _, host := range words(noProxy) {
		n.NoProxy = once(n.NoProxy, host)
	}
	return n, password
}

// WayOut is the way out that n names; the password of its proxy is the one
// given, or else the keystore's.
func WayOut(n config.Network, password keystore.Secret, k keystore.Store) *outbound.Network {
	return outbound.New(outbound.Options{Proxy: n.Proxy, NoProxy: n.NoProxy, CAFile: n.CAFile, Password: func(ctx context.Context) (string, error) {
		if !password.IsZero() {
			return password.Reveal(), nil
		}
		return keystore.Text(ctx, k, keystore.ProxyPassword) // without one the proxy says what it thinks of that
	}})
}

// CheckNetwork says what [network] can't be.
func (w *Wizard) CheckNetwork(n config.Network) Report {
	var r Report
	c := config.Default()
	c.Network = n
	r.configured(c, "network.")
	if w.Network != nil && r.OK() {
		var fault *outbound.Fault
		if errors.As(w.Network(n, keystore.Secret{}).Broken(), &fault) {
			r.Problems = append(r.Problems, Problem{FieldCAFile, Sentence{Text: fault.Text, Words: fault.Words}})
		}
	}
	return r
}
