package setup

import (
	"fmt"

	"github.com/drawbridge-app/drawbridge/keystore"
	"github.com/drawbridge-app/drawbridge/server/internal/wizard"
)

// callbackPath is where the provider sends people back to.
const callbackPath = "/auth/callback"

// report says what was saved and what to do next.
func (s *session) report() {
	s.print("\nSaved %s\n", s.ConfigPath)
	if !s.readOnly {
		s.print("The client secret is in the keychain, under %s, %s.\n", keystore.Service, keystore.IDPClientSecret)
		if s.FromEnv != "" && !s.secret.IsZero() {
			s.print("%s is not needed any more: delete it, or take the secret out of it.\n", s.FromEnv)
		}
	}
	for _, name := range s.setInEnv {
		s.print("Secrets come from the environment, so none was stored: set %s before you start Drawbridge.\n", name)
	}
	s.print("\nAt the provider, allow this sign-in redirect URI:\n")
	if url := s.config.URL(); url != "" {
		s.print("    %s%s\n", url, callbackPath)
	} else {
		s.print("    https://NAME%s, where https://NAME is the address that the tunnel gets\n", callbackPath)
	}
	s.print("Who may sign in: %s\n", wizard.Who(s.config.Access))
	s.print("Next: drawbridge run (and `drawbridge doctor` checks everything)\n")
}

// print writes to the person. If that fails there is nobody to tell.
func (s *session) print(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, format, args...)
}
