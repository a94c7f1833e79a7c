package idp

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// Explain turns the error that the provider sent to our callback (RFC 6749
// §4.1.2.1) into a sentence. It changes no state: a browser brings it, so
// anybody could.
func (c *Client) Explain(code, description string) *oauth.ProviderError {
	return c.explain(code, description, 0)
}

// explain looks the provider's answer up in the tables. The description is only
// matched against them; what is left of it goes to the log.
func (c *Client) explain(code, description string, httpStatus int, secrets ...string) *oauth.ProviderError {
	if !plainCode.MatchString(code) {
		code = ""
	}
	if code == "" && httpStatus == http.StatusUnauthorized {
		code = "invalid_client" // RFC 6749 §5.2 gives 401 to nothing else
	}
	said := code
	if httpStatus != 0 {
		said = strings.TrimSpace(fmt.Sprintf("status %d %s", httpStatus, code))
	}
	if description = clean(description, secrets...); description != "" {
		said += ": " + description
	}
	pe := &oauth.ProviderError{Kind: oauth.ProviderMisconfigured, Code: code, Err: errors.New(said)}
	for _, s := range slices.Concat(c.profile.sentences, commonSentences) {
		if s.matches(code, description) {
			pe.Kind = s.kind
			return c.tell(pe, s.says)
		}
	}
	if code == "" {
		return c.tell(pe, "{Name} refused the request without saying why. Check the client's settings there.")
	}
	return c.tell(pe, "{Name} refused the request with the error {code}. Check the client's settings there.")
}

// tell puts a sentence of the tables into pe.
func (c *Client) tell(pe *oauth.ProviderError, sentence string) *oauth.ProviderError {
	pe.Template = sentence
	words := c.Words()
	words["code"] = pe.Code
	maps.Copy(words, pe.Words)
	pairs := make([]string, 0, 2*len(words))
	for word, is := range words {
		pairs = append(pairs, "{"+word+"}", is)
	}
	pe.Words = words
	pe.Message = strings.NewReplacer(pairs...).Replace(sentence)
	return pe
}

// plainCode is an error code that may be shown. RFC 6749 allows any printable
// ASCII, but those in use are words.
var plainCode = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Words are what stands in sentences about this provider, by the names they
// have in an [oauth.ProviderError]'s Template. Only {code} is the error's own.
func (c *Client) Words() map[string]string {
	org := c.cfg.Issuer
	if u, err := url.Parse(org); err == nil {
		org = u.Scheme + "://" + u.Host
	}
	return map[string]string{"Name": strings.ToUpper(c.name[:1]) + c.name[1:], "name": c.name, "org": org, "redirect": c.cfg.RedirectURI}
}

// misconfigured is an error that only a change of settings mends.
func (c *Client) misconfigured(sentence string, err error) *oauth.ProviderError {
	return c.tell(&oauth.ProviderError{Kind: oauth.ProviderMisconfigured, Err: cause(err)}, sentence)
}

// refused is the provider's no to this person or sign-in.
func (c *Client) refused(sentence string, err error) *oauth.ProviderError {
	return c.tell(&oauth.ProviderError{Kind: oauth.ProviderRefused, Err: cause(err)}, sentence)
}

// unreachable is an error that waiting may mend.
func (c *Client) unreachable(err error) *oauth.ProviderError {
	if why := outbound.Why(err); why != nil {
		pe := &oauth.ProviderError{Kind: oauth.ProviderUnreachable, Words: why.Words, Err: why}
		if why.Text == outbound.Direct {
			return c.tell(pe, "{Name} can't be reached. Check this computer's connection and try again in a minute; if this network has a proxy, enter it in Setup.")
		}
		return c.tell(pe, why.Text)
	}
	sentence := "{Name} can't be reached. Check this computer's connection and try again in a minute."
	var answered *statusError
	if errors.As(err, &answered) {
		sentence = "{Name} has a problem of its own. Try again in a minute."
		if answered.status == http.StatusTooManyRequests {
			sentence = "{Name} says that it is asked too often. Try again in a minute."
		}
	}
	return c.tell(&oauth.ProviderError{Kind: oauth.ProviderUnreachable, Err: cause(err)}, sentence)
}

// tokenFault says why a request with client authentication failed. secrets are
// what it carried.
func (c *Client) tokenFault(err error, secrets ...string) *oauth.ProviderError {
	var answered *oauth2.RetrieveError
	var pe *oauth.ProviderError
	switch {
	case errors.As(err, &pe):
		return pe
	case errors.As(err, &answered):
		return c.explain(answered.ErrorCode, answered.ErrorDescription, answered.Response.StatusCode, secrets...)
	case isNetwork(err):
		return c.unreachable(err)
	}
	// A 200 that holds no token: nothing is known of the person.
	return c.tell(c.unreachable(err), "{Name} gave an answer that makes no sense. Try again in a minute.")
}

// cause is err for the log: without the URL, whose query may hold anything, and
// without what the provider wrote, beyond a cleaned line.
func cause(err error) error {
	if err == nil {
		return nil
	}
	var request *url.Error
	var other *OtherIssuer
	switch {
	case errors.As(err, &other):
		return other
	case errors.As(err, &request):
		err = request.Err
	}
	if text := err.Error(); text != clean(text) {
		return errors.New(clean(text))
	}
	return err
}

var (
	queryPart = regexp.MustCompile(`[?#]\S+`)
	tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_.=-]+|[A-Za-z0-9_~+/=-]{24,}`)
)

// maxClean is how many characters of foreign text are kept.
const maxClean = 200

// clean makes foreign text fit for a log: one line, short, and without secrets,
// queries and anything that looks like a token.
func clean(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[…]")
		}
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
	s = queryPart.ReplaceAllString(s, "[…]")
	s = tokenLike.ReplaceAllString(s, "[…]")
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxClean {
		s = string(runes[:maxClean])
	}
	return s
}
