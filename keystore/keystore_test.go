package keystore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/drawbridge-app/drawbridge/keystore"
)

func TestMain(m *testing.M) {
	keystore.ChildMain()
	os.Exit(m.Run())
}

func TestSecretNeverPrints(t *testing.T) {
	const text = "hunter2"
	s := keystore.NewSecret(text)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "p", &s, "in", struct{ S keystore.Secret }{s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "p", &s, "in", struct{ S keystore.Secret }{s})
	printed := []string{log.String(), s.String()}
	hidden := struct{ s keystore.Secret }{s} // fmt can't call methods of unexported fields
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s"} {
		if got := fmt.Sprintf(verb, s); got != "[secret]" {
			t.Errorf("%s printed %q", verb, got)
		}
		for _, v := range []any{&s, hidden, &hidden, []keystore.Secret{s}, map[string]keystore.Secret{"k": s}} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
	}
	for _, v := range []any{s, &s, struct{ S keystore.Secret }{s}, map[string]keystore.Secret{"k": s}} {
		out, err := json.Marshal(v)
		if err != nil || !strings.Contains(string(out), "[secret]") {
			t.Errorf("JSON of %T: %s, %v", v, out, err)
		}
		printed = append(printed, string(out))
	}
	out, err := s.MarshalText()
	if err != nil || string(out) != "[secret]" {
		t.Errorf("text: %s, %v", out, err)
	}
	for _, p := range printed {
		if strings.Contains(p, text) || strings.Contains(strings.ToLower(p), fmt.Sprintf("%x", text)) {
			t.Errorf("the secret shows in %q", p)
		}
	}
	if s.Reveal() != text || s.IsZero() || !s.Equal(keystore.NewSecret(text)) || s.Equal(keystore.Secret{}) {
		t.Error("the secret itself is lost")
	}
	if !(keystore.Secret{}).IsZero() || !keystore.NewSecret("").IsZero() {
		t.Error("no text is not zero")
	}
}

func TestMemory(t *testing.T) {
	testRoundTrip(t, keystore.Memory())
}

// testRoundTrip is what every writable store does.
func testRoundTrip(t *testing.T, s keystore.Store) {
	t.Helper()
	ctx := context.Background()
	const account = keystore.IDPClientSecret
	if _, err := s.Get(ctx, account); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("get of a missing secret: %v", err)
	}
	if err := s.Delete(ctx, account); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("delete of a missing secret: %v", err)
	}
	for _, text := range []string{"first", "grüße\n\"'$(x) \x00\xff end ", strings.Repeat("x", keystore.MaxSize)} {
		if err := s.Set(ctx, account, keystore.NewSecret(text)); err != nil {
			t.Fatalf("set: %v", err)
		}
		got, err := s.Get(ctx, account)
		if err != nil || got.Reveal() != text {
			t.Fatalf("got %q, %v, want %q", got.Reveal(), err, text)
		}
	}
	if _, err := s.Get(ctx, keystore.DataKey); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("another account: %v", err)
	}
	err := s.Set(ctx, account, keystore.NewSecret(strings.Repeat("y", keystore.MaxSize+1)))
	if !keystore.IsKind(err, keystore.TooBig) || strings.Contains(err.Error(), "yy") {
		t.Fatalf("too big: %v", err)
	}
	if got, _ := s.Get(ctx, account); len(got.Reveal()) != keystore.MaxSize {
		t.Fatal("the refused secret took the place of the old one")
	}
	if err := s.Delete(ctx, account); err != nil {
		t.Fatalf("delete: %v", err)
	}
	if _, err := s.Get(ctx, account); !errors.Is(err, keystore.ErrNotFound) {
		t.Fatalf("get after delete: %v", err)
	}
	if err := s.Set(ctx, "", keystore.NewSecret("x")); err == nil {
		t.Fatal("an empty account was taken")
	}
}

func TestEnv(t *testing.T) {
	vars := map[string]string{"DRAWBRIDGE_IDP_CLIENT_SECRET": "from env\r\n", "DRAWBRIDGE_DATA_KEY": "", "DRAWBRIDGE_SERVER_MY_FILES_2_API_KEY": "of a server"}
	s := keystore.Env(func(k string) (string, bool) { v, ok := vars[k]; return v, ok })
	ctx := context.Background()
	if got, err := s.Get(ctx, keystore.IDPClientSecret); err != nil || got.Reveal() != "from env" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
	for _, account := range []string{keystore.NgrokAuthtoken, keystore.DataKey, "server/files/TOKEN"} {
		if _, err := s.Get(ctx, account); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("%s: %v", account, err)
		}
	}
	if got, err := s.Get(ctx, keystore.ServerSecret("my.Files-2", "API_key")); err != nil || got.Reveal() != "of a server" {
		t.Errorf("a server's: got %q, %v", got.Reveal(), err)
	}
	err := s.Set(ctx, keystore.NgrokAuthtoken, keystore.NewSecret("hunter2"))
	if !keystore.IsKind(err, keystore.ReadOnly) || !strings.Contains(err.Error(), "set DRAWBRIDGE_NGROK_AUTHTOKEN") {
		t.Errorf("set: %v", err)
	}
	if err := s.Delete(ctx, "server/files/TOKEN"); !keystore.IsKind(err, keystore.ReadOnly) {
		t.Errorf("delete: %v", err)
	}
	if !keystore.IsReadOnly(s) || keystore.IsReadOnly(keystore.Memory()) {
		t.Error("IsReadOnly does not tell them apart")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	cause := errors.New("no session\n\x1b[31mbus")
	for _, c := range []struct {
		err  keystore.Error
		want string
	}{
		{keystore.Error{Kind: keystore.Locked, Op: "get"}, "the keychain is locked, so idp-client-secret could not be read: unlock it, then try again"},
		{keystore.Error{Kind: keystore.Locked, Op: "set", Waiting: true}, "the keychain is locked or waits for your answer, so idp-client-secret could not be stored: unlock it, then try again"},
		{keystore.Error{Kind: keystore.Unavailable, Op: "delete", Err: cause}, "the keychain does not work here, so idp-client-secret could not be deleted (no session  [31mbus): start Drawbridge in a desktop session, or use --keystore env with DRAWBRIDGE_IDP_CLIENT_SECRET set"},
		{keystore.Error{Kind: keystore.TooBig, Op: "set"}, "idp-client-secret is longer than the 2500 bytes that a keychain takes: check that the right text was pasted"},
		{keystore.Error{Kind: keystore.ReadOnly, Op: "set"}, "idp-client-secret comes from the environment and cannot be changed from here: set DRAWBRIDGE_IDP_CLIENT_SECRET instead"},
	} {
		c.err.Account = keystore.IDPClientSecret
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if err := error(&keystore.Error{Err: cause}); !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}
