package timeline

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var home = Situation{MCPURL: "https://name.ngrok.app/mcp", RedirectURI: "https://name.ngrok.app/auth/callback"}

// rig is a recorder with a clock of its own, fed as the handlers feed it.
type rig struct {
	*Recorder
	now       time.Time
	situation Situation
}

func newRig() *rig {
	r := &rig{now: noon, situation: home}
	r.Recorder = New(func() time.Time { return r.now })
	r.Tell(func() Situation { return r.situation }, func() {})
	return r
}

// see takes facts in, from Claude's cloud or from a person's browser as their
// kind would have it, a second after what came before.
func (r *rig) see(f Facts) {
	r.now = r.now.Add(time.Second)
	s := seen{Facts: f, at: r.now, remote: "160.79.104.10", agent: "Claude-User/1.0"}
	switch f.What.kind() {
	case authorize, consent, provider:
		s.remote, s.agent, s.browser = "203.0.113.7", "Mozilla/5.0", true
	}
	r.record(s)
}

// What is noted at each stage of a sign-in by registration that goes well.
var goodSteps = []Facts{
	{What: Challenged, Path: "/mcp"},
	{What: Resource, Path: "/.well-known/oauth-protected-resource/mcp"},
	{What: Metadata, Path: "/.well-known/oauth-authorization-server"},
	{What: Registered, ClientID: "c1", Client: "Claude", Host: "claude.ai"},
	{What: Authorized, ClientID: "c1", Client: "Claude", Flow: "f1", Host: "claude.ai"},
	{What: ConsentShown, Flow: "f1"},
	{What: ConsentApproved, Flow: "f1"},
	{What: ProviderDone, Flow: "f1", Session: "s1", User: "ana@example.com"},
	{What: Issued, ClientID: "c1", Session: "s1", Client: "Claude"},
	{What: Called, Session: "s1", User: "ana@example.com", Client: "Claude"},
}

// upTo returns the good steps up to the first of what, and then others.
func upTo(what What, then ...Facts) []Facts {
	for i, f := range goodSteps {
		if f.What == what {
			return append(append([]Facts{}, goodSteps[:i+1]...), then...)
		}
	}
	panic(what)
}

func repeat(n int, f Facts) (list []Facts) {
	for range n {
		list = append(list, f)
	}
	return list
}

// ruleCases are what the newest attempt comes to. Each key of the rules has a
// row; several have one for each way that leads there.
var ruleCases = []struct {
	key, outcome string
	steps        []Facts
	wait         time.Duration
	tools        int    // calls of tools
	says         string // part of the sentence
	situation    func(*Situation)
}{
	{key: "connected.first", outcome: "ok", steps: upTo(Called), says: "Claude is connected: ana@example.com; its first"},
	{key: "connected", outcome: "ok", steps: upTo(Called, repeat(8, Facts{What: Called, Session: "s1"})...), says: "tool calls: 0."}, // lists and pings are no tool calls
	{key: "connected", outcome: "ok", steps: upTo(Called, Facts{What: Called, Session: "s1"}), tools: 1, says: "tool calls: 1."},
	{key: "connected", outcome: "ok", steps: upTo(Called, Facts{What: Called, Session: "s1"}), tools: 8, says: "Claude is connected: ana@example.com, tool calls: 8."},
	{key: "connected.server", outcome: "ok", steps: upTo(Called, Facts{What: Called, Session: "s1", Server: "files"}), tools: 8, says: "connected to /s/files/mcp:"},
	{key: "connected", outcome: "ok", steps: upTo(Called, Facts{What: Refreshed, Session: "s1"}), wait: time.Hour, tools: 2, says: "Claude is connected"},
	{key: "connected", outcome: "ok", steps: upTo(Called, Facts{What: CallExpired, Session: "s1"}, Facts{What: Refreshed, Session: "s1"}, Facts{What: Called, Session: "s1"}), tools: 2, says: "tool calls: 2"},
	{key: "renewed", outcome: "ok", steps: []Facts{{What: Refreshed, Session: "old", Client: "Claude"}}, says: "renewed its access"},
	{key: "over", outcome: "ok", steps: upTo(Called, Facts{What: SessionEnded, Session: "s1"}), says: "the session has ended"},
	{key: "over.early", outcome: "refused", steps: upTo(Issued, Facts{What: SessionEnded, Session: "s1"}), says: "before its first call"},

	{key: "paused", outcome: "refused", steps: upTo(Called, Facts{What: CallPaused}), says: "drawbridge resume"},
	{key: "early", outcome: "refused", steps: upTo(Called, Facts{What: NotReady}), says: "not ready when Claude came"},
	{key: "origin", outcome: "refused", steps: []Facts{{What: WrongOrigin}}, says: "another site"},
	{key: "host", outcome: "refused", steps: []Facts{{What: WrongHost, Host: "evil.example"}}, says: "evil.example, but this server is name.ngrok.app"},
	{key: "limited", outcome: "refused", steps: []Facts{{What: Limited}}, says: "Wait a minute"},
	{key: "limited", outcome: "refused", steps: upTo(Called, Facts{What: CallLimited}), says: "Claude asked too often"},
	{key: "call.stale", outcome: "error", steps: upTo(Called, Facts{What: CallExpired, Session: "s1"}), wait: lookTime, says: "does not renew it"},
	{key: "call.expired", steps: upTo(Called, Facts{What: CallExpired, Session: "s1"}), says: "renew it by itself"},
	{key: "call.ended", outcome: "refused", steps: upTo(Called, Facts{What: CallEnded, Session: "s1"}), says: "a session that has ended"},
	{key: "call.resource", outcome: "refused", steps: upTo(Issued, Facts{What: CallResource, Session: "s1", Path: "/s/git/mcp"}), says: "at /s/git/mcp"},
	{key: "call.kind", outcome: "error", steps: upTo(Issued, Facts{What: CallKind, Session: "s1"}), says: "refresh token where"},
	{key: "call.forged", outcome: "refused", steps: []Facts{{What: CallForged}}, says: "did not make"},
	{key: "call.query", outcome: "refused", steps: upTo(Issued, Facts{What: CallQuery}), says: "in the URL"},
	{key: "call.accept", outcome: "error", steps: upTo(Issued, Facts{What: CallAccept, Session: "s1"}), says: "text/event-stream"},
	{key: "call.version", outcome: "error", steps: upTo(Issued, Facts{What: CallVersion, Session: "s1", Version: "2031-01-01"}), says: "MCP version 2031-01-01"},
	{key: "call.session", outcome: "error", steps: upTo(Issued, Facts{What: CallSession, Session: "s1"}), wait: callTime, says: "Mcp-Session-Id"},
	{key: "call.session", outcome: "error", steps: upTo(Called, repeat(3, Facts{What: CallSession, Session: "s1"})...), says: "restart Claude"},
	{key: "call.error", outcome: "error", steps: upTo(Issued, Facts{What: CallError, Session: "s1", Method: "initialize", Reason: "initialize needs protocolVersion"}), says: "initialize was answered with an error: initialize needs protocolVersion."},
	{key: "session.over", outcome: "refused", steps: upTo(Called, Facts{What: SessionEnded, Session: "s1", Reason: "all sessions were revoked by the owner"}, Facts{What: Challenged}, Facts{What: Resource}),
		says: "The session of Claude has ended (all sessions were revoked by the owner)"},
	{key: "session.over", outcome: "refused", steps: upTo(Called, Facts{What: CallEnded, Session: "s1"}, Facts{What: RefreshEnded, Session: "s1"}, Facts{What: Metadata}, Facts{What: Metadata}), says: "Sign in again"},
	{key: "registration.over", outcome: "refused", steps: upTo(Called, Facts{What: SessionEnded, Session: "s1"}, Facts{What: RegisterNone}), says: "Sign in again"},
	{key: "registration.over", outcome: "refused", steps: []Facts{{What: RegisterNone, Client: "Gemini CLI MCP Client"}}, says: "/mcp auth NAME in Gemini CLI"},
	{key: "registration.refused", outcome: "refused", steps: []Facts{{What: RegisterNone, Client: "X", Reason: "redirect_uris must name at least one"}}, says: "could not register: redirect_uris must"},
	{key: "document", outcome: "refused", steps: []Facts{{What: AuthorizeDocument, Client: "auth.openai.com", Reason: "no host"}}, says: "`codex mcp login NAME --oauth-client-registration dcr`"},
	{key: "call.initialize", steps: upTo(Issued, Facts{What: CallSession, Session: "s1"}), says: "initialize again"},
	{key: "call.stream", outcome: "error", steps: upTo(Issued, Facts{What: CallRefused, Session: "s1", Method: "GET", Reason: "status 400"}), says: "older SSE"},
	{key: "call.refused", outcome: "error", steps: upTo(Issued, Facts{What: CallRefused, Session: "s1", Method: "POST", Reason: "status 400"}), says: "refused (status 400)"},
	{key: "call.failed", outcome: "error", steps: upTo(Issued, Facts{What: CallFailed, Session: "s1", Reason: "status 500"}), says: "failed to answer"},

	{key: "call.never", outcome: "error", steps: upTo(Issued), wait: callTime, says: "Claude got its token but never called /mcp."},
	{key: "call.awaited", steps: upTo(Issued), says: "first call is awaited"},
	{key: "token.verifier", outcome: "refused", steps: upTo(ProviderDone, Facts{What: SessionEnded, Session: "s1"}, Facts{What: TokenVerifier, ClientID: "c1", Session: "s1"}), says: "PKCE verifier"},
	{key: "token.redirect", outcome: "refused", steps: upTo(ProviderDone, Facts{What: TokenRedirect, Session: "s1"}), says: "another redirect URI"},
	{key: "token.client", outcome: "refused", steps: upTo(ProviderDone, Facts{What: TokenClient, ClientID: "c2", Session: "s1"}), says: "Another client"},
	{key: "token.twice", outcome: "refused", steps: upTo(Issued, Facts{What: TokenTwice, Session: "s1"}), says: "twice"},
	{key: "token.late", outcome: "refused", steps: upTo(ProviderDone, Facts{What: TokenLate, Session: "s1"}), says: "too late"},
	{key: "token.unknown", outcome: "refused", steps: upTo(ProviderDone, Facts{What: TokenUnknown, ClientID: "c1"}), says: "not known here"},
	{key: "resource", outcome: "refused", steps: upTo(ProviderDone, Facts{What: TokenResource, Session: "s1", Resource: "https://name.ngrok.app/mcp/"}),
		says: "asked for https://name.ngrok.app/mcp/, but this server is https://name.ngrok.app/mcp."},
	{key: "resource", outcome: "refused", steps: upTo(Registered, Facts{What: AuthorizeResource, ClientID: "c1", Resource: "https://name.ngrok.app/?token=x"}), says: "https://name.ngrok.app/, but"},
	{key: "client.unknown", outcome: "refused", steps: []Facts{{What: AuthorizeUnknown, ClientID: "gone"}}, says: "Drawbridge was reset"},
	{key: "client.unknown", outcome: "refused", steps: []Facts{{What: ClientUnknown, ClientID: "gone"}}, says: "register again"},
	{key: "token.proof", outcome: "refused", steps: upTo(ProviderDone, Facts{What: ClientProof, ClientID: "c1", Reason: "no"}), says: "prove who it is: no."},
	{key: "token.replayed", outcome: "refused", steps: upTo(Called, Facts{What: TokenReplayed, Session: "s1"}), says: "old refresh token"},
	{key: "token.expired", outcome: "refused", steps: upTo(Called, Facts{What: RefreshExpired, Session: "s1"}), says: "sign-in expired"},
	{key: "token.ended", outcome: "refused", steps: upTo(Called, Facts{What: SessionEnded, Session: "s1"}, Facts{What: RefreshEnded, Session: "s1"}), says: "that has ended"},
	{key: "token.person", outcome: "refused", steps: upTo(Called, Facts{What: RefreshPerson, Session: "s1", Reason: "ana@example.com is not on the access list"}), says: "may not use Claude here any more: ana@"},
	{key: "token.away", outcome: "error", steps: upTo(Called, Facts{What: RefreshAway, Session: "s1"}), says: "the session is kept"},
	{key: "token.refused", outcome: "refused", steps: upTo(ProviderDone, Facts{What: TokenRefused, ClientID: "c1", Reason: "The body must be a form."}), says: "The body must be a form. Start"},

	{key: "call.awaited", steps: []Facts{{What: Challenged, Path: "/mcp"}, {What: Vouched, ClientID: "k1", Session: "s1", User: "ana@example.com", Client: "Claude"}}, says: "Claude has its token"},
	{key: "call.never", outcome: "error", steps: []Facts{{What: Vouched, ClientID: "k1", Session: "s1", Client: "Claude"}}, wait: callTime, says: "never called /mcp"},
	{key: "connected.first", outcome: "ok", steps: []Facts{{What: Vouched, ClientID: "k1", Session: "s1", User: "ana@example.com", Client: "Claude"}, {What: Called, Session: "s1"}}, says: "Claude is connected: ana@example.com"},
	{key: "token.assertion", outcome: "refused", steps: []Facts{{What: VouchForm, Client: "Claude", Reason: "its typ is not oauth-id-jag+jwt"}}, says: "can't be used: its typ"},
	{key: "token.audience", outcome: "refused", steps: []Facts{{What: VouchAudience, Client: "Claude", Resource: "https://other.example/?x=1"}}, says: "made for https://other.example/, but this server's issuer is https://name.ngrok.app. Correct the issuer URL of the resource app"},
	{key: "token.issuer", outcome: "refused", steps: []Facts{{What: VouchIssuer, Client: "Claude", Resource: "https://dev-123.okta.com"}}, says: "comes from https://dev-123.okta.com, which is not trusted here"},
	{key: "token.clock", outcome: "refused", steps: []Facts{{What: VouchClock, Client: "Claude", Reason: "it has expired"}}, says: "not of now: it has expired. Set this computer's clock"},
	{key: "token.other", outcome: "refused", steps: []Facts{{What: VouchClient, Client: "Claude"}}, says: "made for another client"},
	{key: "token.again", outcome: "refused", steps: []Facts{{What: VouchTwice, Client: "Claude"}}, says: "good once"},
	{key: "token.blocked", outcome: "refused", steps: []Facts{{What: VouchBlocked, Client: "Claude", User: "ana@example.com", Reason: "run `drawbridge sessions unblock s1`"}}, says: "ana@example.com came with Claude after you revoked the session, so no other began: run `drawbridge sessions unblock s1`."},
	{key: "token.secret", outcome: "refused", steps: []Facts{{What: TokenSecret, Client: "Claude"}}, says: "drawbridge client rotate"},
	{key: "token.grant", outcome: "refused", steps: []Facts{{What: TokenGrant, Client: "Claude", Reason: "This client may not use this grant_type."}}, says: "Claude was refused: This client may not use this grant_type. Add the client"},
	{key: "token.failed", outcome: "error", steps: upTo(ProviderDone, Facts{What: TokenFailed, Session: "s1", Reason: "a fault"}), says: "give Claude its token: a fault."},
	{key: "document", outcome: "refused", steps: upTo(ProviderDone, Facts{What: TokenDocument, Session: "s1", Reason: "gone"}), says: "gone"},

	{key: "access.nobody", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: NobodyListed, Flow: "f1", User: "bob@example.com"}), says: "Add bob@example.com"},
	{key: "access.unverified", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: NotVerified, Flow: "f1", User: "bob@example.com"}), says: "verified"},
	{key: "access.unvouched", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: NotVouched, Flow: "f1", User: "bob@example.com"}), says: "trust_email = true"},
	{key: "access.nogroups", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: NoGroups, Flow: "f1", User: "bob@example.com", Reason: "Okta names no groups"}), says: "Okta names no groups. Until then add bob@example.com"},
	{key: "access.claim", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: GroupsElsewhere, Flow: "f1", User: "bob@example.com", Reason: "the provider sent cognito:groups"}), says: "sent cognito:groups. The dry run"},
	{key: "access.overage", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: TooManyGroups, Flow: "f1", User: "bob@example.com"}), says: "assigned to the app"},
	{key: "access.list", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: NotOnList, Flow: "f1", User: "bob@example.com", Groups: []string{"everyone", "staff"}}), says: "add bob@example.com to emails under [access] in config.toml, or one of their groups (everyone, staff)"},
	{key: "provider.refused", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: ProviderRefused, Flow: "f1", Reason: "you are not assigned to this app."}), says: "The provider refused: you are not assigned to this app."},
	{key: "provider.away", outcome: "error", steps: upTo(ConsentApproved, Facts{What: ProviderAway, Flow: "f1", Reason: "Okta can't be reached."}), says: "Okta can't be reached."},
	{key: "provider.clock", outcome: "error", steps: upTo(ConsentApproved, Facts{What: ProviderClock, Flow: "f1", Reason: "x"}), says: "clock"},
	{key: "provider.wrong", outcome: "error", steps: upTo(ConsentApproved, Facts{What: ProviderWrong, Flow: "f1", Reason: "x"}), says: "did not accept Drawbridge's request"},
	{key: "provider.failed", outcome: "error", steps: upTo(ConsentApproved, Facts{What: ProviderFailed, Flow: "f1", Reason: "x"}), says: "could not finish"},
	{key: "browser", outcome: "refused", steps: upTo(ConsentApproved, Facts{What: ProviderOther}), says: "in another"},
	{key: "browser", outcome: "refused", steps: upTo(ConsentShown, Facts{What: ConsentOther, Flow: "f1"}), says: "in another"},
	{key: "provider.late", outcome: "refused", steps: []Facts{{What: ProviderLate}}, says: "ten minutes"},
	{key: "code.never", outcome: "error", steps: upTo(ProviderDone), wait: codeTime, says: "never came back for its token"},
	{key: "code.awaited", steps: upTo(ProviderDone), says: "awaited to fetch its token"},

	{key: "consent.denied", outcome: "refused", steps: upTo(ConsentShown, Facts{What: ConsentDenied, Flow: "f1"}), says: "chose Deny"},
	{key: "consent.refused", outcome: "refused", steps: upTo(ConsentShown, Facts{What: ConsentRefused, Flow: "f1", Reason: "x"}), says: "did not count"},
	{key: "provider.never", outcome: "error", steps: upTo(ConsentApproved), wait: personTime, says: "add https://name.ngrok.app/auth/callback"},
	{key: "provider.stuck", steps: upTo(ConsentApproved), wait: stuckTime, says: "still at the provider"},
	{key: "provider.awaited", steps: upTo(ConsentApproved), says: "is signing in"},
	{key: "provider.awaited", steps: upTo(Authorized, Facts{What: ConsentKept, Flow: "f1"}), says: "is signing in"},
	{key: "consent.never", outcome: "error", steps: upTo(ConsentShown), wait: personTime, says: "never answered"},
	{key: "consent.awaited", steps: upTo(ConsentShown), says: "answer is awaited"},

	{key: "document", outcome: "refused", steps: []Facts{{What: AuthorizeDocument, ClientID: "https://x.example/c", Reason: "status 404"}}, says: "status 404"},
	{key: "redirect.list", outcome: "refused", steps: []Facts{{What: RegisterRedirect, Client: "New", Host: "new.example"}}, says: "New wants its answers at new.example"},
	{key: "redirect.list", outcome: "refused", steps: upTo(Registered, Facts{What: AuthorizeRedirect, ClientID: "c1", Host: "new.example"}), says: "new.example"},
	{key: "redirect.other", outcome: "refused", steps: upTo(Registered, Facts{What: AuthorizeOther, ClientID: "c1", Host: "localhost"}), says: "did not register"},
	{key: "pkce", outcome: "refused", steps: upTo(Registered, Facts{What: AuthorizePKCE, ClientID: "c1"}), says: "S256"},
	{key: "authorize.refused", outcome: "refused", steps: upTo(Registered, Facts{What: AuthorizeRefused, ClientID: "c1", Reason: "x"}), says: "was refused: x."},
	{key: "ngrok.warning", outcome: "error", steps: upTo(Authorized), wait: lookTime, says: "Visit Site", situation: func(w *Situation) { w.Warning = true }},
	{key: "ngrok.warning", outcome: "error", steps: upTo(Registered), wait: openTime, says: "Visit Site", situation: func(w *Situation) { w.Warning = true }},
	{key: "consent.lost", outcome: "error", steps: upTo(Authorized), wait: lookTime, says: "never opened"},
	{key: "consent.opening", steps: upTo(Authorized), says: "about to open"},

	{key: "registration.off", outcome: "refused", steps: []Facts{{What: RegisterOff, Client: "New"}}, says: "switched off"},
	{key: "registration.refused", outcome: "refused", steps: []Facts{{What: RegisterRefused, Reason: "x"}}, says: "could not register: x."},
	{key: "registration.loop", outcome: "error", steps: append(upTo(Registered), repeat(3, Facts{What: Registered, ClientID: "c9", Client: "Claude"})...), says: "registered 4 times"},
	{key: "browser.never", outcome: "error", steps: upTo(Registered), wait: openTime, says: "nobody opened"},
	{key: "browser.awaited", steps: upTo(Registered), says: "awaited to open"},

	{key: "probes", outcome: "refused", steps: repeat(1000, Facts{What: Probed}), says: "1000 times"},
	{key: "again", outcome: "ok", steps: upTo(Called, Facts{What: Challenged}, Facts{What: Resource}), says: "connected already"},
	{key: "path.root", outcome: "error", steps: []Facts{{What: AtRoot, Path: "/"}, {What: Missing, Path: "/x"}}, says: "Paste https://name.ngrok.app/mcp"},
	{key: "path.sse", outcome: "error", steps: []Facts{{What: AtSSE, Path: "/sse"}, {What: Missing, Path: "/.well-known/oauth-protected-resource/…"}}, says: "SSE transport at /sse."},
	{key: "path.near", outcome: "error", steps: []Facts{{What: Nearby, Path: "/mcp/mcp"}}, says: "at /mcp/mcp, but"},
	{key: "path.oauth", outcome: "error", steps: []Facts{{What: Missing, Path: "/x"}, {What: Guessed, Path: "/mcp/authorize"}}, says: "/mcp/authorize"},
	{key: "discovery.stopped", outcome: "error", steps: upTo(Metadata), wait: lookTime, says: "did not go on"},
	{key: "discovery.half", outcome: "error", steps: upTo(Resource), wait: lookTime, says: "stopped there"},
	{key: "challenge.only", outcome: "error", steps: upTo(Challenged), wait: lookTime, says: "told to sign in and stopped"},
	{key: "discovery.missing", outcome: "error", steps: []Facts{{What: Missing, Path: "/x"}}, wait: lookTime, says: "there is none"},
	{key: "discovery.awaited", steps: upTo(Metadata), says: "awaited"},
	{key: "tunnel.down", steps: upTo(Registered), says: "is down", situation: func(w *Situation) { w.TunnelDown = "no route to ngrok" }},
}

func TestVerdicts(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range ruleCases {
		tried[c.key] = true
		t.Run(c.key+", "+c.says, func(t *testing.T) {
			r := newRig()
			if c.situation != nil {
				c.situation(&r.situation)
			}
			for _, f := range c.steps {
				r.see(f)
			}
			for range c.tools {
				r.CalledTool("s1")
			}
			r.now = r.now.Add(c.wait)
			a := r.Attempts()[0]
			if a.VerdictKey != c.key || a.Outcome != c.outcome || !strings.Contains(a.Verdict, c.says) {
				t.Errorf("it comes to %q %q: %s", a.VerdictKey, a.Outcome, a.Verdict)
			}
		})
	}
	for _, key := range verdictKeys() {
		if !tried[key] && key != "unknown" {
			t.Errorf("no row comes to %q", key)
		}
	}
}

// verdictKeys are those that the rules have, and what speaks for itself.
func verdictKeys() []string {
	keys := []string{"unknown", "tunnel.down"}
	for _, r := range rules {
		if r.key != "" {
			keys = append(keys, r.key)
		}
	}
	for _, what := range whats {
		if catalogues["en"]["verdict."+string(what)] != "" {
			keys = append(keys, string(what))
		}
	}
	return keys
}

// Every sentence is there in every language, with the same words to fill in.
func TestCatalogues(t *testing.T) {
	var keys []string
	for _, what := range whats {
		keys = append(keys, "step."+string(what))
	}
	for _, key := range verdictKeys() {
		keys = append(keys, "verdict."+key)
	}
	names := func(line string) map[string]bool {
		found := map[string]bool{}
		for _, part := range strings.Split(line, "{")[1:] {
			name, _, _ := strings.Cut(part, "}")
			found[name] = true
		}
		return found
	}
	wanted := map[string]bool{}
	for _, key := range keys {
		wanted[key] = true
		for language, lines := range catalogues {
			if lines[key] == "" {
				t.Errorf("%s has no line %s", language, key)
			}
			for name := range names(lines[key]) {
				if lines["word."+name] == "" {
					t.Errorf("%s has no word for {%s} of %s", language, name, key)
				}
				if !names(catalogues["en"][key])[name] {
					t.Errorf("%s fills {%s} into %s, English does not", language, name, key)
				}
			}
		}
	}
	for language, lines := range catalogues {
		for key, line := range lines {
			if !wanted[key] && !strings.HasPrefix(key, "word.") {
				t.Errorf("%s has the line %s, which nothing says", language, key)
			}
			if !strings.HasPrefix(key, "word.") && !strings.HasSuffix(line, ".") && !strings.HasSuffix(line, "。") {
				t.Errorf("%s: %s is no sentence: %s", language, key, line)
			}
		}
	}
}

// A Japanese word that stands for a name takes no blanks; a name keeps them.
func TestBlanksAroundWords(t *testing.T) {
	for want, args := range map[string]map[string]string{
		"クライアントのリクエストを拒否しました":  nil,
		"Claude のリクエストを拒否しました": {"client": "Claude"},
		"佐藤 恵 のリクエストを拒否しました":   {"client": "佐藤 恵"},
	} {
		if got := Sentence("ja", "verdict.authorize.refused", args); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Sentence("ja", "step.token.over", map[string]string{"reason": "revoked by the owner"}); got != "セッションが終了しました（所有者が取り消しました）。" {
		t.Errorf("%q is in two languages", got)
	}
}
