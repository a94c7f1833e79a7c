package setup

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/internal/hostname"
)

// readEnvFile reads the variables of a FastMCP server's .env at path, OKTA_DOMAIN
// and OKTA_CLIENT_ID among them. Its errors name variables and never show their
// values.
func readEnvFile(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--from-env: %w", err)
	}
	vars := parseEnv(string(data))
	var missing []string
	for _, name := range []string{"OKTA_DOMAIN", "OKTA_CLIENT_ID"} {
		if vars[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("--from-env: %s does not set %s", path, strings.Join(missing, " and "))
	}
	return vars, nil
}

// ngrokHost is a name below a domain under which ngrok gives names away.
var ngrokHost = regexp.MustCompile(`^.*\.(ngrok\.(app|dev|io|pro|pizza)|ngrok-free\.(app|dev))$`)

// ngrokDomain is the host of a URL at ngrok, or "".
func ngrokDomain(publicURL string) string {
	u, err := url.Parse(strings.TrimSpace(publicURL))
	if err != nil || u.Scheme != "https" || u.Port() != "" {
		return ""
	}
	return ngrokHost.FindString(hostname.Lower(u.Hostname()))
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
