package setup

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// envFile is what a FastMCP server's .env says about its Okta app.
type envFile struct {
	issuer, clientID, publicURL string
	secret, authtoken           keystore.Secret
}

// maxEnvFile bounds a .env file in bytes.
const maxEnvFile = 1 << 20

// readEnvFile reads OKTA_DOMAIN, OKTA_CLIENT_ID, OKTA_CLIENT_SECRET, BASE_URL
// and NGROK_AUTHTOKEN from the file at path; the last three may be missing. Its errors
// name variables and never show their values.
func readEnvFile(path string) (envFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return envFile{}, fmt.Errorf("--from-env: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxEnvFile))
	if err != nil {
		return envFile{}, fmt.Errorf("--from-env: %w", err)
	}
	vars := parseEnv(string(data))
	var missing []string
	for _, name := range []string{"OKTA_DOMAIN", "OKTA_CLIENT_ID"} {
		if vars[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return envFile{}, fmt.Errorf("--from-env: %s does not set %s", path, strings.Join(missing, " and "))
	}
	return envFile{
		issuer:    oktaIssuer(vars["OKTA_DOMAIN"]),
		clientID:  vars["OKTA_CLIENT_ID"],
		publicURL: vars["BASE_URL"],
		secret:    keystore.NewSecret(vars["OKTA_CLIENT_SECRET"]),
		authtoken: keystore.NewSecret(vars["NGROK_AUTHTOKEN"]),
	}, nil
}

// ngrokZones are the domains under which ngrok gives names away.
var ngrokZones = []string{"ngrok.app", "ngrok.dev", "ngrok.io", "ngrok.pro", "ngrok.pizza", "ngrok-free.app", "ngrok-free.dev"}

// ngrokDomain is the host of a URL at ngrok, or "".
func ngrokDomain(publicURL string) string {
	u, err := url.Parse(strings.TrimSpace(publicURL))
	if err != nil || u.Scheme != "https" || u.Port() != "" {
		return ""
	}
	host := hostname.Lower(u.Hostname())
	for _, zone := range ngrokZones {
		if strings.HasSuffix(host, "."+zone) {
			return host
		}
	}
	return ""
}

// oktaIssuer is the default authorization server of a bare Okta host. Whoever
// wrote a scheme or a path meant that one; Okta's issuers end in no slash.
func oktaIssuer(domain string) string {
	domain = strings.TrimRight(domain, "/")
	if strings.Contains(domain, "://") {
		return domain
	}
	if strings.Contains(domain, "/") {
		return "https://" + domain
	}
	return "https://" + domain + "/oauth2/default"
}

// parseEnv reads NAME=VALUE lines as dotenv files have them: comments, an
// "export" in front, single quotes (as is), double quotes (\n, \" and the
// like), any line end. Of a name that comes twice the last counts. Lines that
// are none of this are passed over, as everybody else does.
func parseEnv(text string) map[string]string {
	vars := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "export"); ok && strings.TrimLeft(rest, " \t") != rest {
			line = strings.TrimSpace(rest)
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		vars[name] = envValue(strings.TrimSpace(value))
	}
	return vars
}

func envValue(s string) string {
	if s == "" {
		return ""
	}
	switch quote := s[0]; quote {
	case '\'':
		if text, _, ok := strings.Cut(s[1:], "'"); ok {
			return text
		}
	case '"':
		if text, ok := unescape(s[1:]); ok {
			return text
		}
	}
	if strings.HasPrefix(s, "#") {
		return ""
	}
	// A # is a comment only after a space: secrets may hold one.
	for i := 1; i < len(s); i++ {
		if s[i] == '#' && (s[i-1] == ' ' || s[i-1] == '\t') {
			return strings.TrimSpace(s[:i])
		}
	}
	return s
}

// unescape reads up to the closing double quote.
func unescape(s string) (string, bool) {
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return text.String(), true
		case s[i] == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				text.WriteByte('\n')
			case 'r':
				text.WriteByte('\r')
			case 't':
				text.WriteByte('\t')
			case '"', '\\', '$':
				text.WriteByte(s[i])
			default:
				text.WriteByte('\\')
				text.WriteByte(s[i])
			}
		default:
			text.WriteByte(s[i])
		}
	}
	return "", false
}
