// Package wizard is what Setup knows: which providers there are and what each
// needs, how an issuer comes of what a person pasted, what is wrong with a
// configuration before it is saved, how it is saved, and how a sign-in is tried
// that comes to nothing.
//
// It serves no HTTP, never shows a secret, and follows no redirect. It lets
// nobody in: a dry run makes no grant.
//
// Start at [Kinds] and [Wizard].
package wizard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// Wizard checks configurations. Its zero value looks at no keychain.
type Wizard struct {
	Keystore keystore.Store // for the secrets that the person left as they are; nil: none
	HTTP     *http.Client   // nil: time-outs of 10 s, and a proxy only as the environment says
	// Network is the way out of a configuration, for a password of its proxy that
	// is new, or else the keychain's. nil: HTTP, whatever [network] says.
	Network func(n config.Network, password keystore.Secret) *outbound.Network
	// Open opens the tunnel of a candidate for a moment and returns the URL that it
	// got. nil: what ngrok says of it is seen when Drawbridge runs.
	Open func(ctx context.Context, c Candidate) (url string, err error)
	// Dial looks whether anything can be reached directly; nil: the system's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Now  func() time.Time
}

// Sentence is something said to a person. Text is English and the key of its
// translations; what stands in it as {word} is in Words.
type Sentence struct {
	Text  string
	Words map[string]string
}

// say makes a sentence with pairs of word and value.
func say(text string, pairs ...string) Sentence {
	s := Sentence{Text: text}
	for i := 0; i+1 < len(pairs); i += 2 {
		if s.Words == nil {
			s.Words = map[string]string{}
		}
		s.Words[pairs[i]] = pairs[i+1]
	}
	return s
}

// String is the sentence in English.
func (s Sentence) String() string { return s.In(s.Text) }

// In is the sentence in another language, of which text is the translation.
func (s Sentence) In(text string) string {
	pairs := make([]string, 0, 2*len(s.Words))
	for word, is := range s.Words {
		pairs = append(pairs, "{"+word+"}", status.Clean(is, maxWord))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// maxWord bounds a word of a sentence in characters.
const maxWord = 500

// IsZero reports whether there is nothing to say.
func (s Sentence) IsZero() bool { return s.Text == "" }

// Problem is what stands in the way. Field names what to change:
// one of [Kind.Fields], or one of the constants below.
type Problem struct {
	Field    string
	Sentence Sentence
}

// Fields that every kind of provider has.
const (
	FieldKind         = "kind"
	FieldClientID     = "client_id"
	FieldClientSecret = "client_secret"
	FieldRedirect     = "redirect" // not the form's: it is entered at the provider
	FieldTunnel       = "tunnel"
	FieldTunnelDomain = "tunnel_domain"
	FieldAuthtoken    = "authtoken"
	FieldPublicURL    = "public_url"
	FieldEmails       = "emails"
	FieldDomains      = "domains"
	FieldGroups       = "groups"
	FieldAnyone       = "anyone"
)

func (p Problem) String() string { return p.Sentence.String() }

// by is w with the way out of n, unless that is the usual one.
func (w *Wizard) by(n config.Network, password keystore.Secret) *Wizard {
	if w.Network == nil || reflect.DeepEqual(n, config.Network{}) {
		return w
	}
	other := *w
	other.HTTP = w.Network(n, password).Client(10 * time.Second)
	return &other
}

// client is the provider of cfg, asked with secret or, without one, with what
// the keychain holds.
func (w *Wizard) client(cfg config.IDP, secret keystore.Secret, redirect string) *idp.Client {
	return idp.New(idp.Config{Issuer: cfg.Issuer, ClientID: cfg.ClientID, Audience: cfg.Audience, GroupsClaim: cfg.GroupsClaim, TrustEmail: cfg.TrustEmail, Tenants: cfg.Tenants, Scopes: cfg.Scopes, RedirectURI: redirect,
		Stay: true, HTTPClient: w.HTTP, Now: w.Now, ClientSecret: func(ctx context.Context) (string, error) {
			if !secret.IsZero() || w.Keystore == nil {
				return secret.Reveal(), nil
			}
			return keystore.Text(ctx, w.Keystore, keystore.IDPClientSecret)
		}})
}

// fromProvider is the sentence of an error of package idp.
func fromProvider(err error) Sentence {
	var pe *oauth.ProviderError
	if !errors.As(err, &pe) {
		return say("The provider could not be asked: {cause}", "cause", err.Error())
	}
	if pe.Template == "" {
		return say(pe.Message)
	}
	return Sentence{Text: pe.Template, Words: pe.Words}
}
