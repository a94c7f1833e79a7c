// Programs made with the Go SDK and with mcp-go, as the kit drives them
// (kit_test.go). A module of its own: none of this is a dependency of Drawbridge.
//
// usage: golang '{"url":…,"redirectURI":…,"name":…,"library":"sdk"|"mcp-go"}'
// Lines of JSON, as in typescript.mjs.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
)

var options struct{ URL, RedirectURI, Name, Library string }

// program is a client that stays connected.
type program interface {
	connect(ctx context.Context) error
	call(ctx context.Context) (string, error)
}

var lines = bufio.NewReader(os.Stdin)

func say(message map[string]any) {
	text, _ := json.Marshal(message)
	fmt.Println(string(text))
}

func hear() map[string]string {
	line, err := lines.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		os.Exit(0)
	}
	var m map[string]string
	if err := json.Unmarshal(line, &m); err != nil {
		panic(err)
	}
	return m
}

// signIn shows somebody an address and returns the query of the answer.
func signIn(address string) (url.Values, error) {
	say(map[string]any{"authorize": address})
	u, err := url.Parse(hear()["callback"])
	if err != nil {
		return nil, err
	}
	return u.Query(), nil
}

func main() {
	if err := json.Unmarshal([]byte(os.Args[1]), &options); err != nil {
		panic(err)
	}
	ctx := context.Background()
	p := map[string]program{"sdk": &sdkProgram{}, "mcp-go": &mcpGoProgram{}}[options.Library]
	for {
		text, err := "connected", error(nil)
		if hear()["do"] == "connect" {
			err = p.connect(ctx)
		} else {
			text, err = p.call(ctx)
		}
		if err != nil {
			say(map[string]any{"error": err.Error()})
			continue
		}
		say(map[string]any{"text": text})
	}
}
