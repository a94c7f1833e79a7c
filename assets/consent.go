package assets

import (
	"io"
	"net/url"
	"slices"
)

// ConsentPage is what [Consent] shows. All of it may be chosen by an attacker
// except Provider, ServerName and MCPURL.
type ConsentPage struct {
	ClientName  string // what the client calls itself
	ClientHost  string // hostname of RedirectURI, in ASCII (punycode): where the answer goes
	RedirectURI string // exactly as registered
	ClientKind  string // "cimd", "static"; anything else is treated as "dcr", unverified
	ClientID    string // for cimd the https URL of its metadata document
	Loopback    bool   // RedirectURI is a port of the person's own device

	Scopes     []string // as asked of the provider
	Provider   string   // host of the provider, where the person signs in next
	ServerName string   // this server, as its owner knows it
	MCPURL     string   // what the client will reach

	Lang        string // an Accept-Language header
	Flow, CSRF  string // hidden fields, returned as given
	MayRemember bool   // offer not to ask again
}

// Consent writes the page that asks a person whether a client may act for
// them: who asks, where the answer goes, what it allows, and where they sign
// in next. Its form posts to /consent the fields flow, csrf, remember ("on" if
// ticked, else absent) and action ("approve" or "deny"). The error returned is
// w's.
func Consent(w io.Writer, p ConsentPage) error {
	known, unknown, more := explain(p.Scopes)
	publisher, scheme := publisher(p), appScheme(p.RedirectURI)
	return write(w, p.Lang, "consent.html", consentView{
		ConsentPage: p,
		Publisher:   publisher,
		Vouched:     publisher != "" || p.ClientKind == "static",
		Scheme:      scheme,
		Local:       p.Loopback || scheme != "",
		Known:       known,
		Unknown:     unknown,
		More:        more,
	})
}

type consentView struct {
	ConsentPage
	Publisher string   // host that a metadata document was fetched from; "" if there is none
	Vouched   bool     // somebody besides the client stands for its name
	Scheme    string   // of a redirect URI that opens a program instead of a web page; else ""
	Local     bool     // the answer goes to a program on a device, so a publisher proves nothing
	Known     []string // scopes in words
	Unknown   []string // scopes that we have no words for
	More      int      // unknown scopes left out
}

// publisher is the host that vouches for a client with a metadata document. An
// id that is no https URL vouches for nothing, so the page calls it unverified.
func publisher(p ConsentPage) string {
	if p.ClientKind != "cimd" {
		return ""
	}
	u, err := url.Parse(p.ClientID)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return u.Host
}

// appScheme is the scheme of a redirect URI like cursor://…, which the
// person's device hands to whichever program claimed that scheme (RFC 8252
// §7.1).
func appScheme(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme == "https" || u.Scheme == "http" {
		return ""
	}
	return u.Scheme
}

// scopeWords explains scopes (OpenID Connect Core §5.4, §11), in the order in
// which the page lists them.
var scopeWords = []struct{ scope, words string }{
	{"openid", "Know who you are"},
	{"profile", "See your name and profile"},
	{"email", "See your email address"},
	{"groups", "See which groups you belong to"},
	{"offline_access", "Stay signed in, until its access ends or is revoked"},
}

// maxUnknown bounds how many unknown scopes the page lists, so that a flood of
// them can't push the buttons out of reach. Known ones are always listed.
const maxUnknown = 8

func explain(scopes []string) (known, unknown []string, more int) {
	var left []string
	for _, s := range scopes {
		if !slices.Contains(left, s) {
			left = append(left, s)
		}
	}
	for _, s := range scopeWords {
		if i := slices.Index(left, s.scope); i >= 0 {
			known = append(known, s.words)
			left = slices.Delete(left, i, i+1)
		}
	}
	shown := min(len(left), maxUnknown)
	return known, left[:shown], len(left) - shown
}
