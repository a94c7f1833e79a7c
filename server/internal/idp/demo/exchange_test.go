package demo

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Expected values are those of the draft's own example (draft-ietf-oauth-identity-assertion-authz-grant §4.3).
func TestExchange(t *testing.T) {
	r := newRig(t)
	idToken := r.signIn(t, "alice").Extra("id_token").(string)
	for _, c := range []struct {
		name, key, value string
		want             string
	}{
		{"it handles a good request", "", "", ""},
		{"it handles a wrong secret", "client_secret", "guessed", "invalid_client"},
		{"it handles another token type", "requested_token_type", "urn:ietf:params:oauth:token-type:access_token", "invalid_request"},
		{"it handles an unknown subject type", "subject_token_type", "urn:ietf:params:oauth:token-type:access_token", "invalid_request"},
		{"it handles a missing audience", "audience", "", "invalid_target"},
		{"it handles a made-up ID token", "subject_token", "a.b.c", "invalid_grant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			form := url.Values{
				"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
				"requested_token_type": {"urn:ietf:params:oauth:token-type:id-jag"},
				"subject_token":        {idToken},
				"subject_token_type":   {"urn:ietf:params:oauth:token-type:id_token"},
				"audience":             {"https://as.example"},
				"resource":             {"https://as.example/mcp"},
				"scope":                {"openid email"},
				"client_id":            {"claude-at-as"},
				"client_secret":        {"drawbridge-demo"},
			}
			if c.key != "" {
				form.Set(c.key, c.value)
			}
			resp, err := http.PostForm(r.Issuer+"/token", form)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var answer struct {
				Error     string
				Assertion string `json:"access_token"`
				Issued    string `json:"issued_token_type"`
				Type      string `json:"token_type"`
				ExpiresIn int    `json:"expires_in"`
			}
			if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error != c.want {
				t.Fatalf("%+v %v", answer, err)
			}
			if c.want != "" {
				return
			}
			if answer.Issued != "urn:ietf:params:oauth:token-type:id-jag" || answer.Type != "N_A" || answer.ExpiresIn != 300 {
				t.Errorf("%+v", answer)
			}
			parsed, err := jwt.ParseSigned(answer.Assertion, []jose.SignatureAlgorithm{jose.RS256})
			if err != nil || parsed.Headers[0].ExtraHeaders["typ"] != "oauth-id-jag+jwt" {
				t.Fatalf("%v %v", parsed, err)
			}
			var claims struct {
				jwt.Claims
				Client   string `json:"client_id"`
				Verified bool   `json:"email_verified"`
				Resource string `json:"resource"`
				Scope    string `json:"scope"`
				Email    string `json:"email"`
			}
			if err := parsed.Claims(r.Provider.key.Public(), &claims); err != nil {
				t.Fatal(err)
			}
			if claims.Issuer != r.Issuer || claims.Subject != "alice" || len(claims.Audience) != 1 || claims.Audience[0] != "https://as.example" ||
				claims.Client != "claude-at-as" || claims.Resource != "https://as.example/mcp" || claims.Scope != "openid email" ||
				claims.Email != "alice@example.com" || !claims.Verified || claims.ID == "" || claims.Expiry.Time().Sub(claims.IssuedAt.Time()) != 5*time.Minute {
				t.Errorf("%+v", claims)
			}
		})
	}
	// Codes and refresh tokens stay with the one client.
	resp, err := http.PostForm(r.Issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"claude-at-as"}, "client_secret": {"drawbridge-demo"}})
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("another client refreshes: %v %v", resp, err)
	}
	resp.Body.Close()
	r.Provider.Change("alice", func(p *Person) { p.Active = false })
	resp, err = http.PostForm(r.Issuer+"/token", url.Values{"grant_type": {TokenExchange}, "requested_token_type": {idJAG}, "subject_token": {idToken},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:id_token"}, "audience": {"https://as.example"}, "client_id": {"c"}, "client_secret": {"drawbridge-demo"}})
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a deactivated person: %v %v", resp, err)
	}
	resp.Body.Close()
}
