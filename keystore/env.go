package keystore

import (
	"context"
	"strings"
)

var envVars = map[string]string{
	IDPClientSecret: "DRAWBRIDGE_IDP_CLIENT_SECRET",
	NgrokAuthtoken:  "DRAWBRIDGE_NGROK_AUTHTOKEN",
	ProxyPassword:   "DRAWBRIDGE_PROXY_PASSWORD",
	DataKey:         "DRAWBRIDGE_DATA_KEY",
}

// EnvVar names the environment variable that [Env] reads for account, or is
// empty if there is none. For a secret of a mounted server it is
// DRAWBRIDGE_SERVER_NAME_VAR, in capitals and with "_" for what a variable's
// name can't hold; servers whose names differ in that alone share it.
func EnvVar(account string) string {
	name, ok := strings.CutPrefix(account, serverPrefix)
	if !ok {
		return envVars[account]
	}
	return "DRAWBRIDGE_SERVER_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// Env reads secrets from environment variables through lookup, which is
// os.LookupEnv outside of tests. An empty variable counts as not set. Set and
// Delete return an [*Error] of kind [ReadOnly].
func Env(lookup func(string) (string, bool)) Store { return env{lookup} }

// IsReadOnly reports whether s can't be written, as [Env]. Setup asks it
// before it asks a person for a secret.
func IsReadOnly(s Store) bool {
	_, ok := s.(env)
	return ok
}

type env struct {
	lookup func(string) (string, bool)
}

func (e env) Get(_ context.Context, account string) (Secret, error) {
	name := EnvVar(account)
	if name == "" {
		return Secret{}, ErrNotFound
	}
	value, _ := e.lookup(name)
	// Files mounted by container runtimes end in a newline, which then is
	// part of the variable and never of the secret.
	value = strings.TrimRight(value, "\r\n")
	if value == "" {
		return Secret{}, ErrNotFound
	}
	return NewSecret(value), nil
}

func (env) Set(_ context.Context, account string, _ Secret) error {
	return &Error{Kind: ReadOnly, Account: account, Op: opSet}
}

func (env) Delete(_ context.Context, account string) error {
	return &Error{Kind: ReadOnly, Account: account, Op: opDelete}
}
