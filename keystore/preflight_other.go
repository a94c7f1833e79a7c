//go:build !linux

package keystore

import (
	"context"
	"fmt"
)

// preflight finds nothing: these systems always have their keychain.
func preflight(context.Context) *reply { return nil }

// classify keeps an error's words short: on macOS it is an exit status, on
// Windows the system's own sentence.
func classify(err error) reply {
	return unavailable(fmt.Sprintf("%T: %v", err, err))
}
