// Package keystore holds Drawbridge's secrets: in the keychain of the
// operating system, in environment variables, or in memory.
//
// It never writes a secret to disk, to a log or into an error, never puts one
// on a command line, and never hangs on a locked keychain.
//
// Start at [Store]; [OS] is the one people use. A program that uses [OS]
// calls [ChildMain] first in main.
package keystore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Service is the name that every secret of ours carries in the keychain.
const Service = "drawbridge"

// The accounts of the secrets that Drawbridge itself needs. For those of mounted
// servers see [ServerSecret].
const (
	IDPClientSecret = "idp-client-secret" // the client secret at the OpenID provider
	NgrokAuthtoken  = "ngrok-authtoken"
	ProxyPassword   = "proxy-password" // of the user that [network] proxy names
	DataKey         = "data-key"       // seals what is stored: base64 of 32 bytes
	NextDataKey     = "data-key-next"  // while it takes the place of the other
)

const serverPrefix = "server/"

// ServerSecret is the account of what ${keychain:name} stands for in the
// settings of a mounted server.
func ServerSecret(server, name string) string { return serverPrefix + server + "/" + name }

// MaxSize is the longest secret in bytes. Windows stores 2560 at most, macOS
// about 3000 together with the names; a secret fits everywhere or nowhere.
const MaxSize = 2500

// maxAccount is the longest account name in bytes: with it and a secret of
// MaxSize, the command line that macOS reads stays under its 4096.
const maxAccount = 200

// ErrNotFound says that the keystore works and holds no such secret.
var ErrNotFound = errors.New("no such secret in the keystore")

// Store keeps secrets by account. Each method returns [ErrNotFound] or an
// [*Error]; none takes longer than a few seconds. It is safe for concurrent
// use.
type Store interface {
	// Get returns the secret of account, or ErrNotFound.
	Get(ctx context.Context, account string) (Secret, error)
	// Set stores s, in place of an older one.
	Set(ctx context.Context, account string, s Secret) error
	// Delete removes the secret of account, or returns ErrNotFound.
	Delete(ctx context.Context, account string) error
}

// Text is the text of a secret, or "" if s holds none.
func Text(ctx context.Context, s Store, account string) (string, error) {
	secret, err := s.Get(ctx, account)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return secret.Reveal(), err
}

// Kind says what a person has to do about an [Error].
type Kind int

// The kinds of errors.
const (
	// Unavailable: there is no keychain here, or it does not work.
	Unavailable Kind = iota
	// Locked: the keychain waits for a person to unlock it.
	Locked
	// TooBig: the secret is longer than [MaxSize].
	TooBig
	// ReadOnly: this keystore reads only.
	ReadOnly
)

// Error is a failure of the keystore. Its text is one sentence that says what
// happened and what to do; it never holds a secret.
type Error struct {
	Kind    Kind
	Account string
	Op      string // get, set or delete
	// Waiting, with Locked: the keychain's own window may still be open. The
	// same call again waits for its answer and opens no second one.
	Waiting bool
	Err     error // the cause, for the log
}

func (e *Error) Error() string {
	switch e.Kind {
	case Locked:
		if e.Waiting {
			return fmt.Sprintf("the keychain is locked or waits for your answer, so %s could not be %s: unlock it, then try again", e.Account, e.done())
		}
		return fmt.Sprintf("the keychain is locked, so %s could not be %s: unlock it, then try again", e.Account, e.done())
	case TooBig:
		return fmt.Sprintf("%s is longer than the %d bytes that a keychain takes: check that the right text was pasted", e.Account, MaxSize)
	case ReadOnly:
		if name := EnvVar(e.Account); name != "" {
			return fmt.Sprintf("%s comes from the environment and cannot be changed from here: set %s instead", e.Account, name)
		}
		return fmt.Sprintf("the environment holds no %s and cannot be changed from here: use --keystore os", e.Account)
	default:
		return fmt.Sprintf("the keychain does not work here, so %s could not be %s%s: start Drawbridge in a desktop session, or use --keystore env%s",
			e.Account, e.done(), e.cause(), e.envCure())
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// IsKind reports whether err is a keystore's error of kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

func (e *Error) done() string {
	switch e.Op {
	case opSet:
		return "stored"
	case opDelete:
		return "deleted"
	}
	return "read"
}

// cause is the underlying error in brackets. Its text comes from other
// programs, so it is kept to one short printable line.
func (e *Error) cause() string {
	if e.Err == nil {
		return ""
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, e.Err.Error())
	if r := []rune(text); len(r) > 160 {
		text = string(r[:160]) + "…"
	}
	return " (" + text + ")"
}

func (e *Error) envCure() string {
	if name := EnvVar(e.Account); name != "" {
		return " with " + name + " set"
	}
	return ""
}

// check refuses what no keystore takes, before any is asked.
func check(op, account string, s Secret) error {
	if account == "" || len(account) > maxAccount || strings.ContainsFunc(account, unicode.IsControl) {
		return &Error{Kind: Unavailable, Account: "the secret", Op: op,
			Err: fmt.Errorf("an account is 1 to %d printable bytes", maxAccount)}
	}
	if len(s.Reveal()) > MaxSize {
		return &Error{Kind: TooBig, Account: account, Op: op}
	}
	return nil
}
