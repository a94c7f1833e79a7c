package control

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
)

// ErrNotRunning is what [Dial] and the client's methods return, in a sentence,
// when no Drawbridge runs on the data folder.
var ErrNotRunning = errors.New("not running")

// dialTime is how long the running instance may take to say who it is.
const dialTime = 5 * time.Second

// message is an error for a person, and of a kind that callers test for.
func message(kind error, key string, args ...any) error {
	return &assets.Message{Key: "control." + key, Args: args, Kind: kind}
}

// errImpostor says that whoever answers does not have the key.
var errImpostor = errors.New("another program answers")

// Client asks the running instance.
type Client struct {
	dataDir string
	addr    string // 127.0.0.1:PORT
	key     string
	http    *http.Client
}

// Dial finds the instance that runs on dataDir and makes sure that it is the
// one that wrote control.json there. All errors of it and of the client's
// methods are sentences that say what to do, or the context's.
func Dial(dataDir string) (*Client, error) {
	c := &Client{dataDir: dataDir}
	path := filepath.Join(dataDir, fileName)
	a, err := readFile(path)
	var system *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, message(ErrNotRunning, "notrunning", dataDir)
	case errors.Is(err, fs.ErrPermission):
		return nil, message(nil, "permission", path)
	case errors.As(err, &system):
		return nil, message(err, "unreadable", path, err)
	}
	addr, ok := strings.CutPrefix(a.URL, "http://127.0.0.1:")
	if err != nil || !ok || strings.ContainsAny(addr, "/@?#:") || a.Key == "" {
		return nil, message(nil, "damaged", path)
	}
	c.addr, c.key = "127.0.0.1:"+addr, a.Key
	c.http = &http.Client{
		Transport:     &http.Transport{DialContext: c.connect, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	conn, err := c.connect(ctx, "", "")
	if err != nil {
		return nil, c.explain(err)
	}
	conn.Close()
	return c, nil
}

// connect is how each connection begins: the other side proves that it has the
// key before anything that holds the key goes over this very connection.
func (c *Client) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", c.addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = c.demandProof(conn)
	if !stop() || err != nil {
		conn.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	return conn, nil
}

// demandProof asks over conn for the proof that [Server.prove] gives.
func (c *Client) demandProof(conn net.Conn) error {
	random := make([]byte, 32)
	rand.Read(random) // never fails
	nonce := base64.RawURLEncoding.EncodeToString(random)
	if _, err := fmt.Fprintf(conn, "GET %s?nonce=%s HTTP/1.1\r\nHost: %s\r\n\r\n", proofPath, nonce, c.addr); err != nil {
		return errImpostor
	}
	r := bufio.NewReader(io.LimitReader(conn, 16<<10))
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return errImpostor
	}
	body, err := io.ReadAll(resp.Body)
	var answer struct {
		Proof string `json:"proof"`
	}
	if err != nil || json.Unmarshal(body, &answer) != nil || resp.Close || r.Buffered() > 0 ||
		subtle.ConstantTimeCompare([]byte(answer.Proof), []byte(proof(c.key, c.addr, nonce))) != 1 {
		return errImpostor
	}
	return nil
}

// explain turns a failed request's error into a sentence.
func (c *Client) explain(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return message(nil, "silent", c.dataDir)
	case errors.Is(err, errImpostor):
		return message(ErrNotRunning, "port", c.dataDir)
	case errors.As(err, &op) && op.Op == "dial":
		return message(ErrNotRunning, "notrunning", c.dataDir)
	}
	return message(nil, "broke", c.dataDir)
}
