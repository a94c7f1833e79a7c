package idp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// tokenAuth says how a token request authenticated: basic, post, or neither.
func tokenAuth(r *http.Request) (method, id, secret string) {
	if id, secret, ok := r.BasicAuth(); ok {
		id, _ = url.QueryUnescape(id) // RFC 6749 §2.3.1
		secret, _ = url.QueryUnescape(secret)
		return "basic", id, secret
	}
	if r.PostFormValue("client_secret") != "" {
		return "post", r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	return "none", r.PostFormValue("client_id"), ""
}

func TestClientAuthentication(t *testing.T) {
	type methods []string
	for _, c := range []struct {
		name      string
		announced any    // token_endpoint_auth_methods_supported
		accepted  string // what the provider takes
		secret    string
		want      methods // what the first exchange sends
		then      methods // what the second does
		says      string
	}{
		{"it handles basic, announced", methods{"client_secret_post", "client_secret_basic"}, "basic", clientSecret, methods{"basic"}, methods{"basic"}, ""},
		{"it handles basic, when nothing is announced", nil, "basic", clientSecret, methods{"basic"}, methods{"basic"}, ""},
		{"it handles post alone", methods{"client_secret_post"}, "post", clientSecret, methods{"post"}, methods{"post"}, ""},
		{"it handles basic that fails", methods{"client_secret_basic", "client_secret_post"}, "post", clientSecret, methods{"basic", "post"}, methods{"post"}, ""},
		{"it handles basic that fails, when nothing is announced", nil, "post", clientSecret, methods{"basic", "post"}, methods{"post"}, ""},
		{"it handles a public client", nil, "none", "", methods{"none"}, methods{"none"}, ""},
		{"it handles a wrong secret", nil, "neither", clientSecret, methods{"basic", "post"}, methods{"basic", "post"}, "client ID or client secret"},
		{"it handles a wrong secret where post isn't known", methods{"client_secret_basic"}, "neither", clientSecret, methods{"basic"}, methods{"basic"}, "client ID or client secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) {
				cfg.ClientSecret = func(context.Context) (string, error) { return c.secret, nil }
			})
			if c.announced != nil {
				r.f.metadata["token_endpoint_auth_methods_supported"] = c.announced
			}
			var sent methods
			r.f.handle["/token"] = func(w http.ResponseWriter, req *http.Request) {
				method, id, secret := tokenAuth(req)
				sent = append(sent, method)
				if method != c.accepted || id != clientID || secret != c.secret {
					reply(w, 401, map[string]string{"error": "invalid_client", "error_description": "wrong " + secret})
					return
				}
				if req.PostFormValue("code") != "the-upstream-code" || req.PostFormValue("code_verifier") != theVerifier || req.PostFormValue("resource") != "" {
					t.Errorf("form %v", req.PostForm)
				}
				reply(w, 200, map[string]any{"access_token": "opaque", "id_token": r.f.idToken()})
			}
			for _, want := range []methods{c.want, c.then} {
				sent = nil
				_, err := r.exchange(t)
				if !slices.Equal(sent, want) {
					t.Errorf("sent %v, want %v", sent, want)
				}
				if c.says == "" && err != nil {
					t.Error(err)
				} else if c.says != "" {
					wantError(t, err, misconfigured, c.says)
				}
			}
			if misconfigured := r.State().State == status.IDPMisconfigured; misconfigured != (c.says != "") {
				t.Errorf("state %+v", r.State())
			}
		})
	}
}

func TestTokenEndpointFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		kind   oauth.ProviderErrorKind
		says   string
		state  string
	}{
		// RFC 6749 §5.2
		{"it handles invalid_grant", func(w http.ResponseWriter, r *http.Request) {
			refuseWith(400, "invalid_grant", r.PostFormValue("code")+r.PostFormValue("refresh_token")+" is spent")(w, r)
		}, refused, "Sign in again", status.IDPOK},
		{"it handles invalid_request about the redirect", refuseWith(400, "invalid_request", "redirect_uri differs"), misconfigured, "Add http://127.0.0.1:8000/auth/callback", status.IDPMisconfigured},
		{"it handles an error nobody knows", refuseWith(400, "odd_error", "x"), misconfigured, "odd_error", status.IDPMisconfigured},
		{"it handles an error that is no word", refuseWith(400, "<b>x</b>", "x"), misconfigured, "without saying why", status.IDPMisconfigured},
		{"it handles an error with status 200", refuseWith(200, "invalid_grant", ""), refused, "Sign in again", status.IDPOK},
		{"it handles a page that forbids", answerStatus(403), misconfigured, "without saying why", status.IDPMisconfigured},
		{"it handles server_error", refuseWith(400, "server_error", ""), unreachable, "problem of its own", status.IDPUnreachable},
		{"it handles an outage", answerStatus(503), unreachable, "problem of its own", status.IDPUnreachable},
		{"it handles too many requests", answerStatus(429), unreachable, "too often", status.IDPUnreachable},
		{"it handles no JSON", answerStatus(200), unreachable, "makes no sense", status.IDPUnreachable},
		{"it handles no access token", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, map[string]string{}) }, unreachable, "makes no sense", status.IDPUnreachable},
		{"it handles a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, unreachable, "can't be reached", status.IDPUnreachable},
		{"it handles a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, unreachable, "makes no sense", status.IDPUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.f.handle["/token"] = c.answer
			up, err := r.exchange(t)
			wantError(t, err, c.kind, c.says)
			if n := r.f.count("/token") + r.f.count("/elsewhere"); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
			if up.RefreshToken != "" || r.State().State != c.state {
				t.Errorf("gave %+v; state %+v", up, r.State())
			}
			_, err = r.Refresh(t.Context(), "rt-1", oauth.Identity{Issuer: r.f.URL, Subject: "ana"})
			wantError(t, err, c.kind, c.says)
		})
	}
}

func TestStateRecovers(t *testing.T) {
	r := newRig(t)
	r.exchange(t)
	r.f.spoil(func(f *faulty) { f.handle["/token"] = answerStatus(503) })
	r.exchange(t)
	if err := r.Check(t.Context()); err != nil { // an outage is over when discovery works
		t.Error(err)
	}
	r.f.spoil(func(f *faulty) { f.handle["/token"] = refuseWith(401, "invalid_client", "") })
	r.exchange(t)
	if err := r.Check(t.Context()); err != nil { // a wrong secret isn't
		t.Error(err)
	}
	if s := r.State(); s.State != status.IDPMisconfigured {
		t.Errorf("state %+v", s)
	}
	r.f.spoil(func(f *faulty) { delete(f.handle, "/token") })
	r.exchange(t)
	r.exchange(t)
	if !r.changes.equal(status.IDPOK, status.IDPUnreachable, status.IDPOK, status.IDPMisconfigured, status.IDPOK) {
		t.Errorf("told %v", r.changes.states)
	}
}

// What carries a code, a secret or a token goes where discovery said, or nowhere.
func TestSecretsDontFollowRedirects(t *testing.T) {
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}
	for _, path := range []string{"/token", "/userinfo", "/revoke"} {
		r := newRig(t)
		r.f.metadata["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
		delete(r.f.claims, "groups")
		r.f.handle[path] = elsewhere
		r.exchange(t)
		r.Revoke(t.Context(), "rt-1")
		if r.f.count(path) != 1 || r.f.count("/elsewhere") != 0 {
			t.Errorf("%s: asked %d times, elsewhere %d times", path, r.f.count(path), r.f.count("/elsewhere"))
		}
	}
}

func TestLockedKeychain(t *testing.T) {
	r := newRig(t, func(cfg *Config) {
		cfg.ClientSecret = func(context.Context) (string, error) { return "", errors.New("keychain is locked") }
	})
	_, err := r.exchange(t)
	wantError(t, err, misconfigured, "Unlock the keychain")
	if n := r.f.count("/token"); n != 0 {
		t.Errorf("%d token requests", n)
	}
}

// The person's browser may go away while the provider answers. The refresh
// token it sends then is the only one that works.
func TestAnswerIsReadAfterTheClientLeft(t *testing.T) {
	r := newRig(t)
	if _, err := r.exchange(t); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	r.f.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) {
		leave()
		reply(w, 200, map[string]any{"access_token": "opaque", "id_token": r.f.idToken(), "refresh_token": "rt-2"})
	}
	up, err := r.Refresh(ctx, "rt-1", oauth.Identity{Issuer: r.f.URL, Subject: "ana"})
	if err != nil || up.RefreshToken != "rt-2" {
		t.Errorf("%+v %v", up, err)
	}
}

func TestGrantedScopes(t *testing.T) {
	for _, c := range []struct {
		name, issuer string
		scope        any
		want         []string
	}{
		{"it handles fewer scopes than asked", "", "openid email", []string{"openid", "email"}},
		{"it handles no scope", "", nil, nil}, // RFC 6749 §5.1
		{"it handles an empty scope", "", "", nil},
		{"it handles Google's names", "https://accounts.google.com", "https://www.googleapis.com/auth/userinfo.email openid", []string{"email", "openid"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.issuer != "" {
				r = as(t, c.issuer)
			}
			r.f.response["scope"] = c.scope
			up, err := r.exchange(t)
			if err != nil || !slices.Equal(up.Scopes, c.want) || (up.Scopes == nil) != (c.want == nil) {
				t.Errorf("%#v %v", up.Scopes, err)
			}
		})
	}
}

func TestRevoke(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*rig)
		sent  int
		kind  oauth.ProviderErrorKind
		says  string
	}{
		{"it handles success", func(*rig) {}, 1, 0, ""},
		{"it handles a provider without the endpoint", func(r *rig) { delete(r.f.metadata, "revocation_endpoint") }, 0, 0, ""},
		{"it handles a token that is gone", func(r *rig) { r.f.handle["/revoke"] = refuseWith(400, "invalid_token", "") }, 1, 0, ""},
		{"it handles post alone", func(r *rig) {
			r.f.handle["/revoke"] = func(w http.ResponseWriter, req *http.Request) {
				if m, id, secret := tokenAuth(req); m != "post" || id != clientID || secret != clientSecret {
					reply(w, 401, map[string]string{"error": "invalid_client"})
				}
			}
		}, 2, 0, ""},
		{"it handles a wrong secret", func(r *rig) { r.f.handle["/revoke"] = refuseWith(401, "invalid_client", "") }, 2, misconfigured, "client secret"},
		{"it handles an outage", func(r *rig) { r.f.handle["/revoke"] = answerStatus(503) }, 1, unreachable, "problem of its own"},
		{"it handles an outage of discovery", func(r *rig) { r.f.handle["/discovery"] = answerStatus(503) }, 0, unreachable, "problem of its own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.spoil(r)
			if old := r.f.handle["/revoke"]; old == nil {
				r.f.handle["/revoke"] = func(w http.ResponseWriter, req *http.Request) {
					if m, _, secret := tokenAuth(req); m != "basic" || secret != clientSecret || req.PostFormValue("token") != "rt-1" || req.PostFormValue("token_type_hint") != "refresh_token" {
						w.WriteHeader(400)
					}
				}
			}
			err := r.Revoke(t.Context(), "rt-1")
			if n := r.f.count("/revoke"); n != c.sent {
				t.Errorf("%d requests, want %d", n, c.sent)
			}
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, c.kind, c.says)
		})
	}
}

// A provider may write back what it was sent; a short secret does not look like
// one, so it has to be known to be taken out.
func TestRevokeKeepsTheSecretOutOfItsError(t *testing.T) {
	const short = "pa55word"
	r := newRig(t, func(cfg *Config) {
		cfg.ClientSecret = func(context.Context) (string, error) { return short, nil }
	})
	r.f.handle["/revoke"] = refuseWith(400, "invalid_request", "no app with "+short+" and rt-1")
	err := r.Revoke(t.Context(), "rt-1")
	if err == nil || strings.Contains(err.Error(), short) || strings.Contains(err.Error(), "rt-1") {
		t.Errorf("error %v", err)
	}
}
