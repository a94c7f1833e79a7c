package rig

import (
	"net/url"
	"slices"
)

// SignIn goes through a whole sign-in as a person does: consent page, the
// provider's own pages, back to the client. It returns the client's redirect
// URI as it was reached, with code or error in its query. redirectURI is given
// without a query.
func (b *Browser) SignIn(authorizeURL, redirectURI, user string) *url.URL {
	b.T.Helper()
	p := b.Walk(b.OpenUntil(authorizeURL, redirectURI), user, redirectURI)
	if p.Status != 0 {
		b.T.Fatalf("the sign-in of %s ended at %s (status %d): %s", user, WithoutQuery(p.URL), p.Status, Clip(p.Text()))
	}
	return p.URL
}

// Deny opens authorizeURL and refuses on the consent page. It returns the
// client's redirect URI as it was reached.
func (b *Browser) Deny(authorizeURL, redirectURI string) *url.URL {
	b.T.Helper()
	p := b.Submit(b.OpenUntil(authorizeURL, redirectURI), "action", "deny", redirectURI)
	if p.Status != 0 {
		b.T.Fatalf("the refusal ended at %s (status %d): %s", WithoutQuery(p.URL), p.Status, Clip(p.Text()))
	}
	return p.URL
}

// Walk submits every form it knows, from p on, as user would who agrees to all,
// and returns the page where it stopped: the client's redirect URI (Status 0)
// or the first page without such a form.
func (b *Browser) Walk(p *Page, user, stop string) *Page {
	b.T.Helper()
	for range 6 {
		if p.Status == 0 {
			return p
		}
		next, ok := b.step(p, user, stop)
		if !ok {
			return p
		}
		p = next
	}
	return p
}

// step submits the form on p, if it is one of those that stand in a sign-in.
func (b *Browser) step(p *Page, user, stop string) (*Page, bool) {
	b.T.Helper()
	if f, ok := p.FormWith("action"); ok && f.offers("action", "approve") {
		return b.Submit(p, "action", "approve", stop), true
	}
	if f, ok := p.FormWith("user"); ok && f.offers("user", user) { // the built-in provider
		return b.Submit(p, "user", user, stop), true
	}
	if f, ok := p.FormWith("username"); ok { // the Python SDK's example, which has one person
		return b.Submit(p, "username", f.Values.Get("username"), stop), true
	}
	if f, ok := p.FormWith("prompt"); ok { // oidc-provider's development pages
		if f.Values.Get("prompt") == "login" {
			return b.Submit(p, "prompt", "login", stop, "login", user, "password", "any"), true
		}
		return b.Submit(p, "prompt", f.Values.Get("prompt"), stop), true
	}
	return nil, false
}

// offers reports whether f has the button name=value.
func (f Form) offers(name, value string) bool { return slices.Contains(f.Buttons[name], value) }
