package setup

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// envFile is what a FastMCP server's .env says about its Okta app.
type envFile struct {
	domain, clientID, publicURL string
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
		domain:    vars["OKTA_DOMAIN"],
		clientID:  vars["OKTA_CLIENT_ID"],
		publicURL: vars["BASE_URL"],
		secret:    keystore.NewSecret(vars["OKTA_CLIENT_SECRET"]),
		authtoken: keystore.NewSecret(vars["NGROK_AUTHTOKEN"]),
	}, nil
}

// ngrokHost is a name below a domain under which ngrok gives names away.
var ngrokHost = regexp.MustCompile(`\.(ngrok\.(app|dev|io|pro|pizza)|ngrok-free\.(app|dev))$`)

// ngrokDomain is the host of a URL at ngrok, or "".
func ngrokDomain(publicURL string) string {
	u, err := url.Parse(strings.TrimSpace(publicURL))
	if err != nil || u.Scheme != "https" || u.Port() != "" {
		return ""
	}
	host := hostname.Lower(u.Hostname())
	if !ngrokHost.MatchString(host) {
		return ""
	}
	return host
}

var (
	envLine = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([^\s=#]+)[ \t]*=[ \t]*(?:'([^'\n]*)'.*|"((?:[^"\\\n]|\\.)*)".*|(.*))$`)
	// A # is a comment only after a space: secrets may hold one.
	envComment = regexp.MustCompile(`(^|[ \t])#.*`)
	envEscapes = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`, `\\`, `\`, `\$`, `$`)
)

// parseEnv reads NAME=VALUE lines as dotenv files have them: comments, an
// "export" in front, single quotes (as is), double quotes (\n, \" and the
// like), any line end. Of a name that comes twice the last counts. Lines that
// are none of this are passed over, as everybody else does.
func parseEnv(text string) map[string]string {
	vars := map[string]string{}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	for _, found := range envLine.FindAllStringSubmatch(text, -1) {
		plain := strings.TrimSpace(envComment.ReplaceAllString(found[4], ""))
		vars[found[1]] = found[2] + envEscapes.Replace(found[3]) + plain // one of them at most
	}
	return vars
}
