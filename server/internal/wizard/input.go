package wizard

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// maxInput bounds what one field takes, in bytes.
const maxInput = 2048

// Trim takes off what comes along with a copied value: spaces, quotes, angle
// brackets, a comma or semicolon at the end.
func Trim(s string) string {
	for {
		t := strings.TrimFunc(s, func(r rune) bool {
			return r <= ' ' || r == '\u00a0' || r == '\ufeff' || r == '\u200b' || r == '\u3000' || strings.ContainsRune("\"'`<>“”‘’", r)
		})
		if t = strings.TrimRight(t, ",;"); t == s {
			return t
		}
		s = t
	}
}

// webAddress reads an address that a person pasted, with or without its scheme, as
// https, or http on loopback. It drops query and fragment, and returns nil for
// what is no address.
func webAddress(s string) *url.URL {
	s = Trim(s)
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || !isHost(u.Hostname()) || u.Opaque != "" {
		return nil
	}
	switch {
	case u.Scheme == "http" && !hostname.Loopback(u.Hostname()):
		u.Scheme = "https"
	case u.Scheme != "http" && u.Scheme != "https":
		return nil
	}
	if u.Scheme == "https" && u.Port() == "443" || u.Port() == "" {
		u.Host = strings.TrimSuffix(strings.TrimSuffix(u.Host, ":443"), ":")
	}
	u.Host = hostname.Lower(u.Host)
	u.RawQuery, u.ForceQuery = "", false
	return u
}

// Address is an address that a person pasted, with its scheme; s as it is where
// that is none.
func Address(s string) string {
	u := webAddress(s)
	if u == nil {
		return s
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

// isHost reports whether s is a name with a dot in it, an IP address, or
// localhost.
func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || hostname.Loopback(s) || hostname.Valid(s) && strings.Contains(s, ".")
}

// pathPart is the n-th part of a path, from 0, or "".
func pathPart(u *url.URL, n int) string {
	if parts := strings.Split(strings.Trim(u.Path, "/"), "/"); n < len(parts) {
		return parts[n]
	}
	return ""
}

// Okta: a domain, the admin console's address, an issuer, or the address of a
// discovery document.

var (
	oktaAdmin  = regexp.MustCompile(`^([^.]+)-admin(\.(okta|oktapreview|okta-emea|okta-gov)\.com|\.okta\.mil)$`)
	oktaServer = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

func oktaIssuer(f Form) (string, *Problem) {
	u := webAddress(f[FieldDomain])
	if u == nil {
		return "", &Problem{FieldDomain, say("This is no Okta domain. Enter the host alone, such as dev-123456.okta.com: Okta shows it in the menu at the top right.")}
	}
	server := Trim(f[FieldServer])
	if pasted := webAddress(server); pasted != nil && strings.Contains(server, "/") {
		server = serverIn(pasted) // the issuer, from the list of authorization servers
	}
	if server == "" {
		server = serverIn(u)
	}
	base := u.Scheme + "://" + oktaAdmin.ReplaceAllString(u.Host, "$1$2")
	switch {
	case server == "" || server == OrgServer:
		return base, nil
	case !oktaServer.MatchString(server):
		return "", &Problem{FieldServer, say("This is no ID of an authorization server. It is the last part of the issuer that Okta shows under Security, API, such as default or aus1a2b3c4d5e6f7g8h9.")}
	}
	return base + "/oauth2/" + server, nil
}

// serverIn is the authorization server in the path of an issuer, or "".
func serverIn(u *url.URL) string {
	if pathPart(u, 0) != "oauth2" || pathPart(u, 1) == "v1" {
		return ""
	}
	return pathPart(u, 1)
}

func oktaForm(u *url.URL) Form {
	f := Form{FieldDomain: u.Host, FieldServer: serverIn(u)}
	if u.Scheme == "http" {
		f[FieldDomain] = "http://" + u.Host
	}
	if f[FieldServer] == "" {
		f[FieldServer] = OrgServer
	}
	return f
}

// Auth0: a domain, or the dashboard's address. The issuer ends in a slash.

func auth0Issuer(f Form) (string, *Problem) {
	u := webAddress(f[FieldDomain])
	if u != nil && u.Host == "manage.auth0.com" {
		// manage.auth0.com/dashboard/eu/tenant/applications
		if region, tenant := pathPart(u, 1), pathPart(u, 2); hostname.Valid(tenant + "." + region) {
			return "https://" + strings.ToLower(tenant+"."+region) + ".auth0.com/", nil
		}
		u = nil
	}
	if u == nil {
		return "", &Problem{FieldDomain, say("This is no Auth0 domain. Copy Domain from the application's settings at Auth0, such as tenant.eu.auth0.com.")}
	}
	return u.Scheme + "://" + u.Host + "/", nil
}

// Entra: a tenant ID, a domain of the tenant, or any address with one of them.

var entraTenant = regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|common|organizations|consumers)$`)

const entraHost = "https://login.microsoftonline.com/"

func entraIssuer(f Form) (string, *Problem) {
	tenant := Trim(f[FieldTenant])
	if u := webAddress(tenant); u != nil && strings.Contains(tenant, "/") {
		switch u.Host {
		case "login.microsoftonline.com", "sts.windows.net", "login.windows.net":
			tenant = pathPart(u, 0)
		}
	}
	tenant = strings.ToLower(strings.TrimPrefix(tenant, "@"))
	if !entraTenant.MatchString(tenant) && (!isHost(tenant) || hostname.Loopback(tenant)) {
		return "", &Problem{FieldTenant, say("This is no tenant ID. Copy Directory (tenant) ID from the app registration's Overview page: 32 digits and letters in five groups.")}
	}
	return entraHost + tenant + "/v2.0", nil
}

// Keycloak: the base address, or any of Keycloak's with the realm in it.

var keycloakRealm = regexp.MustCompile(`^[A-Za-z0-9._~@+-]+$`)

func keycloakIssuer(f Form) (string, *Problem) {
	u := webAddress(f[FieldURL])
	if u == nil {
		return "", &Problem{FieldURL, say("This is no address of a Keycloak. Enter what stands before /realms or /admin in its addresses, such as https://sso.example.com.")}
	}
	realm := Trim(f[FieldRealm])
	base := u.EscapedPath()
	if before, after, ok := strings.Cut(base, "/realms/"); ok {
		base = before
		if realm == "" {
			realm, _, _ = strings.Cut(after, "/")
		}
	}
	if before, _, ok := strings.Cut(base, "/admin"); ok {
		base = before
	}
	if !keycloakRealm.MatchString(realm) {
		return "", &Problem{FieldRealm, say("This is no name of a realm. It stands after /realms/ in Keycloak's addresses, in the same upper and lower case.")}
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(base, "/") + "/realms/" + realm, nil
}

func keycloakForm(u *url.URL) Form {
	before, realm, _ := strings.Cut(u.String(), "/realms/")
	realm, _, _ = strings.Cut(realm, "/")
	return Form{FieldURL: before, FieldRealm: realm}
}

// Others: the issuer, or the address of its discovery document. A slash at the
// end is kept: it may belong to it.

func otherIssuer(f Form) (string, *Problem) {
	u := webAddress(f[FieldIssuer])
	if u == nil {
		return "", &Problem{FieldIssuer, say("This is no issuer. It is an https address (http only on this computer), such as https://idp.example.com.")}
	}
	u.Fragment, u.RawFragment = "", ""
	issuer, _ := strings.CutSuffix(u.String(), "/.well-known/openid-configuration")
	return issuer, nil
}
