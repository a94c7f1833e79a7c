package tunnel

import (
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"golang.ngrok.com/ngrok/v2"

	"github.com/drawbridge-app/drawbridge/server/internal/outbound"
)

// explain makes a sentence of what the SDK says. ngrok's own text is not shown
// where it is about the authtoken, which it repeats.
func (c *ngrokCall) explain(err error) error {
	c.mu.Lock()
	if c.first != nil {
		err = c.first // what came after it is that there is no second connection
	}
	c.mu.Unlock()
	code := ngrokCode(err)
	if _, known := ngrokSays[code]; known {
		return Refusal(code)
	}
	if code != "" {
		return &Error{Code: code, Msg: "ngrok refuses the tunnel; ngrok.com/docs/errors/" + strings.ToLower(code) + " says what to do", Err: c.redact(err)}
	}
	why := outbound.Why(err)
	var cert x509.UnknownAuthorityError
	var dns *net.DNSError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &dns):
		return &Error{Msg: "the name of ngrok's server does not resolve: is this computer online?", Err: c.redact(err)}
	case why != nil && why.Text != outbound.Direct && !errors.As(err, &cert):
		return &Error{Msg: strings.TrimSuffix(why.Error(), "."), Err: c.redact(err)}
	case errors.As(err, &cert):
		return &Error{Msg: "ngrok's server shows a certificate that is not ngrok's: something between here and there opens the connection. Ask who runs this network, or enter the file with its authority's certificate in Setup", Err: c.redact(err)}
	case errors.As(err, &invalid):
		return &Error{Msg: "ngrok's certificate is not valid at this computer's time: check its clock", Err: c.redact(err)}
	}
	if why != nil {
		return &Error{Msg: "ngrok can't be reached directly: check this computer's connection, or enter this network's proxy in Setup", Err: c.redact(err)}
	}
	return &Error{Msg: "ngrok can't be reached", Err: c.redact(err)}
}

func (c *ngrokCall) redact(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if c.token != "" {
		text = strings.ReplaceAll(text, c.token, "[secret]")
	}
	return errors.New(text)
}

// ngrokCode returns the ERR_NGROK code of an error, or "". The SDK has two
// types for it, one of them internal.
func ngrokCode(err error) string {
	var public ngrok.Error
	if errors.As(err, &public) {
		return public.Code()
	}
	var internal interface{ ErrorCode() string }
	if errors.As(err, &internal) {
		return internal.ErrorCode()
	}
	return ""
}
