package builtin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	_ "embed"

	"github.com/drawbridge-app/drawbridge/server/internal/oauth"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// kind is a tool and what it does.
type kind struct {
	Tool
	call func(ctx context.Context, caller *oauth.Caller, arguments json.RawMessage) (json.RawMessage, error)
}

// toolsJSON is what tools/list says of each tool.
//
//go:embed tools.json
var toolsJSON []byte

// kinds are the tools, sorted by name.
var kinds = []kind{
	{Tool{"add", true, describe("add")}, add},
	{Tool{"echo", true, describe("echo")}, echo},
	{Tool{"whoami", true, describe("whoami")}, whoami},
}

// describe returns a tool's object of toolsJSON in one line.
func describe(name string) json.RawMessage {
	var line bytes.Buffer
	if err := json.Compact(&line, rpc.Get(toolsJSON, name)); err != nil || line.Len() == 0 {
		panic("builtin: tools.json lacks " + name)
	}
	return line.Bytes()
}

// echo answers with the very bytes it was given: a JSON string has more
// spellings than Go has strings.
func echo(_ context.Context, _ *oauth.Caller, arguments json.RawMessage) (json.RawMessage, error) {
	message := rpc.Get(arguments, "message")
	if len(message) == 0 || message[0] != '"' {
		return nil, &mistake{"message is required and must be a string"}
	}
	const prefix = `"Echo: `
	quoted := make([]byte, 0, len(prefix)+len(message))
	return text(append(append(quoted, prefix...), message[1:]...), false), nil
}

func add(_ context.Context, _ *oauth.Caller, arguments json.RawMessage) (json.RawMessage, error) {
	if !rpc.IsObject(arguments) {
		return nil, &mistake{"a and b are required and must be integers"}
	}
	a, err := integer("a", rpc.Get(arguments, "a"))
	if err != nil {
		return nil, err
	}
	b, err := integer("b", rpc.Get(arguments, "b"))
	if err != nil {
		return nil, err
	}
	return text(quote(a.Add(a, b).String()), false), nil
}

// maxDigits bounds the work of one addition. No float64 has more than 308.
const maxDigits = 300

// integer reads a JSON number without a fraction. "2.0" is one (JSON Schema
// 2020-12 §6.1.1); an exponent is not taken, because a few bytes of it can ask
// for gigabytes.
func integer(name string, raw json.RawMessage) (*big.Int, error) {
	digits := string(raw)
	if whole, fraction, ok := strings.Cut(digits, "."); ok && strings.Trim(fraction, "0") == "" {
		digits = whole
	}
	if len(digits) > maxDigits {
		return nil, &mistake{fmt.Sprintf("%s has more than %d digits", name, maxDigits)}
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil, &mistake{fmt.Sprintf("%s is required and must be an integer written in digits", name)}
	}
	return n, nil
}
