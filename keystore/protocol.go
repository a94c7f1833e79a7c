package keystore

import (
	"context"
	"errors"

	"github.com/zalando/go-keyring"
)

// What parent and child say to each other: one line of JSON each way, over
// pipes. Secrets are bytes, so that JSON carries them unchanged.

const (
	opGet    = "get"
	opSet    = "set"
	opDelete = "delete"
)

// request goes to the child's standard input, which then stays open: its end
// tells the child that the parent is gone.
type request struct {
	Op      string `json:"op"`
	Account string `json:"account"`
	Secret  []byte `json:"secret,omitempty"`
}

// reply comes from the child's standard output.
type reply struct {
	Class  string `json:"class"`
	Detail string `json:"detail,omitempty"` // the cause in words, without the secret
	Secret []byte `json:"secret,omitempty"`
}

// The classes of a reply.
const (
	classOK          = "ok"
	classNotFound    = "not_found"
	classLocked      = "locked"
	classTooBig      = "too_big"
	classUnavailable = "unavailable"
)

func unavailable(detail string) reply { return reply{Class: classUnavailable, Detail: detail} }

// result turns r into what a [Store] returns.
func (r reply) result(op, account string) (Secret, error) {
	e := &Error{Account: account, Op: op}
	if r.Detail != "" {
		e.Err = errors.New(r.Detail)
	}
	switch r.Class {
	case classOK:
		return NewSecret(string(r.Secret)), nil
	case classNotFound:
		return Secret{}, ErrNotFound
	case classLocked:
		e.Kind = Locked
	case classTooBig:
		e.Kind = TooBig
	}
	return Secret{}, e
}

// perform does r in this process, with no limit of time. The end of ctx takes
// back a question to the person.
func perform(ctx context.Context, r request) reply {
	if refused := preflight(ctx); refused != nil {
		return *refused
	}
	var text string
	var err error
	switch r.Op {
	case opGet:
		text, err = keyring.Get(Service, r.Account)
	case opSet:
		err = keyring.Set(Service, r.Account, string(r.Secret))
	case opDelete:
		err = keyring.Delete(Service, r.Account)
	default:
		return unavailable("unknown operation")
	}
	switch {
	case err == nil:
		return reply{Class: classOK, Secret: []byte(text)}
	case errors.Is(err, keyring.ErrNotFound):
		return reply{Class: classNotFound}
	case errors.Is(err, keyring.ErrSetDataTooBig):
		return reply{Class: classTooBig}
	}
	return classify(err)
}
