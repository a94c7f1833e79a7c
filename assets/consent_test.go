package assets

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func consentDoc(t *testing.T, change func(*ConsentPage)) *html.Node {
	t.Helper()
	return parse(t, render(t, func(w io.Writer) error { return Consent(w, consent(change)) }))
}

// words is the page's visible text, white space collapsed.
func words(doc *html.Node) string {
	return strings.Join(strings.Fields(textOf(find(doc, "body")[0])), " ")
}

func TestConsentSays(t *testing.T) {
	const (
		verified   = "Verified: published by"
		unverified = "Not verified:"
		loopback   = "Any program here could pretend to be this app."
	)
	for _, c := range []struct {
		name   string
		change func(*ConsentPage)
		say    []string
		not    []string
	}{
		{"who asks, where the answer goes, as whom", nil,
			[]string{"an app that calls itself “Claude”", unverified, "Where the answer goes claude.ai https://claude.ai/api/mcp/auth_callback",
				"Where you sign in next dev-123.okta.com", "tools on the computer that runs name.ngrok.app", "https://name.ngrok.app/mcp",
				"If you didn’t start this, choose Deny."},
			[]string{verified, loopback}}, // AS-18, CP-2
		{"the host of a metadata document", asCIMD,
			[]string{"Let “Claude” use your tools?", verified + " claude.com"}, []string{unverified, "calls itself"}},
		{"no proof of a metadata document on loopback", func(p *ConsentPage) { asCIMD(p); onLoopback(p) },
			[]string{"claude.com, without proof", loopback}, []string{verified}}, // AS-17
		{"the warning for loopback", onLoopback, []string{unverified, loopback}, []string{verified, "Trust the address"}}, // AS-17
		{"the warning for a link that a program claims", inApp,
			[]string{unverified, "The program that opens cursor: links", "anysphere.cursor-mcp"}, []string{verified}}, // RFC 8252 §8.4
		{"a client set up in advance", func(p *ConsentPage) { p.ClientKind = "static" },
			[]string{"set up in advance"}, []string{verified, unverified, "calls itself"}},
		{"unverified for a kind nobody knows", func(p *ConsentPage) { p.ClientKind = "trusted" },
			[]string{unverified, "calls itself"}, []string{verified}},
		{"unverified for a metadata document without https", func(p *ConsentPage) { asCIMD(p); p.ClientID = "http://claude.com/c" },
			[]string{unverified}, []string{verified}},
		{"unverified for a metadata document without a host", func(p *ConsentPage) { asCIMD(p); p.ClientID = "https:claude.com" },
			[]string{unverified}, []string{verified}},
		{"a client without a name", func(p *ConsentPage) { p.ClientName = " \n\u3164" },
			[]string{"Let an app without a name use your tools?"}, nil},
		{"each scope in words", func(p *ConsentPage) { p.Scopes = append(p.Scopes, "groups", "files:read") },
			[]string{"Know who you are", "See your name and profile", "See your email address", "which groups", "Stay signed in", "Other permission: files:read"}, nil},
		{"only scopes that were asked for", func(p *ConsentPage) { p.Scopes = []string{"openid"} },
			[]string{"Know who you are"}, []string{"email address", "Stay signed in", "Other permission"}},
		{"known scopes under a flood of unknown ones", func(p *ConsentPage) {
			for i := range 500 {
				p.Scopes = append([]string{fmt.Sprint("s", i)}, p.Scopes...)
			}
		}, []string{"Know who you are", "Stay signed in", "And 492 more permissions"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := words(consentDoc(t, c.change))
			for _, s := range c.say {
				if !strings.Contains(text, s) {
					t.Errorf("does not say %q:\n%s", s, text)
				}
			}
			for _, s := range c.not {
				if strings.Contains(text, s) {
					t.Errorf("says %q:\n%s", s, text)
				}
			}
		})
	}
}

// Enter in a form presses its first submit button (HTML, implicit submission).
func TestConsentFormDeniesByDefault(t *testing.T) {
	form := find(consentDoc(t, nil), "form")[0]
	if attr(form, "method") != "post" || attr(form, "action") != "/consent" {
		t.Errorf("form is %v", form.Attr)
	}
	buttons := find(form, "button")
	if len(buttons) != 2 || attr(buttons[0], "value") != "deny" || attr(buttons[1], "value") != "approve" {
		t.Fatal("want the buttons deny, approve, in this order")
	}
	for _, n := range find(form, "") {
		if has(n, "autofocus") || has(n, "checked") {
			t.Errorf("<%s> %v is chosen in advance", n.Data, n.Attr)
		}
	}
}

func TestConsentFormCarriesItsFields(t *testing.T) {
	const flow, csrf = `a"b'<&>`, "x\u202ey+/="
	for _, remember := range []bool{true, false} {
		doc := consentDoc(t, func(p *ConsentPage) { p.Flow, p.CSRF, p.MayRemember = flow, csrf, remember })
		got := map[string]string{}
		for _, n := range find(doc, "input") {
			got[attr(n, "name")] = attr(n, "value")
		}
		if got["flow"] != flow || got["csrf"] != csrf {
			t.Errorf("fields are %q", got)
		}
		if _, ok := got["remember"]; ok != remember {
			t.Errorf("remember offered: %v, want %v", ok, remember)
		}
	}
}
