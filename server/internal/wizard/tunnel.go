package wizard

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
	"github.com/drawbridge-app/drawbridge/server/internal/tunnel"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Domain is the host of what a person pasted as the tunnel's domain.
func Domain(s string) string {
	s = Trim(s)
	if u := webAddress(s); u != nil {
		return u.Host
	}
	return s
}

// PublicURL is scheme and host of what a person pasted as public URL, such as
// the MCP URL.
func PublicURL(s string) string {
	s = Trim(s)
	if u := webAddress(s); u != nil {
		return u.Scheme + "://" + u.Host
	}
	return s
}

var pastedAuthtoken = regexp.MustCompile(`(?:add-authtoken|authtoken)[:=\s]+["']?([A-Za-z0-9_-]+)`)

// Authtoken is the authtoken in what a person pasted: the command or the line
// of a configuration that ngrok shows with it, for example.
func Authtoken(s string) string {
	if found := pastedAuthtoken.FindStringSubmatch(s); found != nil && len(s) <= maxInput {
		return found[1]
	}
	return Trim(s)
}

var (
	authtoken   = regexp.MustCompile(`^[A-Za-z0-9_-]{20,200}$`)
	ngrokObject = regexp.MustCompile(`^(cr|ak|rd|ep|ts|tn|sec)_[A-Za-z0-9]+$`)
)

// CheckTunnel looks at the way in from the internet.
func (w *Wizard) CheckTunnel(ctx context.Context, c *Candidate) Report {
	var r Report
	t := c.Config.Tunnel
	stored := w.stored(ctx, keystore.NgrokAuthtoken)
	if c.Config.TunnelProvider(stored || !c.Authtoken.IsZero()) != config.TunnelNgrok {
		r.publicURL(c.Config.PublicURL)
		return r
	}
	switch s := c.Authtoken.Reveal(); {
	case s == "" && !stored:
		r.problem(FieldAuthtoken, "The authtoken is missing. Copy yours from dashboard.ngrok.com/get-started/your-authtoken; it goes into the keychain and is not shown again.")
	case s == "":
	case ngrokObject.MatchString(s):
		r.problem(FieldAuthtoken, "This is the ID of something at ngrok, not an authtoken. Copy yours from dashboard.ngrok.com/get-started/your-authtoken")
	case !authtoken.MatchString(s):
		r.problem(FieldAuthtoken, "This does not look like an authtoken, which is some fifty letters and digits with an underscore. Copy yours from dashboard.ngrok.com/get-started/your-authtoken")
	}
	switch {
	case t.Domain == "" && w.Open == nil:
		r.note("Without a domain ngrok chooses one. Better enter yours from dashboard.ngrok.com/domains: clients and the provider know Drawbridge by it.")
	case t.Domain == "":
	case !isHost(t.Domain) || hostname.Loopback(t.Domain):
		r.problem(FieldTunnelDomain, "This is no domain. Enter the host alone, such as name.ngrok.app, from dashboard.ngrok.com/domains")
	case t.Domain == "ngrok.com" || strings.HasSuffix(t.Domain, ".ngrok.com"):
		r.problem(FieldTunnelDomain, "This is ngrok's own site. Enter your domain from dashboard.ngrok.com/domains")
	}
	if w.Open != nil && r.OK() {
		w.openTunnel(ctx, c, &r)
		t = c.Config.Tunnel
	}
	if strings.HasSuffix(t.Domain, ".ngrok-free.app") || strings.HasSuffix(t.Domain, ".ngrok-free.dev") {
		r.note("On ngrok's free plan a browser sees ngrok's own warning page first, once in seven days: press Visit Site there.")
	}
	if u := c.Config.PublicURL; u != "" && t.Domain != "" && !hostname.Same(u, "https://"+t.Domain) {
		r.note("Clients see {url}, while the tunnel is at {domain}: something of yours must lead from one to the other.", "url", u, "domain", t.Domain)
	}
	return r
}

// openTunnel finds out whether ngrok takes authtoken and domain, and keeps the
// domain that it gives where none was asked for, if it is ours the next time
// too: clients and the provider know Drawbridge by it.
func (w *Wizard) openTunnel(ctx context.Context, c *Candidate, r *Report) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	t := &c.Config.Tunnel
	given, err := w.Open(ctx, *c)
	if err != nil {
		r.Problems = append(r.Problems, FromTunnel(err))
		return
	}
	if t.Domain != "" {
		return
	}
	t.Domain = Domain(given)
	var taken *tunnel.Error // by the line of a moment ago
	if _, err := w.Open(ctx, *c); err != nil && !(errors.As(err, &taken) && taken.Taken) {
		t.Domain = ""
		r.problem(FieldTunnelDomain, "This ngrok account has no domain that stays the same. Make one at dashboard.ngrok.com/domains, and enter it.")
	}
}

// publicURL says what the address of a Drawbridge without a tunnel can't be.
func (r *Report) publicURL(s string) {
	u := webAddress(s)
	switch {
	case s == "":
		r.note("Without a tunnel and a public URL only programs on this computer reach Drawbridge.")
	case u == nil || !hostname.Same(u.Scheme+"://"+u.Host, s):
		r.problem(FieldPublicURL, "This is no public URL. Enter https:// and the host, and nothing after it, such as https://bridge.example.com")
	case u.Port() != "" && u.Scheme == "https":
		r.note("Claude and others reach port 443 only. With another port some clients can't connect.")
	case hostname.Loopback(u.Hostname()):
		r.note("Under this URL only programs on this computer reach Drawbridge.")
	}
}

// FromTunnel is the problem of an error of package tunnel.
func FromTunnel(err error) Problem {
	var e *tunnel.Error
	if !errors.As(err, &e) {
		return Problem{FieldTunnel, say("The tunnel could not be opened: {cause}", "cause", err.Error())}
	}
	text := strings.Replace(status.Capital(e.Msg), "then run `drawbridge tunnel retry`", "then try again", 1)
	field := FieldTunnel
	switch e.Code {
	case "ERR_NGROK_103", "ERR_NGROK_105", "ERR_NGROK_106", "ERR_NGROK_107", "ERR_NGROK_4018":
		field = FieldAuthtoken
	case "ERR_NGROK_313", "ERR_NGROK_319", "ERR_NGROK_320", "ERR_NGROK_334":
		field = FieldTunnelDomain
	}
	if e.Code == "" {
		return Problem{FieldProxy, say("{problem}.", "problem", text)} // ngrok was not reached
	}
	return Problem{field, say(text+" ({code}).", "code", e.Code)}
}

var ngrokCode = regexp.MustCompile(`\((ERR_NGROK_[0-9]+)\)$`)

// TunnelSays is the sentence of a tunnel's error as its status has it: one of
// ngrok's by its code, so that it can be translated, any other as it is.
func TunnelSays(text string) Sentence {
	if text == "" {
		return Sentence{}
	}
	if found := ngrokCode.FindStringSubmatch(text); found != nil {
		if e := tunnel.Refusal(found[1]); e.Msg != "" && e.Error() == text {
			return FromTunnel(e).Sentence
		}
	}
	return say("{problem}.", "problem", strings.TrimSuffix(status.Capital(text), "."))
}
