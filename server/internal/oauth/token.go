package oauth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"strings"
	"sync"
	"time"
)

// A token is a reference under our MAC: the grant, the kind, the generation
// and the expiry, all in clear, none of them secret. What makes it a token is
// the MAC; what makes it good is that the record of its grant exists. The same
// fields give the same bytes, which is why a repeated refresh can be answered
// with the token of the first answer.

type tokenKind byte

const (
	accessToken  tokenKind = 1
	refreshToken tokenKind = 2
)

// Prefixes by which secret scanners find a token that leaked.
const (
	accessPrefix  = "dba_"
	refreshPrefix = "dbr_"
)

type grantID [16]byte

// newGrantID is an id that no command line takes for a flag.
func newGrantID() (id grantID) {
	for {
		_, _ = rand.Read(id[:])
		if id.String()[0] != '-' {
			return id
		}
	}
}

func (id grantID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func parseGrantID(s string) (grantID, bool) {
	var id grantID
	n, err := base64.RawURLEncoding.Decode(id[:], []byte(s + "\x00")[:min(len(s), 22)])
	return id, err == nil && n == len(id) && len(s) == 22
}

type token struct {
	grant      grantID
	kind       tokenKind
	generation uint32
	expires    time.Time // to the millisecond
}

const (
	tokenFields = 16 + 1 + 4 + 8
	macSize     = 16 // 128 bits of HMAC-SHA256 (RFC 2104 §5 allows half)
	tokenSize   = tokenFields + macSize
)

// sealer makes and checks MACs under a key derived from the data key.
type sealer struct{ pool sync.Pool }

// newSealer derives the key named label from the data key (HKDF, RFC 5869), so
// that a MAC made for one use never passes for another.
func newSealer(dataKey []byte, label string) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, dataKey, nil, label, 32)
	if err != nil {
		return nil, err
	}
	return &sealer{pool: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}, nil
}

// mac appends the MAC of msg to dst.
func (s *sealer) mac(dst, msg []byte) []byte {
	h := s.pool.Get().(hash.Hash)
	h.Reset()
	h.Write(msg)
	var sum [sha256.Size]byte
	dst = append(dst, h.Sum(sum[:0])[:macSize]...)
	s.pool.Put(h)
	return dst
}

func (s *sealer) valid(msg, mac []byte) bool {
	var want [macSize]byte
	return hmac.Equal(s.mac(want[:0], msg), mac)
}

func (s *sealer) mint(t token) string {
	b := make([]byte, 0, tokenSize)
	b = append(b, t.grant[:]...)
	b = append(b, byte(t.kind))
	b = binary.BigEndian.AppendUint32(b, t.generation)
	b = binary.BigEndian.AppendUint64(b, uint64(t.expires.UnixMilli()))
	b = s.mac(b, b)
	prefix := accessPrefix
	if t.kind == refreshToken {
		prefix = refreshPrefix
	}
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

var (
	errTokenForm  = errors.New("not a token of this server")
	errTokenForge = errors.New("token has a wrong MAC: forged, or made under another data key")
)

// open returns the fields of an authentic token, expired or not.
func (s *sealer) open(text string) (token, error) {
	var t token
	encoded, ok := strings.CutPrefix(text, accessPrefix)
	want := accessToken
	if !ok {
		encoded, ok = strings.CutPrefix(text, refreshPrefix)
		want = refreshToken
	}
	var b [tokenSize]byte
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return t, errTokenForm
	}
	if _, err := strictBase64.Decode(b[:], []byte(encoded)); err != nil {
		return t, errTokenForm
	}
	if !s.valid(b[:tokenFields], b[tokenFields:]) {
		return t, errTokenForge
	}
	copy(t.grant[:], b[:16])
	t.kind = tokenKind(b[16])
	t.generation = binary.BigEndian.Uint32(b[17:])
	t.expires = time.UnixMilli(int64(binary.BigEndian.Uint64(b[21:])))
	if t.kind != want {
		return t, errTokenForm
	}
	return t, nil
}

// strictBase64 refuses trailing bits, so that a token has one spelling.
var strictBase64 = base64.RawURLEncoding.Strict()
