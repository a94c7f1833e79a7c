package idp

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/config"
)

// Whether http may be spoken with an issuer has one answer, in the
// configuration and at the sign-in.
func TestIssuerByBothReaders(t *testing.T) {
	for issuer, want := range map[string]bool{
		"https://idp.example": true, "http://idp.example": false, "HTTPS://idp.example": true,
		"http://localhost:9": true, "http://LOCALHOST:9": true, "http://LocalHost:9/realms/a": true, "http://127.0.0.1:9": true, "http://127.0.0.2:9": true,
		"http://[::1]:9": true, "http://[::ffff:127.0.0.1]:9": true, "http://localhost.:9": false, "http://a.localhost:9": false, "http://localhost.evil.example:9": false,
		"http://127.1:9": false, "http://0.0.0.0:9": false, "http://[::]:9": false, "http://[::1%25lo]:9": false, "http://2130706433:9": false, "http://loca\u017fhost:9": false, "http://\u212aalhost:9": false,
	} {
		c := config.Default()
		c.IDP.Issuer = issuer
		if err := c.Validate(); (err == nil) != want {
			t.Errorf("the configuration says of %q: %v", issuer, err)
		}
		p := New(Config{Issuer: issuer, HTTPClient: &http.Client{Transport: noNetwork{}}})
		if err := p.Check(t.Context()); strings.Contains(err.Error(), "must be an https URL") == want {
			t.Errorf("the sign-in says of %q: %v", issuer, err)
		}
	}
}

// noNetwork answers nothing.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) { return nil, context.Canceled }
