// Package config is config.toml: what it may say, what is wrong with it, and
// how it is saved.
//
// It never holds a secret, never prints a value that it refuses (a person may
// have pasted a secret there), and decides nothing about the app: it says
// what was configured.
//
// Start at [Load] and [Config].
package config

import (
	"net"
	"strings"
	"time"
)

// Config is the content of config.toml. [Parse] and [Load] return it valid
// and with defaults filled in.
type Config struct {
	PublicURL  string     `key:"public_url" check:"public URL"`       // scheme and host that clients see, no trailing slash; "" if not set
	Listen     string     `key:"listen" check:"listen" save:"always"` // host:port of the local listener
	IDP        IDP        `key:"idp"`
	Tunnel     Tunnel     `key:"tunnel"`
	Access     Access     `key:"access"`
	Clients    Clients    `key:"clients"`
	Tokens     Tokens     `key:"tokens"`
	Enterprise Enterprise `key:"enterprise"`
	Tools      Tools      `key:"tools"`
	Limits     Limits     `key:"limits"`
	Network    Network    `key:"network"`
	Updates    Updates    `key:"updates"`

	// Servers is what is set for mounted servers, by name: [server.NAME].
	Servers map[string]ServerSettings
}

// IDP is the OpenID provider.
type IDP struct {
	Issuer   string   `key:"issuer" check:"issuer" save:"always"` // exactly as the provider spells it, byte for byte
	ClientID string   `key:"client_id" check:"printable" save:"always"`
	Scopes   []string `key:"scopes" check:"scope"`       // asked for at sign-in; "openid" is one of them
	Audience string   `key:"audience" check:"printable"` // if set, the provider's access token must carry it

	// GroupsClaim is where the provider names groups: a claim, or a path of
	// claims such as realm_access.roles.
	GroupsClaim string `key:"groups_claim" check:"printable"`
	// TrustEmail lets an address count though the provider never says whether it
	// is verified. One that it says is not never counts.
	TrustEmail bool `key:"trust_email"`
	// Tenants are the IDs of those tenants of an issuer for many that may sign
	// in; empty: all.
	Tenants []string `key:"tenants" check:"tenant"`
}

// The providers of a tunnel.
const (
	TunnelNgrok = "ngrok"
	TunnelNone  = "none"
)

// Tunnel is the way in from the internet.
type Tunnel struct {
	Provider   string `key:"provider" check:"tunnel provider"`  // TunnelNgrok, TunnelNone, or "" if not set
	Domain     string `key:"domain" check:"host"`               // a host name, or "" for one that the provider chooses
	ConnectURL string `key:"connect_url" check:"host and port"` // host:port of a custom agent ingress, or ""
	ConnectCAs string `key:"connect_cas" check:"printable"`     // PEM file with the authorities of that ingress, or ""

	// TrustedProxies are the addresses, or networks in CIDR form, of the
	// person's own reverse proxies: from these alone X-Forwarded-For counts.
	TrustedProxies []string `key:"trusted_proxies" check:"proxy address"`
}

// Access says who may sign in. Empty, it lets nobody in.
type Access struct {
	Emails  []string `key:"emails" check:"email" save:"always"`
	Domains []string `key:"domains" check:"domain" save:"always"`
	Groups  []string `key:"groups" check:"printable" save:"always"`
	Anyone  bool     `key:"anyone" save:"always"` // whoever the provider signs in

	Rules []Rule // who may use what, once signed in
}

// Empty reports whether nobody may sign in.
func (a Access) Empty() bool {
	return !a.Anyone && len(a.Emails) == 0 && len(a.Domains) == 0 && len(a.Groups) == 0
}

// Clients says which clients may register, and with what redirect URIs.
type Clients struct {
	// RedirectURIs is the whole list of those allowed. Nil means not set:
	// [WellKnownRedirectURIs], and loopback. Empty and not nil means none.
	RedirectURIs []string `key:"redirect_uris" check:"redirect URI"`
	// Allowed are redirect URIs that count besides: one click in the console
	// puts a refused one here.
	Allowed      []string `key:"allowed" check:"redirect URI"`
	Registration bool     `key:"registration"` // RFC 7591; without it only known clients and metadata documents
	// MetadataDocuments offers clients to be known by a Client ID Metadata
	// Document; without it they register.
	MetadataDocuments bool `key:"metadata_documents"`
}

// Enterprise is sign-in by the company's provider, without a page.
type Enterprise struct {
	Enabled bool `key:"enabled"`
	// Issuers are those whose assertions count; empty: the issuer of [idp].
	Issuers []string      `key:"issuers" check:"issuer"`
	Access  time.Duration `key:"access" check:"duration"` // how long tokens live, 5 minutes to an hour; none of them is refreshed
}

// Trusted are the issuers whose assertions count, none while that is off.
func (c Config) Trusted() []string {
	switch {
	case !c.Enterprise.Enabled:
		return nil
	case len(c.Enterprise.Issuers) == 0:
		return []string{c.IDP.Issuer}
	}
	return c.Enterprise.Issuers
}

// Network is how Drawbridge itself reaches the internet. Empty, the environment
// and the system's authorities count.
type Network struct {
	Proxy   string   `key:"proxy" check:"proxy"`           // URL of a forward proxy, without a password
	NoProxy []string `key:"no_proxy" check:"proxy bypass"` // hosts, domains and networks reached without it
	CAFile  string   `key:"ca_file" check:"printable"`     // PEM file with authorities that count besides the system's
}

// Updates is the notice of newer releases. Nothing is ever fetched but the notice.
type Updates struct {
	Check bool   `key:"check"`
	Feed  string `key:"feed" check:"feed"` // URL of a release as GitHub's API gives it; "": nobody is asked
}

// Tokens are the lifetimes of what Drawbridge issues, each at least a second
// and Access not longer than Refresh.
type Tokens struct {
	Access  time.Duration `key:"access" check:"duration"`
	Refresh time.Duration `key:"refresh" check:"duration"`
}

// Tools switches the built-in tools.
type Tools struct {
	Echo   bool `key:"echo"`
	Add    bool `key:"add"`
	Whoami bool `key:"whoami"`
}

// Limits bound what one session may do.
type Limits struct {
	CallsPerMinute int `key:"calls_per_minute"` // calls of mounted servers' tools by one session; 0: no limit
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Listen:     "127.0.0.1:8000",
		IDP:        IDP{Scopes: []string{"openid", "profile", "email", "offline_access"}, GroupsClaim: "groups"},
		Clients:    Clients{Registration: true, MetadataDocuments: true},
		Tokens:     Tokens{Access: 30 * time.Minute, Refresh: 720 * time.Hour},
		Enterprise: Enterprise{Access: 15 * time.Minute},
		Tools:      Tools{Echo: true, Add: true, Whoami: true},
		Limits:     Limits{CallsPerMinute: 6000},
		Updates:    Updates{Check: true},
	}
}

// WellKnownRedirectURIs are the callbacks of the clients people use, apart
// from those on loopback. Clients whose callback differs from one connector
// to the next are not among them; one click allows it after its first try.
func WellKnownRedirectURIs() []string {
	return []string{
		"https://claude.ai/api/mcp/auth_callback",
		"https://claude.com/api/mcp/auth_callback",
		"https://chatgpt.com/connector_platform_oauth_redirect",
		"cursor://anysphere.cursor-mcp/oauth/callback",
		"https://www.cursor.com/agents/mcp/oauth/callback",
		"https://vscode.dev/redirect",
		"https://insiders.vscode.dev/redirect",
		"https://global.consent.azure-apim.net/redirect", // Copilot Studio, Power Platform
		"https://oauth.n8n.cloud/oauth2/callback",
		"https://oauth.pstmn.io/v1/callback", // Postman
	}
}

// Missing names the keys without which nobody can sign in, in the order in
// which setup asks for them: "idp.issuer", "idp.client_id". It is empty if
// the configuration can be run. An empty access list is no reason not to run.
func (c Config) Missing() []string {
	var keys []string
	if c.IDP.Issuer == "" {
		keys = append(keys, "idp.issuer")
	}
	if c.IDP.ClientID == "" {
		keys = append(keys, "idp.client_id")
	}
	return keys
}

// TunnelProvider is who brings the internet here: as configured; else
// [TunnelNgrok] if the tunnel's domain or connect_url is set, or if there is an
// authtoken and no public_url; else [TunnelNone].
func (c Config) TunnelProvider(authtoken bool) string {
	switch t := c.Tunnel; {
	case t.Provider != "":
		return t.Provider
	case t.Domain != "", t.ConnectURL != "", authtoken && c.PublicURL == "":
		return TunnelNgrok
	}
	return TunnelNone
}

// URL is the address that clients see, without a trailing slash: public_url,
// else the tunnel's domain, else http at Listen. It is "" where only the
// running app can tell: with a tunnel that has no domain of its own, or on
// port 0.
func (c Config) URL() string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	if c.TunnelProvider(false) == TunnelNgrok {
		if c.Tunnel.Domain == "" {
			return ""
		}
		return "https://" + strings.ToLower(c.Tunnel.Domain)
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "0" {
		return ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // "all addresses" is none that a client can open
	}
	return "http://" + net.JoinHostPort(host, port)
}
