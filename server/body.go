package server

import (
	"context"
	"io"
	"net/http"
	"time"
)

// limitBodyTime ends a body that comes too slowly. http.Server's ReadTimeout
// would do it too, but would also cut streams that answer a request.
func limitBodyTime(w http.ResponseWriter, r *http.Request, d time.Duration) {
	conn := http.NewResponseController(w)
	if conn.SetReadDeadline(time.Now().Add(d)) != nil {
		return
	}
	r.Body = &timedBody{ReadCloser: r.Body, conn: conn}
}

// timedBody lifts the deadline at the body's end: what is read on the
// connection after it only tells whether the client is still there.
type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
	done bool
	ctx  context.Context // once it is done, nothing more is read; nil: none
}

// ofGrant gives a call with a good token as long as its grant lives: its answer
// may be a stream of hours. Its body ends with the grant, so that a call does
// not run whose body was still coming when the grant ended.
func ofGrant(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		if b, ok := r.Body.(*timedBody); ok {
			b.ctx = r.Context()
		}
		next.ServeHTTP(w, r)
	})
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && !b.done {
		b.done = true
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	if b.ctx != nil && b.ctx.Err() != nil {
		return 0, b.ctx.Err()
	}
	return n, err
}
